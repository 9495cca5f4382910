import type { StreamLink } from "../../emulator/bus/link.ts";
import { type Duration, type Instant, ms } from "../../emulator/kernel/time.ts";
import type { Refuse, Session, Wire } from "./session.ts";

/** The sockets that one gateway has for programs outside. */
export class StreamPool {
  readonly #free: StreamLink[];

  constructor(streams: readonly StreamLink[]) {
    this.#free = [...streams];
  }

  take(): StreamLink | undefined {
    return this.#free.shift();
  }

  giveBack(stream: StreamLink): void {
    this.#free.push(stream);
  }
}

/** A program that sends faster than the vehicle's Ethernet carries has to wait when so much is on its way. */
const BACKLOG_MAX = ms(20);

/** A TCP connection of a program outside, joined to one of a gateway inside: bytes go through as they are. */
export class StreamSession implements Session {
  readonly #pool: StreamPool;
  readonly #wire: Wire;
  #stream: StreamLink | undefined;
  readonly #now: () => Instant;
  readonly #byteTime: Duration;
  #open = false;
  /** When what was handed in has been carried. */
  #busyUntil = 0;

  /** @param byteTime how long the stream takes for one byte */
  constructor(pool: StreamPool, wire: Wire, refuse: Refuse, now: () => Instant, byteTime: Duration) {
    this.#pool = pool;
    this.#wire = wire;
    this.#now = now;
    this.#byteTime = byteTime;
    const stream = pool.take();
    this.#stream = stream;
    if (stream === undefined) {
      refuse("TOO_MANY_CLIENTS", "all sockets of the gateway are in use");
      wire.end();
      return;
    }
    stream.attach({
      opened: () => {
        this.#open = true;
      },
      received: (data) => {
        if (wire.write(data)) return;
        refuse("CLIENT_TOO_SLOW", "the connection is given up");
        stream.close();
      },
      closed: (reason) => {
        if (reason === "refused") refuse("CONNECTION_REFUSED", "the gateway takes no connection, it has no power");
        this.#ended();
      },
    });
    stream.open();
  }

  /** Before the connection is open input waits; when it has ended nothing does any more. */
  get ready(): boolean {
    if (this.#stream === undefined) return true;
    return this.#open && this.#busyUntil - this.#now() < BACKLOG_MAX;
  }

  received(data: Uint8Array): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#now()) + data.length * this.#byteTime;
    this.#stream?.send(data);
  }

  closed(): void {
    this.#stream?.close();
  }

  #ended(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#open = false;
    this.#wire.end();
    this.#pool.giveBack(stream);
  }
}
