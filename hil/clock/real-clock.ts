import { setImmediate } from "node:timers/promises";
import type { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { Clock, Outside, RunEnd } from "./clock.ts";

const NS_PER_MS = 1_000_000;
/** The longest sleep, milliseconds: `done` is looked at that often. */
const SLEEP_MAX_MS = 50;
/** So far the timeline goes at once, nanoseconds. */
const STEP_MAX = 10 * NS_PER_MS;
/** A machine that can't keep up still lets sockets and signals have their turn, after so much wall time. */
const TURN_MS = 20;

/**
 * Real time: an event of the timeline happens when the wall clock reaches it, or as soon after as the machine can.
 * For programs and hardware outside that have a clock of their own.
 *
 * After the machine has stood still the timeline catches up step by step, and what has come from outside meanwhile goes
 * in behind the first step: no timeout of the vehicle runs out over an answer that was there in time.
 */
export class RealClock implements Clock {
  readonly #wallMs: () => number;

  /** @param wallMs the wall clock, milliseconds since whenever */
  constructor(wallMs: () => number = () => performance.now()) {
    this.#wallMs = wallMs;
  }

  async run(timeline: Scheduler, outside: Outside, done: () => boolean, limit: Instant): Promise<RunEnd> {
    const started = this.#wallMs() - timeline.now / NS_PER_MS;
    const wall = (): Instant => Math.floor((this.#wallMs() - started) * NS_PER_MS) as Instant;
    const turns = new Turns();
    while (!done()) {
      const due = Math.min(wall(), limit);
      const until = Math.min(due, timeline.now + STEP_MAX) as Instant;
      await turns.take(until < due);
      timeline.runUntil(until);
      if (outside.deliver()) continue;
      if (done()) break;
      if (timeline.now >= limit) return "limit";
      const next = timeline.next;
      if (next === undefined && !outside.busy) return "idle";
      const sleep = next === undefined ? SLEEP_MAX_MS : (Math.min(next, limit) - wall()) / NS_PER_MS;
      if (sleep > 0 && until === due) await outside.arrival(Math.min(sleep, SLEEP_MAX_MS));
    }
    return "done";
  }
}

/** Gives the rest of the program its turn, now and then. */
class Turns {
  #last = performance.now();

  /** @param behind the timeline is late */
  async take(behind: boolean): Promise<void> {
    if (!behind && performance.now() - this.#last <= TURN_MS) return;
    await setImmediate();
    this.#last = performance.now();
  }
}
