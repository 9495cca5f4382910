import { s } from "../../../emulator/kernel/time.ts";
import type { SessionFailure } from "../../../gateway/source/ssu/alerts.ts";
import type { SsuIdentity } from "../../../gateway/source/ssu/credentials.ts";
import { type ListenerDrop, type ListenerOutput, SsuListener } from "../../../gateway/source/ssu/listener.ts";
import type { SessionInput, SessionOutput } from "../../../gateway/source/ssu/session-io.ts";
import { type SsuConfig, ssuConfig } from "../../../gateway/source/ssu/ssu-config.ts";
import { nodeSsuCrypto } from "../../crypto/ssu-crypto.ts";
import { MachineTimer } from "../../link/machine-timer.ts";
import { datagramFor } from "../../link/ssu/ssu-stream.ts";
import { UdpSocket, wallInstant } from "../../link/udp-socket.ts";
import { type AppEvent, AppSession } from "./app-session.ts";
import { ChatRoom } from "./chat-room.ts";
import type { FileStore } from "./file-store.ts";

export type SsuServerEvent =
  | { readonly type: "client"; readonly session: number; readonly from: string }
  | { readonly type: "opened"; readonly session: number; readonly secure: boolean; readonly resumed: boolean }
  | { readonly type: "app"; readonly session: number; readonly event: AppEvent }
  | { readonly type: "failed"; readonly session: number; readonly failure: SessionFailure }
  | { readonly type: "gone"; readonly session: number };

export interface SsuServerOptions {
  readonly store: FileStore;
  readonly accepts: "plain" | "secure" | "either";
  readonly identity?: SsuIdentity;
  /** A numeric address; "127.0.0.1" if not given. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
  /** The largest file that is taken, bytes; 0: none are. 1 GiB if not given. */
  readonly uploadMax?: number;
  readonly config?: Partial<SsuConfig>;
  readonly sessionsMax?: number;
  /** Whether there is a chat room; there is, if not given. */
  readonly chat?: boolean;
  readonly onEvent?: (event: SsuServerEvent) => void;
}

interface Entry {
  readonly app: AppSession;
  paused: boolean;
  endSaid: boolean;
  /** Bytes that may go out, and since when; for those that are slowed down. */
  budget: { readonly bytes: number; readonly at: number };
}

const UPLOAD_MAX = 1 << 30;
/** How long a client that is slowed down waits for its next bytes, ms. */
const PACE_MS = 5;
const EARLY_MAX = 4096;

/** Files and a chat room over secure streams, on one UDP port. (docs/protocols/ssu.md, 8) */
export async function startSsuServer(options: SsuServerOptions): Promise<SsuServer> {
  const server = new SsuServer(options);
  await server.listen(options.host ?? "127.0.0.1", options.port ?? 0);
  return server;
}

export class SsuServer {
  readonly room = new ChatRoom(() => Date.now());
  readonly #options: SsuServerOptions;
  readonly #listener: SsuListener;
  readonly #apps = new Map<number, Entry>();
  readonly #timer = new MachineTimer(() => {
    this.#listener.handleDeadline(wallInstant());
    this.#settle();
  });
  /** Sessions whose application may have something to send. */
  readonly #fillable = new Set<number>();
  #socket: UdpSocket | undefined;
  /** Of all that come and go each so-many-th datagram is lost; none, if undefined. */
  losesOneIn: number | undefined;
  #datagrams = 0;

  constructor(options: SsuServerOptions) {
    this.#options = options;
    const { accepts, identity, config, sessionsMax, host } = options;
    this.#listener = new SsuListener({
      config: ssuConfig({ keepAlive: s(30), maxDatagram: datagramFor(host ?? "127.0.0.1"), ...config }),
      crypto: nodeSsuCrypto(),
      accepts,
      earlyMax: EARLY_MAX,
      ...(identity !== undefined && { identity }),
      ...(sessionsMax !== undefined && { sessionsMax }),
    });
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  get address(): string {
    return this.#socket?.address ?? "";
  }

  /** How many clients there are. */
  get clients(): number {
    return this.#listener.sessions;
  }

  /** Packets that it has sent again. */
  get resent(): number {
    return this.#listener.resent;
  }

  get dropped(): Readonly<Partial<Record<ListenerDrop, number>>> {
    return this.#listener.dropped;
  }

  async listen(host: string, port: number): Promise<void> {
    this.#socket = await UdpSocket.bind(host, port, (data, from) => {
      if (this.#isLost()) return;
      this.#listener.handle({ type: "datagram", data, from }, wallInstant());
      this.#settle();
    });
  }

  /** As if there was nobody: connections are reset, and new ones as soon as they are made. */
  set isGone(isGone: boolean) {
    this.#listener.takesNobody = isGone;
    if (isGone) this.#reset();
  }

  #isLost(): boolean {
    return this.losesOneIn !== undefined && ++this.#datagrams % this.losesOneIn === 0;
  }

  #reset(): void {
    for (const session of this.#apps.keys()) this.#push(session, { type: "abort" });
    this.#settle();
  }

  /** Resets all connections. */
  close(): void {
    this.#reset();
    this.#timer.clear();
    this.#socket?.close();
    for (const { app } of this.#apps.values()) app.close();
    this.#apps.clear();
  }

  #push(session: number, input: SessionInput): void {
    this.#listener.handle({ type: "session", session, input }, wallInstant());
  }

  #settle(): void {
    for (;;) {
      for (let output = this.#listener.poll(); output !== undefined; output = this.#listener.poll()) this.#take(output);
      if (this.#fillable.size === 0) break;
      for (const id of this.#fillable) this.#fill(id);
    }
    this.#timer.set(this.#listener.nextDeadline());
  }

  #take(output: ListenerOutput): void {
    switch (output.type) {
      case "datagram":
        if (!this.#isLost()) this.#socket?.send(output.data, output.to);
        return;
      case "accepted":
        this.#accept(output.session, output.from);
        return;
      case "session":
        this.#session(output.session, output.output);
        return;
    }
  }

  #accept(session: number, from: string): void {
    const { store, uploadMax = UPLOAD_MAX, chat = true } = this.#options;
    const app = new AppSession({
      store,
      room: chat ? this.room : undefined,
      uploadMax,
      onEvent: (event) => this.#tell({ type: "app", session, event }),
      onFrames: () => this.#fillable.add(session),
    });
    this.#apps.set(session, { app, paused: false, endSaid: false, budget: { bytes: 0, at: performance.now() } });
    this.#tell({ type: "client", session, from });
  }

  #session(session: number, output: Exclude<SessionOutput, { type: "datagram" }>): void {
    const app = this.#apps.get(session)?.app;
    switch (output.type) {
      case "opened":
        this.#tell({ type: "opened", session, secure: output.secure, resumed: output.resumed });
        this.#fillable.add(session);
        return;
      case "data":
        app?.receive(output.data, output.early);
        this.#fillable.add(session);
        return;
      case "ended":
        app?.end();
        this.#fillable.add(session);
        return;
      case "writable":
        this.#fillable.add(session);
        return;
      case "ticket":
        return;
      case "closed":
      case "failed":
        if (output.type === "failed") this.#tell({ type: "failed", session, failure: output.failure });
        app?.close();
        return;
      case "gone":
        app?.close();
        this.#tell({ type: "gone", session });
        this.#apps.delete(session);
        this.#fillable.delete(session);
        return;
    }
  }

  /** Sends what its application has, as far as there is room; reads on, or not. */
  #fill(id: number): void {
    this.#fillable.delete(id);
    const entry = this.#apps.get(id);
    const session = this.#listener.session(id);
    if (entry === undefined || session === undefined) return;
    const { app } = entry;
    for (let room = this.#roomOf(id, entry, session.room); room > 0; room = this.#roomOf(id, entry, session.room)) {
      const data = app.take(room);
      if (data === undefined) break;
      entry.budget = { ...entry.budget, bytes: entry.budget.bytes - data.length };
      this.#push(id, { type: "write", data });
    }
    if (app.isBusy !== entry.paused) {
      entry.paused = app.isBusy;
      this.#push(id, { type: app.isBusy ? "pause" : "resume" });
    }
    if (app.isDone && !entry.endSaid) {
      entry.endSaid = true;
      this.#push(id, { type: "end" });
    }
  }

  /** How much may be written; less than there is room for, when the client is to be slow. */
  #roomOf(id: number, entry: Entry, room: number): number {
    const { bytesPerSecond } = entry.app;
    if (bytesPerSecond === undefined) return room;
    const now = performance.now();
    const { bytes, at } = entry.budget;
    const most = Math.max(1, (bytesPerSecond * 2 * PACE_MS) / 1000);
    entry.budget = { bytes: Math.min(most, bytes + ((now - at) * bytesPerSecond) / 1000), at: now };
    if (entry.budget.bytes >= 1) return Math.min(room, Math.floor(entry.budget.bytes));
    setTimeout(() => {
      this.#fillable.add(id);
      this.#settle();
    }, PACE_MS).unref();
    return 0;
  }

  #tell(event: SsuServerEvent): void {
    this.#options.onEvent?.(event);
  }
}
