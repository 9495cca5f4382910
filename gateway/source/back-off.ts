import type { Duration } from "../../emulator/kernel/time.ts";

/** How patient a source is. */
export interface Patience {
  readonly backOff: Duration;
  readonly backOffMax: Duration;
}

/** The time before the next try, doubled for each one that failed. @param tries how many have failed in a row, 1 or more */
export const backOffOf = ({ backOff, backOffMax }: Patience, tries: number): Duration =>
  Math.min(backOff * 2 ** Math.min(tries - 1, 30), backOffMax) as Duration;
