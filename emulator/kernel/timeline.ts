import type { Instant } from "./time.ts";

/** One alarm that can be set again and again. An alarm that is set already is moved. */
export interface Alarm {
  set(at: Instant): void;
  clear(): void;
}

/**
 * What time looks like from inside the bench: an instant that only the driver moves, and alarms.
 *
 * Alarms are made while the bench is being built, in a fixed order, so that a snapshot can name them by number.
 */
export interface Timeline {
  readonly now: Instant;
  alarm(fire: (now: Instant) => void): Alarm;
}
