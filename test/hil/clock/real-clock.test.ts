import { describe, expect, it } from "vitest";
import { Scheduler } from "../../../emulator/kernel/scheduler.ts";
import { ms, plus, RUN_START, toMs } from "../../../emulator/kernel/time.ts";
import { RealClock } from "../../../hil/clock/real-clock.ts";

const NOTHING = { busy: false, deliver: () => false, arrival: () => Promise.resolve() };
const at = (milliseconds: number) => plus(RUN_START, ms(milliseconds));

/** A wall clock that moves when it is looked at, and stands still or jumps when told. */
class Wall {
  now = 1000;
  look = (): number => {
    this.now += 0.25;
    return this.now;
  };
}

describe("the real clock", () => {
  it("lets events happen when the wall clock has reached them, never before", async () => {
    const timeline = new Scheduler();
    const wall = new Wall();
    const seen: [number, number][] = [];
    for (const milliseconds of [3, 17, 40]) {
      timeline.alarm(() => seen.push([toMs(timeline.now), wall.now - 1000])).set(at(milliseconds));
    }
    expect(await new RealClock(wall.look).run(timeline, NOTHING, () => false, at(1000))).toBe("idle");
    expect(seen.map(([virtual]) => virtual)).toEqual([3, 17, 40]);
    for (const [virtual, real] of seen) expect(real).toBeGreaterThanOrEqual(virtual);
  });

  it("after a standstill takes what has come from outside before the timeouts that ran meanwhile", async () => {
    const timeline = new Scheduler();
    const wall = new Wall();
    const timeout = timeline.alarm(() => order.push("timeout"));
    const order: string[] = [];
    let waiting = 1;
    const outside = {
      busy: true,
      deliver: () => {
        if (waiting === 0) return false;
        waiting--;
        order.push(`answer at ${toMs(timeline.now)} ms`);
        timeout.clear();
        return true;
      },
      arrival: () => Promise.resolve(),
    };
    timeout.set(at(50));
    const clock = new RealClock(() => {
      const first = wall.now === 1000;
      wall.look();
      if (first) wall.now += 800; // the machine stands still for 800 ms
      return first ? 1000 : wall.now;
    });
    expect(await clock.run(timeline, outside, () => timeline.now >= at(700), at(5000))).toBe("done");
    expect(order).toEqual(["answer at 10 ms"]);
  });

  it("ends at the limit, with the timeline there", async () => {
    const timeline = new Scheduler();
    const busy = { ...NOTHING, busy: true };
    expect(await new RealClock(new Wall().look).run(timeline, busy, () => false, at(35))).toBe("limit");
    expect(toMs(timeline.now)).toBe(35);
  });
});
