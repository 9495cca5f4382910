import { BenchError } from "../../emulator/kernel/errors.ts";
import type { Calendar } from "./calendar.ts";
import type { StepReport } from "./device.ts";
import type { DeviceSession } from "./device-session.ts";
import { nextRun } from "./schedule.ts";

/** How often a schedule that is off, or that somebody else may change, is read again, milliseconds. */
const READ_AGAIN_MS = 60_000;

export interface ScheduleRun {
  readonly at: Date;
  readonly steps: readonly StepReport[];
  readonly error?: BenchError;
}

/**
 * Lets a device work by its schedule until it is stopped. A run that was due while nobody ran is made up for at once,
 * and once only; a run that fails is tried again at the next time of the schedule.
 * @throws {DeviceError} ACTION_FORBIDDEN, STATE_DAMAGED
 */
export async function runSchedule(
  session: DeviceSession,
  calendar: Calendar,
  stop: AbortSignal,
  told: (run: ScheduleRun) => void,
): Promise<void> {
  await session.mayRun();
  while (!stop.aborted) {
    const now = calendar.now();
    const due = session.due() ?? nextRun(session.schedule(), session.seed, now);
    if (due === undefined || due.getTime() - now.getTime() > READ_AGAIN_MS) {
      if (due !== undefined && session.due() === undefined) session.setDue(due);
      await calendar.until(new Date(now.getTime() + READ_AGAIN_MS), stop);
      continue;
    }
    session.setDue(due);
    await calendar.until(due, stop);
    if (stop.aborted) return;
    const at = calendar.now();
    told(await runOnce(session, at, stop));
    session.setDue(nextRun(session.schedule(), session.seed, calendar.now()));
  }
}

async function runOnce(session: DeviceSession, at: Date, stop: AbortSignal): Promise<ScheduleRun> {
  const steps: StepReport[] = [];
  await session.note("schedule.run", "ok");
  try {
    await session.all({ stop }, (report) => steps.push(report));
    return { at, steps };
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    return { at, steps, error };
  }
}
