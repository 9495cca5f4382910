declare const unit: unique symbol;

/** A span of time in integer nanoseconds. Build one with {@link ns}, {@link us}, {@link ms} or {@link s}. */
export type Duration = number & { readonly [unit]: "Duration" };

/** A point on the run's timeline, in integer nanoseconds since the run began. Exact up to 104 days. */
export type Instant = number & { readonly [unit]: "Instant" };

export const RUN_START = 0 as Instant;
export const NO_TIME = 0 as Duration;

/** Durations are integers: a fraction of a nanosecond is rounded to the nearest. */
export const ns = (count: number): Duration => Math.round(count) as Duration;
export const us = (count: number): Duration => Math.round(count * 1_000) as Duration;
export const ms = (count: number): Duration => Math.round(count * 1_000_000) as Duration;
export const s = (count: number): Duration => Math.round(count * 1_000_000_000) as Duration;

export const plus = (instant: Instant, span: Duration): Instant => (instant + span) as Instant;

export const toMs = (span: Duration | Instant): number => span / 1_000_000;
export const toSeconds = (span: Duration | Instant): number => span / 1_000_000_000;

/** The earliest of some deadlines, of which any may be unset. */
export function earliest(...deadlines: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const deadline of deadlines) {
    if (deadline !== undefined && (first === undefined || deadline < first)) first = deadline;
  }
  return first;
}
