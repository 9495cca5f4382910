import { describe, expect, it } from "vitest";
import type { CanFaultRule } from "../../../emulator/bus/can-fault-rule.ts";
import { FaultyCanLink } from "../../../emulator/bus/faulty-can-link.ts";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Instant, ms, us } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { CanLog, canFrame } from "../../conformance/can-link/can-link-suite.ts";

function faulty(rules: readonly CanFaultRule[], seed: number | string = 1) {
  const world = new World();
  const bus = world.add("bus", new VirtualCanBus({ name: "can1", bitRate: 500_000 }, world.timeline, world.trace));
  const config = { name: "can1", node: "ecu", rules };
  const link = world.add("faults", new FaultyCanLink(bus.join("ecu"), config, world.timeline, world.trace, seed));
  const peer = bus.join("tester");
  const [near, far] = [new CanLog(link), new CanLog(peer)];
  const end = (): void => world.timeline.runToIdle(ms(1000) as unknown as Instant);
  const faults = () => [...world.trace.events()].filter((event) => event.type === "can.fault");
  return { world, link, peer, near, far, end, faults };
}

const ids = (frames: readonly { readonly id: number }[]): number[] => frames.map(({ id }) => id);

describe("FaultyCanLink drop", () => {
  it("loses a received frame and says so in the trace", () => {
    const { peer, near, end, faults } = faulty([{ fault: "drop", direction: "receive" }]);
    for (const id of [1, 2]) peer.transmit(canFrame(id, id));
    end();
    expect(ids(near.frames("received"))).toEqual([2]);
    expect(faults()).toMatchObject([{ source: "can1", node: "ecu", fault: "drop", id: 1, data: Uint8Array.of(1) }]);
  });

  it("loses a transmitted frame, which its sender believes to be sent", () => {
    const { link, near, far, end } = faulty([{ fault: "drop", direction: "transmit" }]);
    const frames = [canFrame(1), canFrame(2)];
    for (const frame of frames) link.transmit(frame);
    end();
    expect(near.frames("transmitted")).toEqual(frames);
    expect(near.frames("transmitted")[0]).toBe(frames[0]);
    expect(far.frames("received")).toEqual([frames[1]]);
    expect(near.told[0]?.at).toBe(us(200));
  });

  it("confirms in order when the lost frame is not the first", () => {
    const { link, near, end } = faulty([{ fault: "drop", direction: "transmit", occurrence: 2 }]);
    for (const id of [3, 2, 1]) link.transmit(canFrame(id, 0, 0, 0, 0, 0, 0, 0, 0));
    end();
    expect(ids(near.frames("transmitted"))).toEqual([3, 2, 1]);
  });
});

describe("FaultyCanLink rules", () => {
  it("count the matching frames only, from the occurrence asked for, as many as asked for", () => {
    const rule: CanFaultRule = { fault: "drop", direction: "receive", nPdu: "CF", occurrence: 2, count: 2 };
    const { peer, near, end } = faulty([rule]);
    const frames = [0x10, 0x21, 0x30, 0x22, 0x23, 0x24].map((pci) => canFrame(1, pci, 8, 0, 0, 0, 0, 0, 0));
    for (const frame of frames) peer.transmit(frame);
    end();
    expect(near.frames("received").map(({ data }) => data[0])).toEqual([0x10, 0x21, 0x30, 0x24]);
  });

  it("match an identifier together with its kind", () => {
    const rule: CanFaultRule = { fault: "drop", direction: "receive", id: 0x100, extended: true, count: "all" };
    const { peer, near, end } = faulty([rule]);
    peer.transmit(canFrame(0x100));
    peer.transmit({ ...canFrame(0x100), flags: 1 });
    peer.transmit({ ...canFrame(0x100), flags: 1 });
    end();
    expect(near.frames("received")).toHaveLength(1);
  });

  it("can be armed while the run goes, and count from then on", () => {
    const { link, peer, near, end } = faulty([]);
    peer.transmit(canFrame(1));
    end();
    link.arm({ fault: "drop", direction: "receive", occurrence: 1 });
    for (const id of [2, 3]) peer.transmit(canFrame(id));
    end();
    expect(ids(near.frames("received"))).toEqual([1, 3]);
  });

  it("are gone after disarm", () => {
    const { link, peer, near, end } = faulty([{ fault: "drop", direction: "receive", count: "all" }]);
    link.disarm();
    peer.transmit(canFrame(1));
    end();
    expect(near.frames("received")).toHaveLength(1);
  });

  it("draw by seed: the same frames suffer in every run", () => {
    const run = (seed: number): number[] => {
      const rule: CanFaultRule = { fault: "drop", direction: "receive", count: "all", probability: 0.5 };
      const { peer, near, end } = faulty([rule], seed);
      for (let id = 0; id < 40; id++) peer.transmit(canFrame(id));
      end();
      return ids(near.frames("received"));
    };
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
    expect(run(5).length).toBeGreaterThan(8);
    expect(run(5).length).toBeLessThan(32);
  });

  it.each([
    { fault: "delay", direction: "receive" },
    { fault: "drop", direction: "receive", occurrence: 0 },
    { fault: "drop", direction: "receive", count: 0 },
    { fault: "drop", direction: "receive", probability: 2 },
    { fault: "corrupt", direction: "receive", mask: 0 },
  ] as const)("that could never work are refused: %j", (rule) => {
    expect(() => faulty([rule])).toThrow(UsageError);
  });
});

describe("FaultyCanLink delay, duplicate, corrupt", () => {
  it("holds a received frame, and what comes behind it", () => {
    const { peer, near, end } = faulty([{ fault: "delay", direction: "receive", delay: ms(3) }]);
    for (const id of [1, 2]) peer.transmit(canFrame(id));
    end();
    const [first, second] = near.told;
    expect(ids(near.frames("received"))).toEqual([1, 2]);
    expect(first?.at).toBeGreaterThan(ms(3));
    expect(second?.at).toBe(first?.at);
  });

  it("holds a transmitted frame, and confirms it when it is on the bus", () => {
    const { link, near, far, end } = faulty([{ fault: "delay", direction: "transmit", delay: ms(3) }]);
    for (const id of [1, 2]) link.transmit(canFrame(id));
    end();
    expect(ids(far.frames("received"))).toEqual([1, 2]);
    expect(near.told.every(({ at }) => at > ms(3))).toBe(true);
  });

  it("sends a frame twice and confirms it once; hands a received one over twice", () => {
    const { link, peer, near, far, end } = faulty([
      { fault: "duplicate", direction: "transmit" },
      { fault: "duplicate", direction: "receive" },
    ]);
    link.transmit(canFrame(1));
    peer.transmit(canFrame(2));
    end();
    expect(ids(far.frames("received"))).toEqual([1, 1]);
    expect(ids(near.frames("transmitted"))).toEqual([1]);
    expect(ids(near.frames("received"))).toEqual([2, 2]);
  });

  it("changes the byte and the bits it was told, and not the frame it was given", () => {
    const { link, near, far, end } = faulty([{ fault: "corrupt", direction: "transmit", byte: 1, mask: 0x81 }]);
    const frame = canFrame(1, 0, 0, 0);
    link.transmit(frame);
    end();
    expect(far.frames("received")[0]?.data).toEqual(Uint8Array.of(0, 0x81, 0));
    expect(frame.data).toEqual(new Uint8Array(3));
    expect(near.frames("transmitted")[0]).toBe(frame);
  });

  it("changes one bit at random when it was not told which", () => {
    const { peer, near, end } = faulty([{ fault: "corrupt", direction: "receive" }]);
    peer.transmit(canFrame(1, 0, 0, 0, 0));
    end();
    const bits = [...(near.frames("received")[0]?.data ?? [])].reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll("0", "").length,
      0,
    );
    expect(bits).toBe(1);
  });
});

describe("FaultyCanLink state", () => {
  it("aborts the frames that it holds", () => {
    const { link, near, end } = faulty([{ fault: "delay", direction: "transmit", delay: ms(3) }]);
    for (const id of [1, 2]) link.transmit(canFrame(id));
    link.abortAll();
    end();
    expect(ids(near.frames("aborted"))).toEqual([1, 2]);
    expect(near.told).toHaveLength(2);
  });

  it("forgets what it holds when the node loses power", () => {
    const { link, peer, near, end } = faulty([
      { fault: "delay", direction: "receive", delay: ms(3) },
      { fault: "delay", direction: "transmit", delay: ms(3) },
    ]);
    peer.transmit(canFrame(1));
    end();
    near.told.length = 0;
    link.transmit(canFrame(2));
    link.setActive(false);
    end();
    expect(near.told).toEqual([]);
  });

  it("can be forked while frames are held and rules are half spent", () => {
    const rules: CanFaultRule[] = [
      { fault: "delay", direction: "receive", delay: ms(3), occurrence: 3 },
      { fault: "drop", direction: "receive", count: "all", probability: 0.5 },
      { fault: "duplicate", direction: "transmit", occurrence: 2, count: 3 },
    ];
    const one = faulty(rules);
    for (let id = 0; id < 12; id++) {
      one.peer.transmit(canFrame(id));
      one.link.transmit(canFrame(100 + id));
    }
    one.world.timeline.runUntil(us(1500) as unknown as Instant);
    const snapshot = one.world.snapshot();
    const other = faulty(rules, "another seed");
    other.world.restore(snapshot);
    const before = one.near.told.length;
    one.end();
    other.end();
    expect(other.world.trace.bytes()).toEqual(one.world.trace.bytes());
    expect(other.near.told).toEqual(one.near.told.slice(before));
  });
});
