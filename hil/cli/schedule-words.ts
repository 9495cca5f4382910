import { UsageError } from "../../emulator/kernel/errors.ts";
import { checkedSchedule, type Schedule } from "../device/schedule.ts";

/**
 * The schedule that words mean: `off`, `daily HH:MM`, `cron` and five fields, or the five fields alone.
 * @throws {UsageError} @throws {DeviceError} SCHEDULE_INVALID
 */
export function scheduleOf(
  words: readonly string[],
  { jitter, zone }: { readonly jitter?: string | undefined; readonly zone?: string | undefined },
): Schedule {
  const [kind, ...rest] = words;
  if (kind === "off" && rest.length === 0) return { kind };
  const options = {
    ...(jitter !== undefined && { jitterS: secondsOf(jitter) }),
    ...(zone !== undefined && { timeZone: zone }),
  };
  if (kind === "daily") return checkedSchedule({ kind, at: rest.join(" "), ...options });
  return checkedSchedule({ kind: "cron", expression: (kind === "cron" ? rest : words).join(" "), ...options });
}

function secondsOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`"${text}" is no number of seconds`);
  return Number(text);
}
