import { lookup } from "node:dns/promises";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import { s, toMs } from "../../../emulator/kernel/time.ts";
import { SsuStreamError } from "../../../gateway/source/ssu/alerts.ts";
import type { ConnectionCounters } from "../../../gateway/source/ssu/connection-state.ts";
import type { SsuTicket } from "../../../gateway/source/ssu/credentials.ts";
import { SsuSession } from "../../../gateway/source/ssu/session.ts";
import type { ClientSide, SessionInput, SessionOutput } from "../../../gateway/source/ssu/session-io.ts";
import { type SsuConfig, ssuConfig } from "../../../gateway/source/ssu/ssu-config.ts";
import { nodeSsuCrypto } from "../../crypto/ssu-crypto.ts";
import { MachineTimer } from "../machine-timer.ts";
import { UdpSocket, wallInstant } from "../udp-socket.ts";

export interface SsuStreamOptions extends Omit<ClientSide, "role"> {
  /** Name or address. */
  readonly host: string;
  readonly port: number;
  readonly config?: Partial<SsuConfig>;
  readonly onTicket?: (ticket: SsuTicket) => void;
  /** How long an answer, room for what is to be sent, or the peer's end is waited for; 60 s if not given. */
  readonly patienceMs?: number;
  /** Ends the stream at once, open or not. */
  readonly stop?: AbortSignal;
}

/** What a stream has come to. */
export interface SsuStreamFacts {
  readonly secure: boolean;
  readonly resumed: boolean;
  readonly earlyAccepted: boolean;
  readonly counters: ConnectionCounters;
  readonly roundTripMs: number | undefined;
}

/** Data that nobody has read yet; with more than that the peer is slowed down. */
const UNREAD_MAX = 1 << 18;
/** After that the peer is asked whether it is still there, so that nobody waits for ever for what it does not say. */
const SILENCE = s(30);
/** A peer that is there, and acknowledges, may still never say anything. */
const PATIENCE_MS = 60_000;
/** Larger datagrams on the loopback interface, where nothing is in the way of them. */
const LOOPBACK_DATAGRAM = 16_384;

/** The largest datagram for a peer, unless it is told. */
export const datagramFor = (address: string): number =>
  /^127\.|^::1$/.test(address) ? LOOPBACK_DATAGRAM : ssuConfig({}).maxDatagram;

/** One stream to a server, over a UDP socket of its own. */
export class SsuStream {
  readonly #session: SsuSession;
  readonly #timer = new MachineTimer(() => {
    this.#session.handleDeadline(wallInstant());
    this.#settle();
  });
  readonly #onTicket: (ticket: SsuTicket) => void;
  readonly #patienceMs: number;
  readonly #unread: Uint8Array[] = [];
  #unreadLength = 0;
  #paused = false;
  #socket: UdpSocket | undefined;
  #opened: Extract<SessionOutput, { type: "opened" }> | undefined;
  #ended = false;
  #over = false;
  #isClosed = false;
  #error: LinkError | undefined;
  #waiting: (() => void)[] = [];

  private constructor(options: SsuStreamOptions, address: string) {
    const config = ssuConfig({ keepAlive: SILENCE, maxDatagram: datagramFor(address), ...options.config });
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#onTicket = options.onTicket ?? (() => {});
    this.#session = new SsuSession(config, nodeSsuCrypto(), { ...options, role: "client" }, wallInstant());
  }

  /** @returns an open stream @throws {LinkError} SSU_UNREACHABLE, SSU_REFUSED, SSU_ALERT_SENT and so on */
  static async connect(options: SsuStreamOptions): Promise<SsuStream> {
    const addresses = await lookup(options.host, { all: true }).catch((cause: unknown) => {
      throw new LinkError("SSU_UNREACHABLE", `there is no host "${options.host}"`, { cause });
    });
    let refused: unknown;
    for (const { address } of addresses) {
      try {
        return await SsuStream.#open(options, address);
      } catch (error) {
        // nobody listens at this address; there may be somebody at another one of that name
        if (!(error instanceof LinkError) || error.code !== "SSU_REFUSED") throw error;
        refused = error;
      }
    }
    throw refused;
  }

  static async #open(options: SsuStreamOptions, address: string): Promise<SsuStream> {
    const { port, stop } = options;
    if (stop?.aborted === true) throw new LinkError("SSU_ABORTED", "the stream is not wanted any more");
    const stream = new SsuStream(options, address);
    stop?.addEventListener("abort", () => stream.abort(), { once: true });
    const refused = (): void => stream.#refused();
    stream.#socket = await UdpSocket.connect(
      address,
      port,
      (data) => stream.#push({ type: "datagram", data }),
      refused,
    );
    stream.#settle();
    try {
      while (stream.#opened === undefined) await stream.#change();
    } catch (error) {
      stream.close();
      throw error;
    }
    return stream;
  }

  get facts(): SsuStreamFacts {
    const { counters, roundTrip } = this.#session;
    return {
      secure: this.#opened?.secure ?? false,
      resumed: this.#opened?.resumed ?? false,
      earlyAccepted: this.#opened?.earlyAccepted ?? false,
      counters,
      roundTripMs: roundTrip === undefined ? undefined : toMs(roundTrip),
    };
  }

  /**
   * The next bytes; undefined at the end.
   * @param isDue they are an answer; otherwise nobody knows when the peer has something to say
   * @throws {LinkError} when the stream has failed; SSU_TIMEOUT when they are due and do not come
   */
  async read(isDue: boolean): Promise<Uint8Array | undefined> {
    for (;;) {
      const data = this.#unread.shift();
      if (data !== undefined) {
        this.#unreadLength -= data.length;
        if (this.#paused && this.#unreadLength < UNREAD_MAX / 2) {
          this.#paused = false;
          this.#push({ type: "resume" });
        }
        return data;
      }
      if (this.#ended || (this.#over && this.#error === undefined)) return undefined;
      await this.#change(isDue ? this.#patienceMs : undefined);
    }
  }

  /** Ends when all of it has been taken over, not when the peer has it. @throws {LinkError} when the stream has failed */
  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const length = Math.min(this.#session.room, data.length - at);
      if (length > 0) {
        this.#push({ type: "write", data: data.subarray(at, at + length) });
        at += length;
      } else {
        await this.#change(this.#patienceMs);
      }
    }
  }

  /** Nothing more will be written. */
  end(): void {
    this.#push({ type: "end" });
  }

  /** Ends when both sides have ended, and know it. @throws {LinkError} when the stream has failed */
  async finished(): Promise<void> {
    while (!this.#over) await this.#change(this.#patienceMs);
    if (this.#error !== undefined) throw this.#error;
  }

  /** Ends it at once. */
  abort(): void {
    if (this.#isClosed) return;
    this.#push({ type: "abort" });
    this.close();
  }

  /** Gives the socket back. */
  close(): void {
    this.#isClosed = true;
    this.#timer.clear();
    this.#socket?.close();
    this.#over = true;
    this.#wake();
  }

  #push(input: SessionInput): void {
    this.#session.handle(input, wallInstant());
    this.#settle();
  }

  #settle(): void {
    for (let output = this.#session.poll(); output !== undefined; output = this.#session.poll()) this.#take(output);
    this.#timer.set(this.#session.nextDeadline());
  }

  #take(output: SessionOutput): void {
    switch (output.type) {
      case "datagram":
        this.#socket?.send(output.data);
        return;
      case "data":
        this.#unread.push(output.data);
        this.#unreadLength += output.data.length;
        this.#slowDown();
        break;
      case "opened":
        this.#opened = output;
        break;
      case "ticket":
        this.#onTicket(output.ticket);
        return;
      case "ended":
        this.#ended = true;
        break;
      case "failed":
        this.#error = new SsuStreamError(output.failure);
        this.#over = true;
        break;
      case "closed":
      case "gone":
        this.#over = true;
        break;
      case "writable":
        break;
    }
    this.#wake();
  }

  #slowDown(): void {
    if (this.#paused || this.#unreadLength < UNREAD_MAX) return;
    this.#paused = true;
    this.#session.handle({ type: "pause" }, wallInstant());
  }

  /** Believed before the stream is open only: anybody can say so. */
  #refused(): void {
    if (this.#opened !== undefined || this.#error !== undefined) return;
    this.#error = new LinkError("SSU_REFUSED", "nobody listens on that port");
    this.#over = true;
    this.#wake();
  }

  /** Until something has happened. @throws {LinkError} when the stream has failed, or nothing does for that long, ms */
  async #change(within?: number): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#over) throw new LinkError("SSU_ABORTED", "the stream is over");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const tooLong = (): void => reject(new LinkError("SSU_TIMEOUT", "the peer is there, and does not go on"));
    const timer = within === undefined ? undefined : setTimeout(tooLong, within);
    await promise.finally(() => clearTimeout(timer));
    if (this.#error !== undefined && this.#unread.length === 0) throw this.#error;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each();
  }
}
