import { InvariantError } from "../../../emulator/kernel/errors.ts";
import type { Stateful } from "../../../emulator/kernel/machine.ts";

export interface RingBufferState {
  readonly start: number;
  readonly high: number;
  readonly limit: number;
  /** The bytes from `start` to `high`. */
  readonly bytes: Uint8Array;
}

const CAPACITY_FIRST = 4096;

/**
 * Bytes of a stream by their sequence numbers: a window that moves forward. It may have holes; what is in them is for the
 * caller to know. Memory is taken as it is needed, up to the limit.
 */
export class RingBuffer implements Stateful<RingBufferState> {
  #ring: Uint8Array = new Uint8Array(0);
  #start: number;
  /** Behind the last byte that was ever put. */
  #high: number;
  #limit: number;

  constructor(start: number, limit: number) {
    this.#start = start;
    this.#high = start;
    this.#limit = limit;
  }

  /** The first byte that is kept. */
  get start(): number {
    return this.#start;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Only ever more. */
  raiseLimit(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
  }

  /** @throws {InvariantError} for bytes before the start or beyond the limit */
  put(at: number, data: Uint8Array): void {
    const end = at + data.length;
    if (at < this.#start || end > this.#start + this.#limit)
      throw new InvariantError(`${at} to ${end} is not in the ring`);
    this.#grow(end - this.#start);
    const capacity = this.#ring.length;
    const index = at % capacity;
    const first = Math.min(data.length, capacity - index);
    this.#ring.set(data.subarray(0, first), index);
    if (first < data.length) this.#ring.set(data.subarray(first), 0);
    this.#high = Math.max(this.#high, end);
  }

  /** A copy of the bytes from `at` to `end`. */
  get(at: number, end: number): Uint8Array<ArrayBuffer> {
    const data = new Uint8Array(end - at);
    if (data.length === 0) return data;
    const capacity = this.#ring.length;
    const index = at % capacity;
    const first = Math.min(data.length, capacity - index);
    data.set(this.#ring.subarray(index, index + first));
    if (first < data.length) data.set(this.#ring.subarray(0, data.length - first), first);
    return data;
  }

  /** Forgets what is before `to`. */
  release(to: number): void {
    this.#start = Math.max(this.#start, to);
    this.#high = Math.max(this.#high, this.#start);
  }

  save(): RingBufferState {
    const bytes = this.get(this.#start, this.#high);
    return { start: this.#start, high: this.#high, limit: this.#limit, bytes };
  }

  load({ start, high, limit, bytes }: RingBufferState): void {
    this.#ring = new Uint8Array(0);
    this.#start = start;
    this.#high = start;
    this.#limit = limit;
    if (bytes.length > 0) this.put(start, bytes);
    this.#high = high;
  }

  #grow(needed: number): void {
    if (needed <= this.#ring.length) return;
    let capacity = Math.max(this.#ring.length, CAPACITY_FIRST);
    while (capacity < needed) capacity *= 2;
    const kept = this.get(this.#start, this.#high);
    this.#ring = new Uint8Array(Math.min(capacity, this.#limit));
    this.#high = this.#start;
    if (kept.length > 0) this.put(this.#start, kept);
  }
}
