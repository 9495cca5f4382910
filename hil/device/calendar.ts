import { setTimeout as sleep } from "node:timers/promises";

/** The wall clock, for what is planned by date. */
export interface Calendar {
  readonly now: () => Date;
  /** Until that moment has come, or `stop` is aborted. */
  until(moment: Date, stop: AbortSignal): Promise<void>;
}

/** The clock may be set, and the machine may sleep: it is looked at that often, milliseconds. */
const LOOK_MS = 30_000;

export const wallCalendar: Calendar = {
  now: () => new Date(),
  async until(moment, signal) {
    while (!signal.aborted) {
      const left = moment.getTime() - Date.now();
      if (left <= 0) return;
      await sleep(Math.min(left, LOOK_MS), undefined, { signal }).catch(() => {});
    }
  },
};
