import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Scheduler } from "../../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";
import type { Alarm } from "../../../emulator/kernel/timeline.ts";

const at = (instant: number): Instant => instant as Instant;

/** A scheduler with so many alarms, and a note of which fired when. */
function scheduled(count: number): { scheduler: Scheduler; alarms: Alarm[]; fired: [alarm: number, now: number][] } {
  const scheduler = new Scheduler();
  const fired: [number, number][] = [];
  const alarms = Array.from({ length: count }, (_, index) =>
    scheduler.alarm((now) => {
      fired.push([index, now]);
    }),
  );
  return { scheduler, alarms, fired };
}

describe("the virtual scheduler", () => {
  it("fires alarms by instant, those of one instant in the order in which they were set", () => {
    const { scheduler, alarms, fired } = scheduled(5);
    const instants = [20, 10, 20, 10, 0];
    for (const [index, instant] of instants.entries()) alarms[index]?.set(at(instant));
    scheduler.runToIdle(at(100));
    expect(fired).toEqual([
      [4, 0],
      [1, 10],
      [3, 10],
      [0, 20],
      [2, 20],
    ]);
    expect(scheduler.now).toBe(20);
  });

  it("puts an alarm that is moved behind its new equals, and one set anew for its instant keeps its place", () => {
    const { scheduler, alarms, fired } = scheduled(3);
    alarms[0]?.set(at(5));
    alarms[1]?.set(at(7));
    alarms[2]?.set(at(7));
    alarms[0]?.set(at(7));
    alarms[1]?.set(at(7));
    scheduler.runToIdle(at(7));
    expect(fired.map(([alarm]) => alarm)).toEqual([1, 2, 0]);
  });

  it("does not fire an alarm that was cleared, and lets clear and clear again pass", () => {
    const { scheduler, alarms, fired } = scheduled(3);
    for (const alarm of alarms) alarm.set(at(1));
    alarms[1]?.clear();
    alarms[1]?.clear();
    scheduler.runToIdle(at(1));
    expect(fired.map(([alarm]) => alarm)).toEqual([0, 2]);
    expect(scheduler.next).toBeUndefined();
  });

  it("moves the clock to the instant asked for, and fires what is due there", () => {
    const { scheduler, alarms, fired } = scheduled(2);
    alarms[0]?.set(at(50));
    alarms[1]?.set(at(51));
    scheduler.runUntil(at(49));
    expect([scheduler.now, fired.length, scheduler.next]).toEqual([49, 0, 50]);
    scheduler.runUntil(at(50));
    expect([scheduler.now, fired.length, scheduler.next]).toEqual([50, 1, 51]);
    scheduler.runUntil(at(10));
    expect(scheduler.now).toBe(50);
  });

  it("fires alarms that are set while others fire, at this very instant too", () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    const second = scheduler.alarm((now) => seen.push(`second ${now}`));
    const first = scheduler.alarm((now) => {
      seen.push(`first ${now}`);
      second.set(now);
    });
    first.set(at(3));
    expect([scheduler.step(), scheduler.step(), scheduler.step()]).toEqual([true, true, false]);
    expect(seen).toEqual(["first 3", "second 3"]);
  });

  it.each([9, Number.NaN])("refuses an alarm for an instant that has passed (%d at 10)", (instant) => {
    const { scheduler, alarms } = scheduled(1);
    scheduler.runUntil(at(10));
    expect(() => alarms[0]?.set(at(instant))).toThrow(expect.objectContaining({ code: "INVARIANT" }));
    expect(scheduler.next).toBeUndefined();
  });

  it("refuses to spin at one instant", () => {
    const scheduler = new Scheduler();
    const alarm = scheduler.alarm((now) => alarm.set(now));
    alarm.set(at(7));
    expect(() => scheduler.runUntil(at(8))).toThrow("stuck at 7 ns");
  });

  it("does not mistake many alarms at one instant, again and again, for spinning", () => {
    const scheduler = new Scheduler();
    let left = 300_000;
    const alarm = scheduler.alarm((now) => {
      if (left-- > 0) alarm.set(at(left % 1000 === 0 ? now + 1 : now));
    });
    alarm.set(at(0));
    scheduler.runToIdle(at(1000));
    expect(left).toBe(-1);
  });

  it("tells when it is still busy at the limit", () => {
    const { scheduler, alarms } = scheduled(1);
    alarms[0]?.set(at(11));
    expect(() => scheduler.runToIdle(at(10))).toThrow(expect.objectContaining({ code: "INVARIANT" }));
  });

  const operations = fc.array(
    fc.tuple(fc.constantFrom("set" as const, "clear" as const, "run" as const), fc.nat(9), fc.nat(40)),
    {
      maxLength: 60,
    },
  );

  it("does what a sorted list does, whatever is set, moved and cleared", () => {
    fc.assert(
      fc.property(operations, (steps) => {
        const { scheduler, alarms, fired } = scheduled(10);
        const model = new SortedList();
        for (const [what, index, span] of steps) {
          const instant = scheduler.now + span;
          model[what](instant, index);
          if (what === "set") alarms[index]?.set(at(instant));
          else if (what === "clear") alarms[index]?.clear();
          else scheduler.runUntil(at(instant));
        }
        expect(fired).toEqual(model.fired);
        expect(scheduler.next).toBe(model.next);
      }),
    );
  });
});

/** The same behaviour without a heap. */
class SortedList {
  readonly fired: [alarm: number, now: number][] = [];
  #order = 0;
  #entries: { alarm: number; at: number; order: number }[] = [];

  get next(): number | undefined {
    return this.#entries.toSorted((a, b) => a.at - b.at)[0]?.at;
  }

  set(instant: number, alarm: number): void {
    if (this.#entries.some((entry) => entry.alarm === alarm && entry.at === instant)) return;
    this.clear(instant, alarm);
    this.#entries.push({ alarm, at: instant, order: this.#order++ });
  }

  clear(_instant: number, alarm: number): void {
    this.#entries = this.#entries.filter((entry) => entry.alarm !== alarm);
  }

  run(instant: number): void {
    const due = this.#entries.filter((entry) => entry.at <= instant);
    this.#entries = this.#entries.filter((entry) => entry.at > instant);
    for (const entry of due.toSorted((a, b) => a.at - b.at || a.order - b.order)) {
      this.fired.push([entry.alarm, entry.at]);
    }
  }
}

describe("the state of a scheduler", () => {
  it("makes another one with the same alarms go the same way, ties included", () => {
    const first = scheduled(4);
    for (const [index, instant] of [9, 4, 9, 4].entries()) first.alarms[index]?.set(at(instant));
    first.alarms[0]?.set(at(4));
    first.scheduler.runUntil(at(2));
    const state = structuredClone(first.scheduler.save());
    const second = scheduled(4);
    second.alarms[3]?.set(at(1));
    second.scheduler.load(state);
    expect(second.scheduler.save()).toEqual(state);
    for (const { scheduler, alarms } of [first, second]) {
      alarms[1]?.set(at(9));
      scheduler.runToIdle(at(10));
    }
    expect(second.fired).toEqual(first.fired);
    expect(first.fired.map(([alarm]) => alarm)).toEqual([3, 0, 2, 1]);
  });

  it("can be put back any number of times", () => {
    const { scheduler, alarms, fired } = scheduled(1);
    alarms[0]?.set(at(5));
    const state = scheduler.save();
    for (let time = 0; time < 3; time++) {
      scheduler.runToIdle(at(5));
      scheduler.load(state);
      expect(scheduler.now).toBe(0);
    }
    expect(fired).toEqual([
      [0, 5],
      [0, 5],
      [0, 5],
    ]);
  });

  it("is refused when it names an alarm that is not there, and changes nothing then", () => {
    const larger = scheduled(3);
    larger.alarms[0]?.set(at(1));
    larger.alarms[2]?.set(at(2));
    const smaller = scheduled(2);
    smaller.alarms[1]?.set(at(8));
    const before = smaller.scheduler.save();
    expect(() => smaller.scheduler.load(larger.scheduler.save())).toThrow(expect.objectContaining({ code: "USAGE" }));
    expect(smaller.scheduler.save()).toEqual(before);
  });
});
