import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Instant, plus } from "../../../emulator/kernel/time.ts";
import { SACK_BLOCKS_MAX, type SackBlock } from "./packet-options.ts";
import { RingBuffer, type RingBufferState } from "./ring-buffer.ts";
import type { SsuConfig } from "./ssu-config.ts";

interface Marks {
  /** RCV.NXT */
  readonly next: number;
  /** What has come beyond a hole; the newest first, none touching another. */
  readonly islands: readonly SackBlock[];
  /** Where the peer's FIN stands, once one has come. */
  readonly finAt: number | undefined;
  /** The right edge of the window as it was last told; it never moves back. (RFC 9293, 3.8.6) */
  readonly edge: number;
  readonly ackNow: boolean;
  /** Packets with data that have not been acknowledged. */
  readonly unacknowledged: number;
  readonly ackAt: Instant | undefined;
}

export interface ReceiverState {
  readonly marks: Marks;
  readonly ring: RingBufferState;
}

const ISLANDS_MAX = 32;
/** So many packets are acknowledged together. (RFC 9293, 3.8.6.3) */
const ACK_EVERY = 2;

/** The receiving half of a connection: what has come, what is missing, and when that is told. */
export class Receiver implements Stateful<ReceiverState> {
  readonly #config: SsuConfig;
  readonly #ring: RingBuffer;
  #is: Marks;

  /** @param first sequence number of the first byte @param limit of what is kept, bytes; see {@link raiseLimit} */
  constructor(config: SsuConfig, first: number, limit: number) {
    this.#config = config;
    this.#ring = new RingBuffer(first, limit);
    const edge = first + limit;
    this.#is = { next: first, islands: [], finAt: undefined, edge, ackNow: false, unacknowledged: 0, ackAt: undefined };
  }

  /** What is acknowledged: RCV.NXT, the FIN included. */
  get ack(): number {
    return this.ended ? this.#is.next + 1 : this.#is.next;
  }

  /** All bytes, and the FIN, have come. */
  get ended(): boolean {
    return this.#is.finAt === this.#is.next;
  }

  /** Bytes that can be read. */
  get readable(): number {
    return this.#is.next - this.#ring.start;
  }

  /** The right edge of the window that the peer may know of. */
  get edge(): number {
    return this.#is.edge;
  }

  /** Ready to be told, newest first. */
  get sack(): readonly SackBlock[] {
    return this.ended ? [] : this.#is.islands.slice(0, SACK_BLOCKS_MAX);
  }

  get ackNow(): boolean {
    return this.#is.ackNow;
  }

  raiseLimit(limit: number): void {
    this.#ring.raiseLimit(limit);
    this.#set({ ackNow: true });
  }

  wantAck(): void {
    this.#set({ ackNow: true });
  }

  /** @param mss of the peer's packets, about: less room than that is not worth telling */
  window(mss: number): number {
    const right = this.#ring.start + this.#ring.limit;
    const worth = Math.min(mss, Math.floor(this.#ring.limit / 2));
    if (right - this.#is.edge >= worth) this.#set({ edge: right });
    return Math.max(0, this.#is.edge - this.ack);
  }

  /** An acknowledgement goes out. */
  acknowledged(): void {
    this.#set({ ackNow: false, unacknowledged: 0, ackAt: undefined });
  }

  deadline(): Instant | undefined {
    return this.#is.ackAt;
  }

  handleDeadline(now: Instant): void {
    if (this.#is.ackAt !== undefined && now >= this.#is.ackAt) this.#set({ ackNow: true, ackAt: undefined });
  }

  /**
   * Data of a packet; what is there already, or beyond the room, is cut off. A FIN counts when all before it has come. Until
   * then bytes behind it, or another FIN, put it aside: so none that is forged ahead can stop what follows.
   */
  take(seq: number, payload: Uint8Array, fin: boolean, now: Instant): void {
    const end = seq + payload.length;
    const start = Math.max(seq, this.#is.next);
    const stop = Math.min(end, this.#ring.start + this.#ring.limit);
    if (start < stop) this.#store(start, stop, payload.subarray(start - seq, stop - seq), now);
    else if (payload.length > 0) this.wantAck();
    const { next, finAt } = this.#is;
    if (fin) this.wantAck();
    if (fin && end >= next) this.#set({ finAt: end });
    else if (finAt !== undefined && Math.max(end, next) > finAt) this.#set({ finAt: undefined });
  }

  /** Takes out what can be read, no more than that many bytes. @param mss as in {@link window} */
  read(lengthMax: number, mss: number): Uint8Array {
    const start = this.#ring.start;
    const end = Math.min(this.#is.next, start + lengthMax);
    const data = this.#ring.get(start, end);
    this.#ring.release(end);
    const { limit } = this.#ring;
    const opened = end + limit - this.#is.edge;
    const worth = this.#is.edge - this.#is.next < 2 * mss ? Math.min(2 * mss, limit / 2) : limit / 2;
    if (opened >= worth) this.wantAck();
    return data;
  }

  save(): ReceiverState {
    return { marks: this.#is, ring: this.#ring.save() };
  }

  load({ marks, ring }: ReceiverState): void {
    this.#is = marks;
    this.#ring.load(ring);
  }

  #set(changes: Partial<Marks>): void {
    this.#is = { ...this.#is, ...changes };
  }

  #store(start: number, end: number, data: Uint8Array, now: Instant): void {
    const { next, islands } = this.#is;
    if (start > next) {
      this.wantAck(); // at once, so that the sender counts it (RFC 5681, 4.2)
      const touching = islands.filter((island) => island.start <= end && island.end >= start);
      if (touching.length === 0 && islands.length >= ISLANDS_MAX) return;
      this.#ring.put(start, data);
      const from = Math.min(start, ...touching.map((island) => island.start));
      const to = Math.max(end, ...touching.map((island) => island.end));
      this.#set({ islands: [{ start: from, end: to }, ...islands.filter((island) => !touching.includes(island))] });
      return;
    }
    this.#ring.put(start, data);
    if (islands.length === 0) {
      this.#set({ next: end });
      this.#delayAck(now);
      return;
    }
    const reached = islands.reduce((far, island) => (island.start <= end ? Math.max(far, island.end) : far), end);
    this.#set({ next: reached, islands: islands.filter((island) => island.start > reached) });
    this.wantAck();
  }

  #delayAck(now: Instant): void {
    const unacknowledged = this.#is.unacknowledged + 1;
    const ackAt = this.#is.ackAt ?? plus(now, this.#config.delayedAck);
    this.#set({ unacknowledged, ackAt, ackNow: this.#is.ackNow || unacknowledged >= ACK_EVERY });
  }
}
