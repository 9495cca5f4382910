import type { Scheduler } from "../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../emulator/kernel/time.ts";

/** What happens outside the bench and comes in as inputs: answers of servers, bytes of a serial port. */
export interface Outside {
  /** Something is under way whose answer the bench waits for. */
  readonly busy: boolean;
  /** Hands in the next input that has come; false when there is none. */
  deliver(): boolean;
  /** Resolves when there may be something to deliver, or after that many milliseconds of wall time. */
  arrival(timeoutMs: number): Promise<void>;
}

/** How a stretch of a run ended. */
export type RunEnd = "done" | "idle" | "limit";

/** Moves a timeline: as fast as it can be computed, or as fast as the wall clock goes. */
export interface Clock {
  /**
   * Runs until `done` says so ("done"), nothing is left to happen ("idle"), or the timeline has reached `limit`.
   * @param limit an instant on the timeline
   */
  run(timeline: Scheduler, outside: Outside, done: () => boolean, limit: Instant): Promise<RunEnd>;
}
