import { setImmediate } from "node:timers/promises";
import type { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../emulator/kernel/time.ts";
import type { Clock, Outside, RunEnd } from "./clock.ts";

/** After that much wall time the bench lets sockets, signals and a progress bar have their turn, milliseconds. */
const TURN_MS = 20;
const ARRIVAL_TIMEOUT_MS = 1_000;

/**
 * Virtual time: the next event happens as soon as the one before has been computed. While something outside is under
 * way the timeline stands still, so that what the vehicle does depends on what was answered and never on how fast.
 */
export class VirtualClock implements Clock {
  async run(timeline: Scheduler, outside: Outside, done: () => boolean, limit: Instant): Promise<RunEnd> {
    let turn = performance.now();
    while (!done()) {
      if (outside.busy) {
        if (!outside.deliver()) await outside.arrival(ARRIVAL_TIMEOUT_MS);
        continue;
      }
      const next = timeline.next;
      if (next === undefined) return "idle";
      if (next > limit) return "limit";
      timeline.step();
      if (performance.now() - turn > TURN_MS) {
        await setImmediate();
        turn = performance.now();
      }
    }
    return "done";
  }
}
