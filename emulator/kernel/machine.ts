import type { Instant } from "./time.ts";

/**
 * A protocol core: no sockets, no timers, no clock, no promises.
 *
 * The caller makes one mutation (`handle` or `handleDeadline`), then drains `poll` until it answers
 * undefined, then arms one alarm for `nextDeadline`. Instants passed in never go backwards.
 * {@link Pump} is the one caller.
 */
export interface Machine<Input, Output> {
  handle(input: Input, now: Instant): void;
  /** Early or repeated calls are harmless. */
  handleDeadline(now: Instant): void;
  poll(): Output | undefined;
  nextDeadline(): Instant | undefined;
}

/**
 * Something whose whole state can be taken out as plain data and put back, so that a run can be forked.
 *
 * `save` is called between alarms only, when every machine has been drained. What it returns never changes
 * afterwards (immutable, or copied) and may be given to `load` any number of times, of this object or of another
 * one that was built from the same description.
 */
export interface Stateful<State> {
  save(): State;
  load(state: State): void;
}
