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
 * Lets a device work by its schedule until it is stopped. A run that was due while nobody ran, or was stopped, is made
 * up for at once, and once only; a run that fails is tried again at the next time of the schedule.
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
    const due = dueOf(session, now);
    if (due?.getTime() !== session.due()?.getTime()) session.setDue(due);
    const look = now.getTime() + READ_AGAIN_MS;
    if (due === undefined || due > now) {
      await calendar.until(new Date(Math.min(look, due?.getTime() ?? look)), stop);
      continue;
    }
    const at = calendar.now();
    const run = await runOnce(session, at, stop);
    told(run);
    if (stop.aborted && run.error !== undefined) return; // it stays due
    session.setDue(nextRun(session.schedule(), session.seed, calendar.now()));
  }
}

/** What was planned, unless it is further off than it can be: the clock was wrong when it was planned. */
function dueOf(session: DeviceSession, now: Date): Date | undefined {
  const planned = session.due();
  const next = nextRun(session.schedule(), session.seed, now);
  return planned !== undefined && next !== undefined && planned < next ? planned : next;
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
