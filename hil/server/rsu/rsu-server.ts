import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { QuicServer, QuicServerSession } from "@currentspace/http3";
import { LinkError, UsageError } from "../../../emulator/kernel/errors.ts";
import { isDotted } from "../../../gateway/source/rsu/dotted-version.ts";
import type { RsuContent, RsuServerEvent } from "../../../gateway/source/rsu/rsu-server.ts";
import { loadQuic, QUIC_RUNTIME } from "../../link/quic.ts";
import { FaultSet, type ServerFault } from "../server-faults.ts";
import { RsuConnection } from "./rsu-connection.ts";

/** What happens at the server; text of a peer is cut to 200 characters. */
type RsuEvent = { readonly peer: string } & (RsuServerEvent | { readonly type: "closed"; readonly code: number });

export interface RsuServerOptions {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** "localhost" if not given: both loopback addresses. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
  readonly faults?: readonly ServerFault[];
  /** Devices must show a certificate that leads to this one, PEM; "request": they may. */
  readonly deviceCa?: string;
  readonly deviceAuth?: "request" | "require";
  /** With those whose handshake is not done; 1024 if not given. */
  readonly connectionsMax?: number;
  /** A connection on which nothing comes for so long is gone, also one that never finished its handshake; 20 000 if not given. */
  readonly idleTimeoutMs?: number;
  readonly onEvent?: (event: RsuEvent) => void;
}

/** The server side of the RSU update system. (docs/protocols/rsu.md) */
export interface RsuServerHandle {
  readonly port: number;
  /** The first target that is published is what a device gets that asks for none. @throws {UsageError} for a bad version */
  publish(target: string, content: Omit<RsuContent, "sha256">): void;
  withdraw(target: string): void;
  /** From now on these are on and no others. */
  setFaults(faults: readonly ServerFault[]): void;
  close(): Promise<void>;
}

/** @throws {LinkError} "LINK_REFUSED" when the port can't be had, "QUIC_UNSUPPORTED" */
export async function startRsuServer(options: RsuServerOptions): Promise<RsuServerHandle> {
  const server = new FirmwareServer(options);
  try {
    await server.listen(options.host ?? "localhost", options.port ?? 0);
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** A server of the library that could not listen keeps the program from ending. @throws {Error} when the port can't be had */
async function canBind(host: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  try {
    socket.bind(port, host);
    await once(socket, "listening");
  } finally {
    socket.close();
  }
}

const ALPN = "rsu-protocol";
/** Half-open connections of one flood block the way for no longer than that. */
const IDLE_TIMEOUT_MS = 20_000;
/** Each costs some 60 KiB. */
const CONNECTIONS_MAX = 1_024;
const UDP_PAYLOAD_MAX = 1_350;
/** Of one stream of a device: it sends a few short PDUs. */
const STREAM_WINDOW = 128 * 1024;
const CONNECTION_WINDOW = 512 * 1024;
const STREAMS_MAX = 16;
const LOOPBACKS = ["127.0.0.1", "::1"];

class FirmwareServer implements RsuServerHandle {
  readonly #options: RsuServerOptions;
  readonly #contents = new Map<string, RsuContent>();
  readonly #connections = new Set<RsuConnection>();
  readonly #listeners: QuicServer[] = [];
  #faults: FaultSet;
  #port = 0;

  constructor(options: RsuServerOptions) {
    this.#options = options;
    this.#faults = new FaultSet(options.faults ?? []);
  }

  get port(): number {
    return this.#port;
  }

  /** On "localhost" both loopback addresses are listened on, the second one if the machine has it. */
  async listen(host: string, port: number): Promise<void> {
    const [first, ...others] = host === "localhost" ? LOOPBACKS : [host];
    this.#port = await this.#listenOn(first as string, port);
    for (const other of others) await this.#listenOn(other, this.#port).catch(() => {});
  }

  publish(target: string, content: Omit<RsuContent, "sha256">): void {
    if (!isDotted(content.version)) throw new UsageError(`"${content.version}" is no version x.y.z`);
    const sha256 = createHash("sha256").update(content.data).digest("hex");
    this.#contents.set(target, { ...content, sha256 });
    for (const connection of this.#connections) connection.published();
  }

  withdraw(target: string): void {
    this.#contents.delete(target);
  }

  setFaults(faults: readonly ServerFault[]): void {
    this.#faults = new FaultSet(faults);
    if (this.#isGone()) for (const connection of this.#connections) void connection.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close().catch(() => {})));
  }

  async #listenOn(host: string, port: number): Promise<number> {
    const { certificate, privateKey, deviceCa, deviceAuth = "require" } = this.#options;
    const { connectionsMax = CONNECTIONS_MAX, idleTimeoutMs = IDLE_TIMEOUT_MS } = this.#options;
    const { createQuicServer } = await loadQuic();
    try {
      await canBind(host, port);
      const listener = createQuicServer({
        ...QUIC_RUNTIME,
        cert: certificate,
        key: privateKey,
        alpn: [ALPN],
        ...(deviceCa !== undefined && { ca: deviceCa, clientAuth: deviceAuth }),
        maxIdleTimeoutMs: idleTimeoutMs,
        maxUdpPayloadSize: UDP_PAYLOAD_MAX,
        maxConnections: connectionsMax,
        initialMaxData: CONNECTION_WINDOW,
        initialMaxStreamDataBidiLocal: STREAM_WINDOW,
        initialMaxStreamsBidi: STREAMS_MAX,
        disableRetry: false, // who floods us from forged addresses costs no memory
      });
      this.#listeners.push(listener);
      listener.on("error", () => {});
      listener.on("session", (session) => this.#accept(session));
      return (await listener.listen(port, host)).port;
    } catch (cause) {
      throw new LinkError("LINK_REFUSED", `can't listen on ${host}:${port}: ${(cause as Error).message}`, { cause });
    }
  }

  #accept(session: QuicServerSession): void {
    session.on("error", () => {});
    if (this.#isGone()) {
      session.close(1, "gone");
      return;
    }
    const peer = session.remoteAddress;
    const connection = new RsuConnection(session, {
      find: (target) => this.#find(target),
      faults: () => this.#faults,
      tell: (event) => this.#options.onEvent?.({ peer, ...event }),
      closed: (code) => {
        this.#connections.delete(connection);
        this.#options.onEvent?.({ peer, type: "closed", code });
      },
    });
    this.#connections.add(connection);
  }

  #isGone(): boolean {
    return this.#faults.find("gone", "") !== undefined;
  }

  #find(target: string | undefined): RsuContent | undefined {
    const name = target ?? this.#contents.keys().next().value;
    const content = name === undefined ? undefined : this.#contents.get(name);
    return content === undefined || name === undefined ? undefined : this.#asPretended(name, content);
  }

  /** A turned byte keeps its digest and signature; what is shorter has a digest of its own. */
  #asPretended(name: string, content: RsuContent): RsuContent {
    const length = this.#faults.find("truncateTo", name)?.length;
    const offset = this.#faults.find("corruptByteAt", name)?.offset;
    let { data, sha256 } = content;
    if (length !== undefined && length < data.length) {
      data = data.subarray(0, length);
      sha256 = createHash("sha256").update(data).digest("hex");
    }
    if (offset !== undefined && offset < data.length) {
      data = data.slice();
      data[offset] = (data[offset] as number) ^ 0xff;
    }
    return { ...content, data, sha256 };
  }
}
