import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import type { Calendar } from "../../../hil/device/calendar.ts";
import { type DeviceSession, logIn } from "../../../hil/device/device-session.ts";
import { runSchedule, type ScheduleRun } from "../../../hil/device/run-schedule.ts";
import { CHEAP, removeFolders } from "../../support/device-folder.ts";
import { DeviceRig, PASSWORD } from "../../support/device-rig.ts";

let rig: DeviceRig;
let session: DeviceSession;

beforeEach(async () => {
  rig = await DeviceRig.start();
  rig.publish(new Prng("scheduled").bytes(10_000));
  await rig.init();
  session = await logIn(rig.state, "admin", PASSWORD, { now: rig.clock.now, scryptCost: CHEAP });
});
afterEach(async () => {
  await rig.close();
  removeFolders();
});

/** Lets the schedule run until that moment of a clock that jumps to whatever is waited for. @returns "when, last step" */
async function runUntil(moment: string, meanwhile: (now: Date) => void | Promise<void> = () => {}): Promise<string[]> {
  const stop = new AbortController();
  const calendar: Calendar = {
    now: rig.clock.now,
    async until(until) {
      rig.clock.at = Math.max(rig.clock.at, until.getTime());
      await meanwhile(rig.clock.now());
      if (rig.clock.at >= Date.parse(moment)) stop.abort();
    },
  };
  const runs: ScheduleRun[] = [];
  await runSchedule(session, calendar, stop.signal, (run) => runs.push(run));
  return runs.map(({ at, steps, error }) => {
    const last = steps.at(-1);
    return `${at.toISOString()} ${error?.code ?? `${last?.step} ${last?.verdict}`}`;
  });
}

describe("a device that works by its schedule", () => {
  it("does all at the times of the schedule, and nothing between", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30" });
    expect(await runUntil("2026-03-04T00:00:00Z")).toEqual([
      "2026-03-02T03:30:00.000Z apply updated",
      "2026-03-03T03:30:00.000Z check upToDate",
    ]);
    expect(session.due()?.toISOString()).toBe("2026-03-04T03:30:00.000Z");
  });

  it("tries again at the next time when a run failed, and says why", async () => {
    rig.server.setFaults([{ name: "corruptByteAt", offset: 5 }]);
    await session.setSchedule({ kind: "cron", expression: "0 */6 * * *" });
    const runs = await runUntil("2026-03-02T01:00:00Z", (now) => {
      if (now >= new Date("2026-03-01T20:00:00Z")) rig.server.setFaults([]);
    });
    expect(runs).toEqual([
      "2026-03-01T18:00:00.000Z PACKAGE_SIGNATURE_WRONG",
      "2026-03-02T00:00:00.000Z apply updated",
    ]);
  });

  it("makes up at once, and once, for runs that were due while nobody ran", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30" });
    expect(await runUntil("2026-03-01T13:00:00Z")).toEqual([]);
    rig.clock.at = Date.parse("2026-03-08T10:00:00Z");
    expect(await runUntil("2026-03-09T00:00:00Z")).toEqual(["2026-03-08T10:00:00.000Z apply updated"]);
  });

  it("makes up for a run that was stopped on the way", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30" });
    rig.server.setFaults([{ name: "gone" }]);
    const stop = new AbortController();
    const calendar: Calendar = {
      now: rig.clock.now,
      async until(until) {
        rig.clock.at = until.getTime();
        if (rig.clock.at === Date.parse("2026-03-02T03:30:00Z")) setTimeout(() => stop.abort(), 50);
      },
    };
    const runs: ScheduleRun[] = [];
    await runSchedule(session, calendar, stop.signal, (run) => runs.push(run));
    expect(runs).toMatchObject([{ error: { code: "PULL_STOPPED" } }]);
    rig.server.setFaults([]);
    rig.clock.at = Date.parse("2026-03-02T09:00:00Z");
    expect(await runUntil("2026-03-02T10:00:00Z")).toEqual(["2026-03-02T09:00:00.000Z apply updated"]);
  });

  it("keeps its jitter over a restart", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30", jitterS: 3600 });
    await runUntil("2026-03-01T13:00:00Z");
    const due = session.due()?.toISOString();
    await runUntil("2026-03-01T14:00:00Z");
    expect(session.due()?.toISOString()).toBe(due);
    expect(await runUntil("2026-03-02T12:00:00Z")).toEqual([`${due} apply updated`]);
  });

  it("follows a schedule that another process changes, and does nothing when it is off", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30" });
    const other = await logIn(rig.state, "admin", PASSWORD, { now: rig.clock.now, scryptCost: CHEAP });
    let isChanged = false;
    const runs = await runUntil("2026-03-02T06:00:00Z", async (now) => {
      if (isChanged || now < new Date("2026-03-01T22:00:00Z")) return;
      isChanged = true;
      await other.setSchedule({ kind: "daily", at: "23:00" });
    });
    expect(runs).toEqual(["2026-03-01T23:00:00.000Z apply updated"]);
    await other.setSchedule({ kind: "off" });
    expect(await runUntil("2026-03-05T00:00:00Z")).toEqual([]);
  });

  it("does not wait for a moment that a wrong clock planned", async () => {
    await session.setSchedule({ kind: "daily", at: "03:30" });
    rig.clock.at = Date.parse("2099-01-01T00:00:00Z");
    await runUntil("2099-01-01T01:00:00Z");
    rig.clock.at = Date.parse("2026-03-01T12:00:00Z");
    expect(await runUntil("2026-03-02T12:00:00Z")).toEqual(["2026-03-02T03:30:00.000Z apply updated"]);
  });

  it("ends at once when it is told to", async () => {
    const { wallCalendar } = await import("../../../hil/device/calendar.ts");
    const stop = new AbortController();
    await session.setSchedule({ kind: "daily", at: "03:30" });
    const running = runSchedule(session, wallCalendar, stop.signal, () => {});
    setImmediate(() => stop.abort());
    await running;
  });

  it("is not for a viewer", async () => {
    await session.addAccount("eve", "viewer", PASSWORD);
    session = await logIn(rig.state, "eve", PASSWORD, { now: rig.clock.now, scryptCost: CHEAP });
    await expect(runUntil("2026-03-02T00:00:00Z")).rejects.toMatchObject({ code: "ACTION_FORBIDDEN" });
  });
});
