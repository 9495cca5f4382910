import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, ms } from "../../../emulator/kernel/time.ts";

export interface RoundTripState {
  readonly srtt: Duration | undefined;
  readonly rttvar: Duration;
  readonly rttMin: Duration | undefined;
  /** Before back-off. */
  readonly base: Duration;
  /** How often it has been doubled. */
  readonly backOff: number;
}

interface Bounds {
  readonly rtoInitial: Duration;
  readonly rtoMin: Duration;
  readonly rtoMax: Duration;
}

/** Clock granularity G of RFC 6298. */
const GRANULARITY = ms(1);
/** More doublings change nothing: the bound is reached long before. */
const BACK_OFF_MAX = 16;

/** The retransmission timeout. (RFC 6298) Samples must be of packets that were sent once only. (Karn's rule, its section 3) */
export class RoundTrip implements Stateful<RoundTripState> {
  readonly #bounds: Bounds;
  #state: RoundTripState;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#state = { srtt: undefined, rttvar: 0 as Duration, rttMin: undefined, base: bounds.rtoInitial, backOff: 0 };
  }

  /** The smoothed round trip; undefined before the first sample. */
  get srtt(): Duration | undefined {
    return this.#state.srtt;
  }

  get rttMin(): Duration | undefined {
    return this.#state.rttMin;
  }

  get rto(): Duration {
    return Math.min(this.#state.base * 2 ** this.#state.backOff, this.#bounds.rtoMax) as Duration;
  }

  /** (RFC 6298, 2.2 to 2.5) It ends the back-off as well. */
  sample(rtt: Duration): void {
    const { srtt, rttvar, rttMin } = this.#state;
    const nextVar = srtt === undefined ? rtt / 2 : 0.75 * rttvar + 0.25 * Math.abs(srtt - rtt);
    const next = srtt === undefined ? rtt : 0.875 * srtt + 0.125 * rtt;
    const rto = next + Math.max(GRANULARITY, 4 * nextVar);
    this.#state = {
      srtt: Math.round(next) as Duration,
      rttvar: Math.round(nextVar) as Duration,
      rttMin: Math.min(rttMin ?? rtt, rtt) as Duration,
      base: Math.round(Math.min(Math.max(rto, this.#bounds.rtoMin), this.#bounds.rtoMax)) as Duration,
      backOff: 0,
    };
  }

  /** The timer has run out. (RFC 6298, 5.5) */
  backOff(): void {
    this.#state = { ...this.#state, backOff: Math.min(this.#state.backOff + 1, BACK_OFF_MAX) };
  }

  /** The opening had to be repeated, so nothing has been measured. (RFC 6298, 5.7) */
  afterRepeatedOpening(): void {
    if (this.#state.srtt !== undefined) return;
    this.#state = {
      ...this.#state,
      base: Math.min(3 * this.#bounds.rtoInitial, this.#bounds.rtoMax) as Duration,
      backOff: 0,
    };
  }

  save(): RoundTripState {
    return this.#state;
  }

  load(state: RoundTripState): void {
    this.#state = state;
  }
}
