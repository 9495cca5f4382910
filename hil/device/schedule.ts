import { Cron } from "croner";
import { z } from "zod";
import { Prng } from "../../emulator/kernel/prng.ts";
import { DeviceError } from "./device-error.ts";

/** So that a fleet does not ask all at once; longer than that it would not be the time that was asked for. */
const JITTER_MAX_S = 6 * 3600;

const jitterS = z.int().min(0).max(JITTER_MAX_S).default(0);
const timeZone = z.string().refine(isTimeZone, 'is no time zone as "Europe/Berlin" is one').default("UTC");

/** When a device looks for updates by itself. Plain data. */
export const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("off") }),
  z.strictObject({
    kind: z.literal("daily"),
    /** "HH:MM" */
    at: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "is no time HH:MM"),
    timeZone,
    jitterS,
  }),
  z.strictObject({
    kind: z.literal("cron"),
    /** Minute, hour, day of month, month, day of week. */
    expression: z.string().max(200),
    timeZone,
    jitterS,
  }),
]);

export type Schedule = z.infer<typeof scheduleSchema>;

/** Of the IANA time zone database that comes with Node. */
function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** @throws {DeviceError} SCHEDULE_INVALID */
export function checkedSchedule(told: z.input<typeof scheduleSchema>): Schedule {
  const parsed = scheduleSchema.safeParse(told);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DeviceError("SCHEDULE_INVALID", `schedule: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const schedule = parsed.data;
  if (schedule.kind !== "off" && nextRun(schedule, "", new Date(0)) === undefined)
    throw new DeviceError("SCHEDULE_INVALID", `"${cronOf(schedule)}" is at no time ever`);
  return schedule;
}

/**
 * The next time behind `after`. Each planned time has a jitter of its own, from 0 to `jitterS`, that comes from the seed
 * and from nothing else: a restart does not move it. A time that the clocks jump over is taken as soon as they have, one
 * that comes twice is taken once.
 * @param seed that of the device @throws {DeviceError} SCHEDULE_INVALID
 */
export function nextRun(schedule: Schedule, seed: string, after: Date): Date | undefined {
  if (schedule.kind === "off") return undefined;
  const jitterMs = schedule.jitterS * 1000;
  try {
    const cron = new Cron(cronOf(schedule), { timezone: schedule.timeZone, mode: "5-part", paused: true });
    let best: Date | undefined;
    // times before `after` count too: their jitter may put them behind it
    let slot = cron.nextRun(new Date(after.getTime() - jitterMs - 1000));
    while (slot !== null && (best === undefined || slot < best)) {
      const at = new Date(slot.getTime() + jitterOf(schedule.jitterS, `${seed} ${slot.toISOString()}`));
      if (at > after && (best === undefined || at < best)) best = at;
      slot = cron.nextRun(slot);
    }
    return best;
  } catch (cause) {
    throw new DeviceError("SCHEDULE_INVALID", `"${cronOf(schedule)}": ${(cause as Error).message}`, { cause });
  }
}

/** Milliseconds, whole seconds. */
const jitterOf = (seconds: number, seed: string): number =>
  seconds === 0 ? 0 : new Prng(seed).below(seconds + 1) * 1000;

function cronOf(schedule: Exclude<Schedule, { kind: "off" }>): string {
  if (schedule.kind === "cron") return schedule.expression;
  const [hour, minute] = schedule.at.split(":").map(Number);
  return `${minute} ${hour} * * *`;
}

export function scheduleText(schedule: Schedule): string {
  if (schedule.kind === "off") return "off";
  const what = schedule.kind === "daily" ? `daily at ${schedule.at}` : `cron "${schedule.expression}"`;
  return `${what} ${schedule.timeZone}${schedule.jitterS > 0 ? `, up to ${schedule.jitterS} s later` : ""}`;
}
