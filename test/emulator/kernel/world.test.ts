import { describe, expect, it } from "vitest";
import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, plus } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";

/** Notes a random number at random instants. */
class Walker implements Stateful<readonly number[]> {
  steps: readonly number[] = [];

  constructor(name: string, world: World, prng: Prng) {
    const alarm = world.timeline.alarm((now) => {
      const step = prng.below(1000);
      this.steps = [...this.steps, step];
      world.trace.record(now, name, "ecu.power", { on: step });
      alarm.set(plus(now, ms(1 + prng.below(3))));
    });
    alarm.set(world.timeline.now);
  }

  save(): readonly number[] {
    return this.steps;
  }

  load(steps: readonly number[]): void {
    this.steps = steps;
  }
}

function walk(seed: string, names: readonly string[] = ["a", "b"]): { world: World; walkers: Walker[] } {
  const world = new World();
  const prng = world.add("random", new Prng(seed));
  return { world, walkers: names.map((name) => world.add(name, new Walker(name, world, prng))) };
}

const at = (milliseconds: number): Instant => ms(milliseconds) as unknown as Instant;

describe("a world", () => {
  it("forks: both halves go the same way, event for event", () => {
    const first = walk("7");
    first.world.timeline.runUntil(at(100));
    const snapshot = structuredClone(first.world.snapshot());
    const second = walk("another");
    second.world.timeline.runUntil(at(33));
    second.world.restore(snapshot);
    expect(second.walkers[0]?.steps).toEqual(first.walkers[0]?.steps);
    for (const { world } of [first, second]) world.timeline.runUntil(at(300));
    expect(second.world.trace.bytes()).toEqual(first.world.trace.bytes());
    expect(second.world.snapshot()).toEqual(first.world.snapshot());
    expect(first.world.trace.count).toBeGreaterThan(200);
  });

  it("forks into halves that know nothing of each other", () => {
    const { world, walkers } = walk("7");
    world.timeline.runUntil(at(50));
    const snapshot = world.snapshot();
    const kept = structuredClone(snapshot);
    world.timeline.runUntil(at(200));
    expect(snapshot).toEqual(kept);
    const later = world.trace.bytes().slice();
    world.restore(snapshot);
    expect(world.timeline.now).toBe(at(50));
    expect(walkers[0]?.steps).toEqual(kept.parts.get("a"));
    world.timeline.runUntil(at(200));
    expect(world.trace.bytes()).toEqual(later);
  });

  it.each([
    ["fewer parts", ["a"]],
    ["more parts", ["a", "b", "c"]],
    ["other parts", ["a", "c"]],
  ])("refuses the snapshot of a world with %s, and stays as it is", (_what, names) => {
    const foreign = walk("7", names);
    foreign.world.timeline.runUntil(at(10));
    const { world } = walk("7");
    world.timeline.runUntil(at(5));
    const before = structuredClone(world.snapshot());
    expect(() => world.restore(foreign.world.snapshot())).toThrow(expect.objectContaining({ code: "USAGE" }));
    expect(world.snapshot()).toEqual(before);
  });

  it("refuses a snapshot with an alarm that it does not have, and stays as it is", () => {
    const foreign = walk("7");
    foreign.world.timeline.alarm(() => undefined).set(at(1000));
    const { world } = walk("7");
    const before = structuredClone(world.snapshot());
    expect(() => world.restore(foreign.world.snapshot())).toThrow(expect.objectContaining({ code: "USAGE" }));
    expect(world.snapshot()).toEqual(before);
  });

  it("refuses two parts of one name", () => {
    const world = new World();
    world.add("a", new Prng(1));
    expect(() => world.add("a", new Prng(2))).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
