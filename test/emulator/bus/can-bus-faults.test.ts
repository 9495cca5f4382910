import { describe, expect, it } from "vitest";
import type { CanBusFault } from "../../../emulator/bus/can-bus-fault.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, us } from "../../../emulator/kernel/time.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { canFrame } from "../../conformance/can-link/can-link-suite.ts";
import { randomCanFrame } from "../wire/random-can-frame.ts";
import { BIT, ErrorBench } from "./error-bench.ts";

/** A bit behind the end of every frame: nothing is disturbed, but everything goes bit by bit. */
const BEHIND_ALL: CanBusFault = { fault: "corruptBit", bit: 799, count: "all" };
const BABBLE: CanBusFault = { fault: "babble", node: "C", frame: canFrame(0x000, 0xba) };

/** Nodes of one bus with some frames each, given at random instants. */
function randomTraffic(bench: ErrorBench, seed: string, fd: boolean): void {
  const prng = new Prng(seed);
  for (let count = 0; count < 60; count++) {
    const frame = randomCanFrame(prng);
    if (!fd && (frame.flags & CanFlag.Fd) !== 0) continue;
    bench.ports[prng.below(bench.ports.length)]?.transmit(frame);
    if (prng.below(3) === 0) bench.after(us(prng.below(400)));
  }
  bench.toIdle();
}

describe("a frame bit by bit", () => {
  it.each([
    ["classic CAN", undefined],
    ["CAN FD", 2_000_000],
  ])("takes the same time and has the same winner as in one step, on %s", (_, dataBitRate) => {
    for (let seed = 0; seed < 12; seed++) {
      const rates = dataBitRate === undefined ? {} : { dataBitRate };
      const [quick, long] = [new ErrorBench(4, rates), new ErrorBench(4, rates)];
      long.bus.arm(BEHIND_ALL);
      for (const bench of [quick, long]) randomTraffic(bench, `traffic ${seed}`, dataBitRate !== undefined);
      expect(long.events("can.frame"), `seed ${seed}`).toEqual(quick.events("can.frame"));
      expect(long.logs.map(({ told }) => told)).toEqual(quick.logs.map(({ told }) => told));
      expect(long.errors()).toEqual(quick.errors());
    }
  });

  it("can be forked at any bit, and both halves end alike", () => {
    const make = (): ErrorBench => new ErrorBench(3, {}, { transmitOrder: "priority" });
    const start = (bench: ErrorBench): void => {
      bench.bus.arm({ fault: "corruptBit", bit: 40, seenBy: "B", occurrence: 2, count: 3 });
      for (let index = 0; index < 9; index++) bench.ports[index % 3]?.transmit(canFrame(0x100 + index, index, 0xff));
    };
    const whole = make();
    start(whole);
    whole.toIdle();
    for (const at of [100, 170, 222, 260, 284, 290, 300, 310, 350, 401]) {
      const [one, other] = [make(), make()];
      start(one);
      one.after(us(at));
      other.world.restore(one.world.snapshot());
      for (const half of [one, other]) half.toIdle();
      expect(other.world.trace.bytes(), `forked at ${at} us`).toEqual(one.world.trace.bytes());
      expect(one.world.trace.bytes()).toEqual(whole.world.trace.bytes());
    }
    expect(whole.errors().length).toBeGreaterThan(3);
  });
});

describe("faults of the bus", () => {
  it("a babbling node keeps everybody else from sending until it is silenced", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm(BABBLE);
    bench.port("A").transmit(canFrame(0x123));
    bench.after(ms(10));
    const frames = bench.events("can.frame");
    expect(frames.every(({ node, id }) => node === "C" && id === 0)).toBe(true);
    expect(frames.length).toBeGreaterThan(75); // back to back, some 60 bits each
    bench.bus.disarm("babble");
    bench.toIdle();
    expect(bench.log("B").frames("received").at(-1)).toEqual(canFrame(0x123));
    expect(bench.log("C").frames("transmitted")).toEqual([]);
  });

  it("a babbling node with a high identifier only takes what others leave", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm({ ...BABBLE, frame: canFrame(0x7ff) });
    bench.after(ms(1));
    bench.port("A").transmit(canFrame(0x123));
    bench.after(ms(1));
    expect(bench.log("A").frames("transmitted")).toHaveLength(1);
  });

  it("a babbling node falls silent with its power", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm(BABBLE);
    bench.after(ms(1));
    bench.port("C").setActive(false);
    bench.toIdle();
    bench.port("C").setActive(true);
    bench.after(ms(1));
    expect(bench.events("can.frame").at(-1)?.node).toBe("C");
  });

  it("a node behind an open wire is alone: it gets ACK errors, the others go on without it", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm({ fault: "openWire", node: "C" });
    bench.port("C").transmit(canFrame(0x001));
    bench.port("A").transmit(canFrame(0x123));
    bench.after(ms(50));
    expect(bench.log("B").frames("received")).toEqual([canFrame(0x123)]);
    expect(bench.log("C").told).toEqual([]);
    expect(bench.counters("C")).toBe("128/0 passive");
    bench.bus.disarm("openWire", "C");
    bench.toIdle();
    expect(bench.log("C").frames("transmitted")).toEqual([canFrame(0x001)]);
    expect(bench.log("B").frames("received")).toEqual([canFrame(0x123), canFrame(0x001)]);
  });

  it("a wire that opens in the middle of a frame breaks it off for the others, and it is sent when it is whole", () => {
    const bench = new ErrorBench(3);
    const frame = canFrame(0x123, 1, 2, 3, 4);
    bench.port("A").transmit(frame);
    bench.after(us(90));
    bench.bus.arm({ fault: "openWire", node: "A" });
    bench.after(ms(5));
    expect(bench.errors().filter((each) => each.startsWith("B"))).toHaveLength(1);
    expect(bench.log("B").told).toEqual([]);
    bench.bus.disarm("openWire");
    bench.toIdle();
    expect(bench.log("B").frames("received")).toEqual([frame]);
  });

  it("a short between the wires takes every sender off the bus; receivers see nothing", () => {
    const bench = new ErrorBench(3, {}, { busOffRecovery: "onRequest" });
    bench.bus.arm({ fault: "short", level: "recessive" });
    bench.port("A").transmit(canFrame(0x123));
    bench.toIdle();
    expect(bench.counters("A")).toBe("256/0 busOff");
    expect(bench.counters("B")).toBe("0/0 active");
    expect(bench.log("A").frames("aborted")).toHaveLength(1);
  });

  it("a short in the middle of a frame is a bit error there", () => {
    const bench = new ErrorBench(2);
    bench.port("A").transmit(canFrame(0x123, 0, 0, 0, 0));
    bench.after(us(60));
    bench.bus.arm({ fault: "short", level: "dominant" });
    bench.after(us(40));
    bench.bus.disarm("short");
    bench.toIdle();
    expect(bench.errors()[0]).toBe("A bit 34 8/0"); // the first recessive bit from bit 30 on
    expect(bench.log("B").frames("received")).toHaveLength(1);
  });

  it("a short to the supply costs 8 for every 8 dominant bits, takes a sender off the bus, and ends with its cause", () => {
    const bench = new ErrorBench(3);
    bench.port("A").transmit(canFrame(0x123, 0x55, 0x55));
    bench.after(us(50));
    bench.bus.arm({ fault: "short", level: "dominant" });
    bench.after(ms(5));
    expect(bench.port("A").errorState).toBe("busOff");
    expect(bench.counters("B")).toBe("0/255 passive");
    bench.port("B").transmit(canFrame(0x200));
    bench.after(ms(5));
    expect(bench.log("B").told).toEqual([]);
    bench.bus.disarm("short");
    bench.toIdle();
    expect(bench.log("C").frames("received")).toEqual([canFrame(0x200)]);
    expect(bench.counters("A")).toBe("0/0 active"); // 128 times 11 recessive bits have been seen
  });

  it.each([125_000, 250_000, 400_000, 1_000_000])(
    "a receiver at %i bit/s finds errors and takes nothing in, until its rate is right again",
    (bitRate) => {
      const bench = new ErrorBench(3);
      bench.bus.arm({ fault: "wrongBitRate", node: "C", bitRate });
      const frame = canFrame(0x123, 0, 1, 2, 3, 4, 5, 6, 7);
      bench.port("A").transmit(frame);
      bench.after(ms(50));
      expect(bench.events("can.error").filter(({ node }) => node === "C").length).toBeGreaterThan(0);
      expect(bench.log("C").frames("received")).toEqual([]);
      // A fast one is passive before the sender is off the bus; a slow one is not, for nobody answers its long flags.
      expect([...bench.log("B").frames("received"), ...bench.log("A").frames("aborted")]).toEqual([frame]);
      bench.bus.disarm("wrongBitRate");
      bench.after(ms(5));
      bench.port("A").transmit(frame);
      bench.toIdle();
      expect(bench.log("C").frames("received")).toEqual([frame]);
    },
  );

  it("a sender at a wrong bit rate never gets its frame through; the others send in its pauses, passive or not", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm({ fault: "wrongBitRate", node: "C", bitRate: 250_000 });
    bench.port("C").transmit(canFrame(0x001, 1, 2, 3));
    bench.after(ms(20));
    bench.port("A").transmit(canFrame(0x123));
    bench.after(ms(20));
    expect(bench.port("C").errorState).not.toBe("active");
    expect(bench.log("B").frames("received")).toEqual([canFrame(0x123)]);
    expect(bench.log("C").frames("transmitted")).toEqual([]);
    bench.bus.disarm("wrongBitRate");
    bench.after(ms(20));
    expect(bench.log("C").frames("transmitted").length + bench.log("C").frames("aborted").length).toBe(1);
    bench.toIdle();
  });

  it("corrupts bit k of the nth frame with an identifier, for one receiver or for all", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm({ fault: "corruptBit", bit: 25, id: 0x200, occurrence: 2 });
    for (const id of [0x200, 0x300, 0x200]) bench.port("A").transmit(canFrame(id, 0x55));
    bench.toIdle();
    const faults = bench.events("can.fault");
    expect(faults.map(({ fault, id }) => `${fault} ${id}`)).toEqual([`corruptBit ${0x200}`]);
    expect(bench.events("can.error").filter(({ node }) => node === "A")).toHaveLength(1);
    expect(bench.log("B").frames("received")).toHaveLength(3);
  });

  it.each<[string, CanBusFault]>([
    ["a node that is not there", { fault: "openWire", node: "Z" }],
    ["a bit rate of 0", { fault: "wrongBitRate", node: "A", bitRate: 0 }],
    ["a bit that no frame has", { fault: "corruptBit", bit: 800 }],
    ["occurrence 0", { fault: "corruptBit", bit: 1, occurrence: 0 }],
    ["count 0", { fault: "corruptBit", bit: 1, count: 0 }],
    ["a frame that can't be", { fault: "babble", node: "A", frame: { id: -1, flags: 0, data: new Uint8Array(0) } }],
    [
      "CAN FD on a classic bus",
      { fault: "babble", node: "A", frame: { id: 1, flags: CanFlag.Fd, data: new Uint8Array(0) } },
    ],
  ])("refuses %s", (_, fault) => {
    expect(() => new ErrorBench(2).bus.arm(fault)).toThrow(UsageError);
  });

  it("are kept in a snapshot", () => {
    const make = (): ErrorBench => new ErrorBench(4, {}, { busOffRecovery: "automatic" });
    const one = make();
    one.bus.arm(BABBLE);
    one.bus.arm({ fault: "openWire", node: "D" });
    one.bus.arm({ fault: "wrongBitRate", node: "B", bitRate: 250_000 });
    one.bus.arm({ fault: "corruptBit", bit: 30, occurrence: 5, count: 40 });
    one.port("D").transmit(canFrame(0x010));
    one.after(us(1234));
    const other = make();
    other.world.restore(one.world.snapshot());
    for (const half of [one, other]) {
      half.after(ms(8));
      half.bus.disarm("openWire", "D");
      half.bus.disarm("babble");
      half.after(ms(20));
    }
    expect(other.world.trace.bytes()).toEqual(one.world.trace.bytes());
    expect(other.bus.save()).toEqual(one.bus.save());
  });
});

describe("the queue of a node", () => {
  const frames = [0x300, 0x100, 0x200, 0x100].map((id, index) => canFrame(id, index));
  const order = (bench: ErrorBench): number[] => bench.events("can.frame").map(({ data }) => data[0] as number);

  it("with one transmit buffer is sent in the order given", () => {
    const bench = new ErrorBench(2);
    for (const frame of frames) bench.port("A").transmit(frame);
    bench.toIdle();
    expect(order(bench)).toEqual([0, 1, 2, 3]);
  });

  it("by priority is sent lowest identifier first, equal ones in the order given, the one on the wire undisturbed", () => {
    const bench = new ErrorBench(2, { node: { transmitOrder: "priority" } });
    bench.port("A").transmit(frames[0] as CanFrame);
    bench.after(us(20));
    for (const frame of frames.slice(1)) bench.port("A").transmit(frame);
    bench.toIdle();
    expect(order(bench)).toEqual([0, 1, 3, 2]);
    expect(bench.log("A").frames("transmitted")[0]).toBe(frames[0]);
  });

  it("by priority keeps the frame on the wire when the others are aborted", () => {
    const bench = new ErrorBench(2, {}, { transmitOrder: "priority" });
    bench.port("A").transmit(frames[0] as CanFrame);
    bench.after(us(20));
    for (const frame of frames.slice(1)) bench.port("A").transmit(frame);
    bench.port("A").abortAll();
    bench.toIdle();
    expect(order(bench)).toEqual([0]);
    expect(bench.log("A").frames("aborted")).toHaveLength(3);
  });

  it("is bounded, and so is what a node alone on the bus leaves in the trace", () => {
    const bench = new ErrorBench(1);
    const flood = (): void => {
      for (let count = 0; count < 100_000; count++) bench.port("A").transmit(canFrame(count & 0x7ff));
    };
    expect(flood).toThrow(UsageError);
    bench.after(ms(100));
    const { length } = bench.world.trace;
    bench.after(ms(5000));
    expect(bench.world.trace.length).toBe(length);
    expect(length).toBeLessThan(1000);
    expect(bench.bus.save().nodes[0]?.waiting.length).toBe(1024);
  });

  it("stays bounded while all nodes are off the bus: what they are given is aborted at once", () => {
    const bench = new ErrorBench(2, {}, { busOffRecovery: "onRequest" });
    bench.bus.arm({ fault: "short", level: "recessive" });
    bench.port("A").transmit(canFrame(1));
    bench.toIdle();
    for (let count = 0; count < 10_000; count++) bench.port("A").transmit(canFrame(2));
    expect(bench.log("A").frames("aborted")).toHaveLength(10_001);
    expect(bench.bus.save().nodes[0]?.waiting).toEqual([]);
    bench.world.timeline.runToIdle((bench.now + 10 * BIT) as Instant);
  });
});
