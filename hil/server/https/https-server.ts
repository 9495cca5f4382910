import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server as PlainServer,
  type ServerResponse,
} from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { LinkError, UsageError } from "../../../emulator/kernel/errors.ts";
import { tlsVersions } from "../../link/tls-suites.ts";
import { FaultSet, type ServerFault } from "../server-faults.ts";
import { selectBytes } from "./select-bytes.ts";
import { sendBody } from "./send-body.ts";

/** What happens at the server. Text of a peer is cut to 200 characters. */
type HttpsServerEvent =
  /** One request has been answered, as far as it went. */
  | {
      readonly type: "access";
      readonly peer: string;
      readonly method: string;
      readonly path: string;
      readonly range: string | undefined;
      /** 0 when the connection was cut before the head. */
      readonly status: number;
      /** Bytes of body sent. */
      readonly bytes: number;
      /** All that the head announced was sent. */
      readonly complete: boolean;
    }
  /** A connection came to nothing before a request: no common TLS version, a client that does not trust us, no HTTP. */
  | { readonly type: "refused"; readonly peer: string; readonly reason: string };

export interface HttpsServerOptions {
  /** PEM; without certificate and key it is plain HTTP, for systems that name a file's digest by other means. */
  readonly certificate?: string;
  /** PEM, PKCS#8. */
  readonly privateKey?: string;
  /** "127.0.0.1" if not given. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
  /** "1.3" if not given; "1.2" allows ECDHE-RSA-AES256-GCM-SHA384 under TLS 1.2 too, for old devices. */
  readonly tlsMin?: "1.3" | "1.2";
  /** What is published: path, such as "/firmware_v2.bin", and bytes. Nothing else can be had. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly faults?: readonly ServerFault[];
  /** 256 if not given; a further one takes the place of the oldest that has asked for nothing yet, or is closed. */
  readonly connectionsMax?: number;
  /** How long a peer may take; wall milliseconds. */
  readonly patience?: Partial<Patience>;
  readonly onEvent?: (event: HttpsServerEvent) => void;
}

/** After that long a peer is not waited for any more, wall milliseconds. */
interface Patience {
  /** For the TLS handshake; 10 s if not given. */
  readonly handshakeMs: number;
  /** For the head of a request, from its first byte or the handshake on; 10 s if not given. */
  readonly headMs: number;
  /** Without a byte that the peer sends or takes; 60 s if not given. */
  readonly idleMs: number;
  /** For 64 KiB of a body; 60 s if not given. */
  readonly sliceMs: number;
}

/** The server side of the HTTPS update system. (docs/protocols/https.md) */
export interface HttpsServer {
  readonly port: number;
  /** "https://127.0.0.1:port" */
  readonly url: string;
  /** @param modified when it was made; now, if not given @throws {UsageError} for a path that is none */
  publish(path: string, data: Uint8Array, modified?: Date): void;
  withdraw(path: string): void;
  /** From now on these are on and no others; counts start again. */
  setFaults(faults: readonly ServerFault[]): void;
  /** Cuts all connections, and ends when the port is free. */
  close(): Promise<void>;
}

/** @throws {LinkError} "LINK_REFUSED" when the port can't be had @throws {UsageError} for a key or path that is none */
export async function startHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const server = new FileServer(options);
  await server.listen(options.host ?? "127.0.0.1", options.port ?? 0);
  return server;
}

interface PublishedFile {
  readonly data: Uint8Array;
  readonly etag: string;
  readonly lastModified: string;
}

/** How an answer ended; see {@link HttpsServerEvent}. */
interface Answered {
  readonly status: number;
  readonly bytes: number;
  readonly complete: boolean;
}

const PATIENCE: Patience = { handshakeMs: 10_000, headMs: 10_000, idleMs: 60_000, sliceMs: 60_000 };
const CONNECTIONS_MAX = 256;
/** A few short ones; more is no device of this system. */
const HEADER_BYTES_MAX = 8192;

class FileServer implements HttpsServer {
  readonly #server: Server | PlainServer;
  readonly #isPlain: boolean;
  readonly #files = new Map<string, PublishedFile>();
  readonly #sockets = new Set<Socket>();
  readonly #connectionsMax: number;
  readonly #sliceMs: number;
  /** Connections that nothing is being asked on, by their peers' ports; the one that waits longest comes first. */
  readonly #waiting = new Map<string, Socket>();
  readonly #tell: (event: HttpsServerEvent) => void;
  #faults = new FaultSet([]);
  #address: AddressInfo | undefined;

  constructor(options: HttpsServerOptions) {
    for (const [path, data] of Object.entries(options.files ?? {})) this.publish(path, data);
    this.#faults = new FaultSet(options.faults ?? []);
    this.#tell = options.onEvent ?? (() => {});
    const { handshakeMs, headMs, idleMs, sliceMs } = { ...PATIENCE, ...options.patience };
    this.#sliceMs = sliceMs;
    const limits = {
      headersTimeout: headMs,
      requestTimeout: headMs,
      keepAliveTimeout: headMs,
      connectionsCheckingInterval: Math.max(1, Math.floor(headMs / 10)),
      maxHeaderSize: HEADER_BYTES_MAX,
    };
    this.#isPlain = options.certificate === undefined;
    this.#server = this.#isPlain
      ? createPlainServer(limits)
      : createServer({
          ...limits,
          cert: options.certificate,
          key: options.privateKey,
          ...tlsVersions(options.tlsMin ?? "1.3"),
          honorCipherOrder: true,
          handshakeTimeout: handshakeMs,
        });
    this.#connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    this.#server.on("connection", (socket: Socket) => this.#accept(socket));
    this.#server.setTimeout(idleMs, (socket) => socket.destroy());
    this.#server.on("request", (request, response) => void this.#answer(request, response));
    const told = new WeakSet<object>();
    // what goes wrong in a handshake comes here too
    this.#server.on("clientError", (error, socket) => {
      if (!told.has(socket)) this.#refuse(error, (socket as Socket).remoteAddress);
      told.add(socket);
      socket.destroy();
    });
  }

  get port(): number {
    return this.#address?.port ?? 0;
  }

  get url(): string {
    const host = this.#address?.address ?? "";
    return `http${this.#isPlain ? "" : "s"}://${host.includes(":") ? `[${host}]` : host}:${this.port}`;
  }

  async listen(host: string, port: number): Promise<void> {
    try {
      this.#server.listen(port, host);
      await once(this.#server, "listening");
    } catch (error) {
      throw new LinkError("LINK_REFUSED", `can't listen on ${host}:${port}`, { cause: error });
    }
    this.#address = this.#server.address() as AddressInfo;
  }

  publish(path: string, data: Uint8Array, modified: Date = new Date()): void {
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw new UsageError(`"${path}" is no path to publish at`);
    this.#files.set(path, { data, etag: etagOf(data), lastModified: modified.toUTCString() });
  }

  withdraw(path: string): void {
    this.#files.delete(path);
  }

  setFaults(faults: readonly ServerFault[]): void {
    this.#faults = new FaultSet(faults);
    if (this.#isGone()) for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #isGone(): boolean {
    return this.#faults.find("gone", "") !== undefined;
  }

  /** Whoever holds connections open without asking for anything can't keep others out. */
  #accept(socket: Socket): void {
    const place = placeOf(socket);
    if (this.#sockets.size >= this.#connectionsMax) {
      const [oldest] = this.#waiting.values();
      const reason = `there are ${this.#connectionsMax} connections`;
      this.#tell({ type: "refused", peer: (oldest ?? socket).remoteAddress ?? "", reason });
      if (oldest === undefined) {
        socket.destroy();
        return;
      }
      this.#forget(oldest, placeOf(oldest));
      oldest.destroy();
    }
    this.#sockets.add(socket);
    this.#waiting.set(place, socket);
    socket.on("close", () => this.#forget(socket, place));
    if (this.#isGone()) socket.destroy();
  }

  #forget(socket: Socket, place: string): void {
    this.#sockets.delete(socket);
    if (this.#waiting.get(place) === socket) this.#waiting.delete(place);
  }

  #refuse(error: Error, peer: string | undefined): void {
    this.#tell({ type: "refused", peer: peer ?? "", reason: shown(error.message) });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = request;
    const peer = request.socket.remoteAddress ?? "";
    response.on("error", () => {}); // the peer has gone; `complete` tells it
    const place = placeOf(request.socket);
    const asking = this.#waiting.get(place);
    this.#waiting.delete(place);
    const answered = await this.#respond(method, path, request, response);
    if (asking !== undefined && this.#sockets.has(asking)) this.#waiting.set(place, asking);
    const range = headers.range === undefined ? undefined : shown(headers.range);
    this.#tell({ type: "access", peer, method: shown(method), path: shown(path), range, ...answered });
  }

  async #respond(method: string, path: string, request: IncomingMessage, response: ServerResponse): Promise<Answered> {
    // An exact match, nothing decoded: no two spellings name one file, and no name leads to what is not published.
    if (method !== "GET" && method !== "HEAD")
      return refuse(response, 405, { allow: "GET, HEAD", connection: "close" });
    const published = this.#files.get(path);
    if (published === undefined) return refuse(response, 404, {});
    const { data, etag, lastModified } = this.#asPretended(path, published);
    const selection = selectBytes(method, request.headers, { size: data.length, etag, lastModified });
    const fields = { etag, "last-modified": lastModified, "accept-ranges": "bytes" };
    if (selection.status === 304) return refuse(response, 304, fields);
    if (selection.status === 416)
      return refuse(response, 416, { ...fields, "content-range": `bytes */${data.length}` });
    const { status, start, end } = selection;
    const dieAfter = method === "GET" ? this.#faults.takeDeath(path, end - start) : undefined;
    if (dieAfter === 0) {
      request.socket.destroy();
      return { status: 0, bytes: 0, complete: false };
    }
    response.writeHead(status, {
      ...fields,
      "content-type": "application/octet-stream",
      "content-length": end - start,
      ...(status === 206 && { "content-range": `bytes ${start}-${end - 1}/${data.length}` }),
    });
    if (method === "HEAD") return finish(response, status);
    const bytesPerSecond = this.#faults.find("slow", path)?.bytesPerSecond;
    const bytes = await sendBody(response, this.#slice(path, data, start, end), {
      dieAfter,
      bytesPerSecond,
      sliceMs: this.#sliceMs,
    });
    return { status, bytes, complete: bytes === end - start };
  }

  #asPretended(path: string, file: PublishedFile): PublishedFile {
    const length = this.#faults.find("truncateTo", path)?.length;
    if (length === undefined || length >= file.data.length) return file;
    const data = file.data.subarray(0, length);
    return { ...file, data, etag: etagOf(data) };
  }

  #slice(path: string, data: Uint8Array, start: number, end: number): Uint8Array {
    const slice = data.subarray(start, end);
    const offset = this.#faults.find("corruptByteAt", path)?.offset;
    if (offset === undefined || offset < start || offset >= end) return slice;
    const corrupt = slice.slice();
    corrupt[offset - start] = (slice[offset - start] as number) ^ 0xff;
    return corrupt;
  }
}

/** One peer has one connection from one of its ports. */
const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function refuse(response: ServerResponse, status: number, fields: OutgoingHttpHeaders): Answered {
  response.writeHead(status, { ...fields, ...(status !== 304 && { "content-length": 0 }) });
  return finish(response, status);
}

function finish(response: ServerResponse, status: number): Answered {
  response.end();
  return { status, bytes: 0, complete: true };
}

/** A strong one: the digest of the bytes. (RFC 9110, 8.8.3) */
const etagOf = (data: Uint8Array): string => `"${createHash("sha256").update(data).digest("hex")}"`;

const shown = (text: string): string => text.slice(0, 200);
