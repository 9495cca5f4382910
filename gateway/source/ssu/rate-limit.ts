import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, type Instant, plus } from "../../../emulator/kernel/time.ts";

export interface RateLimitState {
  readonly since: Instant | undefined;
  readonly taken: number;
}

/** No more than so many in a period. */
export class RateLimit implements Stateful<RateLimitState> {
  readonly #count: number;
  readonly #period: Duration;
  #is: RateLimitState = { since: undefined, taken: 0 };

  constructor(count: number, period: Duration) {
    this.#count = count;
    this.#period = period;
  }

  /** @returns whether one more is in order, and counts it then */
  take(now: Instant): boolean {
    const { since, taken } = this.#is;
    if (since === undefined || now >= plus(since, this.#period)) {
      this.#is = { since: now, taken: 1 };
      return true;
    }
    if (taken >= this.#count) return false;
    this.#is = { since, taken: taken + 1 };
    return true;
  }

  save(): RateLimitState {
    return this.#is;
  }

  load(state: RateLimitState): void {
    this.#is = state;
  }
}
