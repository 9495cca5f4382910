import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { DATAGRAM_FLOOR } from "./packet-options.ts";
import { SSU_DEFAULTS } from "./ssu-config.ts";

export interface DatagramSizeState {
  readonly now: number;
  /** When the settled size is tried again. */
  readonly raiseAt: Instant | undefined;
}

/** So many timeouts in a row of one segment may mean that the way has become too narrow for it. (RFC 4821, 7.7) */
const TIMEOUTS = 2;
/** (RFC 4821, 7.7: not sooner than 5 minutes) */
const RAISE_AFTER = s(600);
const STEPS = [SSU_DEFAULTS.maxDatagram, DATAGRAM_FLOOR];

/** How large datagrams are: as settled, or less where larger ones seem to be swallowed. */
export class DatagramSize implements Stateful<DatagramSizeState> {
  readonly #settled: number;
  #is: DatagramSizeState;

  constructor(settled: number) {
    this.#settled = settled;
    this.#is = { now: settled, raiseAt: undefined };
  }

  get now(): number {
    return this.#is.now;
  }

  get deadline(): Instant | undefined {
    return this.#is.raiseAt;
  }

  /** @param timeouts in a row @returns whether the size is another one now */
  change(now: Instant, timeouts: number): boolean {
    const { raiseAt } = this.#is;
    if (timeouts >= TIMEOUTS) {
      const step = STEPS.find((size) => size < this.#is.now);
      if (step !== undefined) {
        this.#is = { now: step, raiseAt: plus(now, RAISE_AFTER) };
        return true;
      }
      // No time to try more: the deadline must not stay behind.
      if (raiseAt !== undefined && now >= raiseAt) this.#is = { ...this.#is, raiseAt: plus(now, RAISE_AFTER) };
      return false;
    }
    if (raiseAt === undefined || now < raiseAt) return false;
    this.#is = { now: this.#settled, raiseAt: undefined };
    return true;
  }

  save(): DatagramSizeState {
    return this.#is;
  }

  load(state: DatagramSizeState): void {
    this.#is = state;
  }
}
