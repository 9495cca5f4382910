import { setImmediate } from "node:timers/promises";
import type { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { Clock, Outside, RunEnd } from "./clock.ts";

const NS_PER_MS = 1_000_000;
/** The longest sleep, milliseconds: `done` is looked at that often. */
const SLEEP_MAX_MS = 50;
/** A machine that can't keep up still lets sockets and signals have their turn, after so much wall time. */
const TURN_MS = 20;

/**
 * Real time: an event of the timeline happens when the wall clock reaches it, or as soon after as the machine can.
 * For programs and hardware outside that have a clock of their own.
 */
export class RealClock implements Clock {
  async run(timeline: Scheduler, outside: Outside, done: () => boolean, limit: Instant): Promise<RunEnd> {
    const started = performance.now() - timeline.now / NS_PER_MS;
    const wall = (): Instant => Math.floor((performance.now() - started) * NS_PER_MS) as Instant;
    const turns = new Turns();
    while (!done()) {
      await turns.take();
      const now = wall();
      timeline.runUntil(Math.min(now, limit) as Instant);
      if (outside.deliver()) continue;
      if (done()) break;
      if (timeline.now >= limit) return "limit";
      const next = timeline.next;
      if (next === undefined && !outside.busy) return "idle";
      const sleep = next === undefined ? SLEEP_MAX_MS : (Math.min(next, limit) - wall()) / NS_PER_MS;
      if (sleep > 0) await outside.arrival(Math.min(sleep, SLEEP_MAX_MS));
    }
    return "done";
  }
}

/** Gives the rest of the program its turn, now and then. */
class Turns {
  #last = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.#last <= TURN_MS) return;
    await setImmediate();
    this.#last = performance.now();
  }
}
