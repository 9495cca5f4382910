import { describe, expect, it } from "vitest";
import { checkedSchedule, nextRun } from "../../../hil/device/schedule.ts";

const times = (schedule: Parameters<typeof checkedSchedule>[0], from: string, count: number, seed = "a"): string[] => {
  const checked = checkedSchedule(schedule);
  const found: string[] = [];
  let after = new Date(from);
  for (let index = 0; index < count; index++) {
    after = nextRun(checked, seed, after) as Date;
    found.push(after.toISOString().replace(":00.000Z", ""));
  }
  return found;
};

describe("the schedule of a device", () => {
  it("is daily at a time", () => {
    expect(times({ kind: "daily", at: "03:30" }, "2026-01-30T03:30:00Z", 3)).toEqual([
      "2026-01-31T03:30",
      "2026-02-01T03:30",
      "2026-02-02T03:30",
    ]);
  });

  it("takes a time that the clocks jump over as soon as they have, and one that comes twice once", () => {
    const night = { kind: "daily", at: "02:30", timeZone: "Europe/Berlin" } as const;
    expect(times(night, "2026-03-28T12:00:00Z", 2)).toEqual(["2026-03-29T01:00", "2026-03-30T00:30"]);
    expect(times(night, "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30", "2026-10-26T01:30"]);
  });

  it("follows five fields of cron", () => {
    expect(times({ kind: "cron", expression: "0 9 1 * *" }, "2026-01-15T00:00:00Z", 2)).toEqual([
      "2026-02-01T09:00",
      "2026-03-01T09:00",
    ]);
    expect(times({ kind: "cron", expression: "*/20 8-9 * * MON-FRI" }, "2026-01-16T09:30:00Z", 3)).toEqual([
      "2026-01-16T09:40",
      "2026-01-19T08:00",
      "2026-01-19T08:20",
    ]);
  });

  it("spreads a fleet by jitter that comes from the seed and the planned time alone", () => {
    const schedule = checkedSchedule({ kind: "daily", at: "03:00", jitterS: 3600 });
    const plan = Date.parse("2026-05-01T03:00:00Z");
    const delays = Array.from({ length: 200 }, (_, device) => {
      const at = nextRun(schedule, `device ${device}`, new Date("2026-04-30T12:00:00Z")) as Date;
      return (at.getTime() - plan) / 1000;
    });
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(3600);
    expect(new Set(delays).size).toBeGreaterThan(150);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(3000);
  });

  it("keeps the time of a run however often it is asked for, and has none twice", () => {
    const schedule = checkedSchedule({ kind: "cron", expression: "*/10 * * * *", jitterS: 1500 });
    const all = times({ kind: "cron", expression: "*/10 * * * *", jitterS: 1500 }, "2026-05-01T00:00:00Z", 100);
    expect(new Set(all).size).toBe(100);
    expect(all).toEqual([...all].sort());
    const second = nextRun(schedule, "a", new Date("2026-05-01T00:00:00Z")) as Date;
    for (let back = 1; back < 60; back++) {
      const asked = nextRun(schedule, "a", new Date(second.getTime() - back * 1000)) as Date;
      expect(asked.getTime()).toBeLessThanOrEqual(second.getTime());
    }
    expect(nextRun(schedule, "a", new Date(second.getTime() - 1))).toEqual(second);
  });

  it("has no time when it is off", () => {
    expect(nextRun({ kind: "off" }, "a", new Date(0))).toBeUndefined();
  });

  it.each([
    [{ kind: "daily", at: "24:00" }],
    [{ kind: "daily", at: "3:30" }],
    [{ kind: "daily", at: "03:30", timeZone: "Mars/Olympus" }],
    [{ kind: "daily", at: "03:30", jitterS: 21_601 }],
    [{ kind: "daily", at: "03:30", jitterS: -1 }],
    [{ kind: "cron", expression: "* * * * * *" }],
    [{ kind: "cron", expression: "61 * * * *" }],
    [{ kind: "cron", expression: "" }],
    [{ kind: "cron", expression: "0 0 30 2 *" }],
    [{ kind: "cron", expression: "every day" }],
  ] as const)("%j is refused", (schedule) => {
    expect(() => checkedSchedule(schedule)).toThrow(expect.objectContaining({ code: "SCHEDULE_INVALID" }));
  });

  it("a time zone that there is not is named in so many words", () => {
    expect(() => checkedSchedule({ kind: "daily", at: "03:30", timeZone: "Mars/Olympus" })).toThrow(
      'schedule: timeZone: is no time zone as "Europe/Berlin" is one',
    );
  });
});
