import { InvariantError, UsageError } from "./errors.ts";
import type { Stateful } from "./machine.ts";
import { type Instant, RUN_START } from "./time.ts";
import type { Alarm, Timeline } from "./timeline.ts";

/** How many alarms may fire at one instant before the run counts as stuck. */
const SAME_INSTANT_MAX = 100_000;

/** The state of a {@link Scheduler}: the clock, and each set alarm by the number it got when it was made. */
export interface SchedulerState {
  readonly now: Instant;
  readonly order: number;
  readonly set: readonly { readonly alarm: number; readonly at: Instant; readonly order: number }[];
}

/** An alarm and its place in the heap; `place` is -1 while it is not set. */
class HeapAlarm implements Alarm {
  at: Instant = RUN_START;
  /** Breaks ties: alarms due at one instant fire in the order in which they were set. */
  order = 0;
  place = -1;
  readonly fire: (now: Instant) => void;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, fire: (now: Instant) => void) {
    this.#scheduler = scheduler;
    this.fire = fire;
  }

  set(at: Instant): void {
    this.#scheduler.set(this, at);
  }

  clear(): void {
    this.#scheduler.clear(this);
  }
}

/**
 * The virtual timeline: time moves only when one of the run methods moves it.
 *
 * A binary heap of alarms ordered by (instant, order of setting); setting, moving and clearing cost O(log n).
 */
export class Scheduler implements Timeline, Stateful<SchedulerState> {
  #now: Instant = RUN_START;
  #order = 0;
  #atThisInstant = 0;
  readonly #alarms: HeapAlarm[] = [];
  readonly #heap: HeapAlarm[] = [];

  get now(): Instant {
    return this.#now;
  }

  /** When the next alarm fires; undefined when none is set. */
  get next(): Instant | undefined {
    return this.#heap[0]?.at;
  }

  alarm(fire: (now: Instant) => void): Alarm {
    const alarm = new HeapAlarm(this, fire);
    this.#alarms.push(alarm);
    return alarm;
  }

  /**
   * An alarm that is set for this very instant already keeps its place among its equals.
   * @internal for {@link HeapAlarm}. @throws {InvariantError} for an instant that has passed
   */
  set(alarm: HeapAlarm, at: Instant): void {
    if (alarm.place >= 0 && alarm.at === at) return;
    if (!(at >= this.#now)) throw new InvariantError(`alarm set for ${at} ns at ${this.#now} ns`);
    alarm.at = at;
    alarm.order = this.#order++;
    if (alarm.place < 0) {
      alarm.place = this.#heap.length;
      this.#heap.push(alarm);
      this.#rise(alarm);
    } else {
      this.#rise(alarm);
      this.#sink(alarm);
    }
  }

  /** @internal for {@link HeapAlarm}. Clearing an alarm that is not set is harmless. */
  clear(alarm: HeapAlarm): void {
    const place = alarm.place;
    if (place < 0) return;
    alarm.place = -1;
    const last = this.#heap.pop() as HeapAlarm;
    if (last === alarm) return;
    last.place = place;
    this.#heap[place] = last;
    this.#rise(last);
    this.#sink(last);
  }

  /**
   * Fires the next alarm and moves the clock to it; answers false when none is set.
   * @throws {InvariantError} when one instant does not come to an end
   */
  step(): boolean {
    const alarm = this.#heap[0];
    if (alarm === undefined) return false;
    if (alarm.at > this.#now) {
      this.#now = alarm.at;
      this.#atThisInstant = 0;
    } else if (++this.#atThisInstant > SAME_INSTANT_MAX) {
      throw new InvariantError(`stuck at ${this.#now} ns`);
    }
    this.clear(alarm);
    alarm.fire(this.#now);
    return true;
  }

  /** Fires everything that is due up to and including `instant`, and leaves the clock there. */
  runUntil(instant: Instant): void {
    while (this.#heap.length > 0 && (this.#heap[0] as HeapAlarm).at <= instant) this.step();
    if (instant > this.#now) this.#now = instant;
  }

  /**
   * Runs until no alarm is set.
   * @throws {InvariantError} when some are left at `limit`
   */
  runToIdle(limit: Instant): void {
    while (this.#heap.length > 0) {
      if ((this.#heap[0] as HeapAlarm).at > limit) throw new InvariantError(`still busy at ${limit} ns`);
      this.step();
    }
  }

  save(): SchedulerState {
    const set = this.#alarms
      .map(({ at, order, place }, alarm) => ({ alarm, at, order, place }))
      .filter(({ place }) => place >= 0)
      .map(({ alarm, at, order }) => ({ alarm, at, order }));
    return { now: this.#now, order: this.#order, set };
  }

  /** @throws {UsageError} when the state names an alarm that this bench does not have; nothing has changed then */
  load(state: SchedulerState): void {
    const foreign = state.set.find(({ alarm }) => this.#alarms[alarm] === undefined);
    if (foreign !== undefined) throw new UsageError(`the snapshot has an alarm ${foreign.alarm}, this bench does not`);
    for (const alarm of this.#alarms) alarm.place = -1;
    this.#heap.length = 0;
    this.#now = state.now;
    this.#order = state.order;
    this.#atThisInstant = 0;
    for (const { alarm: index, at, order } of state.set) {
      const alarm = this.#alarms[index] as HeapAlarm;
      alarm.at = at;
      alarm.order = order;
      alarm.place = this.#heap.length;
      this.#heap.push(alarm);
      this.#rise(alarm);
    }
  }

  #rise(alarm: HeapAlarm): void {
    const heap = this.#heap;
    let place = alarm.place;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as HeapAlarm;
      if (!isBefore(alarm, parent)) break;
      heap[place] = parent;
      parent.place = place;
      place = above;
    }
    heap[place] = alarm;
    alarm.place = place;
  }

  #sink(alarm: HeapAlarm): void {
    const heap = this.#heap;
    const size = heap.length;
    let place = alarm.place;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= size) break;
      if (below + 1 < size && isBefore(heap[below + 1] as HeapAlarm, heap[below] as HeapAlarm)) below++;
      const child = heap[below] as HeapAlarm;
      if (!isBefore(child, alarm)) break;
      heap[place] = child;
      child.place = place;
      place = below;
    }
    heap[place] = alarm;
    alarm.place = place;
  }
}

const isBefore = (a: HeapAlarm, b: HeapAlarm): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
