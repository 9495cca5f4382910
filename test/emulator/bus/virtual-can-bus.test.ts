import { describe, expect, it } from "vitest";
import type { CanPort } from "../../../emulator/bus/can-node.ts";
import { VirtualCanBus, type VirtualCanBusConfig } from "../../../emulator/bus/virtual-can-bus.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, us } from "../../../emulator/kernel/time.ts";
import type { TraceEventOf } from "../../../emulator/kernel/trace.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { canFrameBits } from "../../../emulator/wire/can-bits.ts";
import { arbitrationField, CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { CanLog, canFrame } from "../../conformance/can-link/can-link-suite.ts";

const BIT = 2000; // ns at 500 kbit/s

function busOf(nodes: number, config: Partial<VirtualCanBusConfig> = {}) {
  const world = new World();
  const bus = world.add(
    "bus",
    new VirtualCanBus({ name: "can1", bitRate: 500_000, ...config }, world.timeline, world.trace),
  );
  const ports = Array.from({ length: nodes }, (_, index) => bus.join(`node${index}`));
  const logs = ports.map((port) => new CanLog(port));
  const trace = (): TraceEventOf<"can.frame">[] =>
    [...world.trace.events()].filter((event) => event.type === "can.frame");
  return { world, timeline: world.timeline, ports, logs, trace };
}

const port = (ports: readonly CanPort[], index: number): CanPort => ports[index] as CanPort;

describe("VirtualCanBus timing", () => {
  it("confirms and delivers at the end of EOF, to the nanosecond, and traces that instant and the duration", () => {
    const { timeline, ports, logs, trace } = busOf(2);
    const frame = canFrame(0x7e0, 2, 0x10, 3);
    port(ports, 0).transmit(frame);
    timeline.runToIdle(ms(5) as unknown as Instant);
    const length = canFrameBits(frame).nominal * BIT;
    expect(logs[0]?.told).toEqual([{ what: "transmitted", frame, at: length }]);
    expect(logs[1]?.told).toEqual([{ what: "received", frame, at: length }]);
    expect(trace()).toEqual([
      { ...frame, type: "can.frame", at: length, source: "can1", node: "node0", duration: length },
    ]);
  });

  it("leaves three bit times between EOF and the next SOF", () => {
    const { timeline, ports, trace } = busOf(2);
    const frames = [canFrame(1, 1), canFrame(2, 2)];
    for (const frame of frames) port(ports, 0).transmit(frame);
    timeline.runToIdle(ms(5) as unknown as Instant);
    const [first, second] = trace();
    expect((second?.at ?? 0) - (second?.duration ?? 0) - (first?.at ?? 0)).toBe(3 * BIT);
  });

  it("times the data phase of a CAN FD frame at its own rate", () => {
    const { timeline, ports, trace } = busOf(2, { dataBitRate: 5_000_000 });
    const frame = { id: 0x18da15f1, flags: 0b111, data: new Prng(5).bytes(64) };
    port(ports, 0).transmit(frame);
    timeline.runToIdle(ms(5) as unknown as Instant);
    const { nominal, data } = canFrameBits(frame);
    expect(data).toBeGreaterThan(500);
    expect(trace()[0]?.duration).toBe(nominal * 2000 + data * 200);
  });

  it("does not let rates that are no whole nanoseconds drift", () => {
    const { timeline, ports, trace } = busOf(2, { bitRate: 333_333 });
    const frame = canFrame(0x55, 0x55);
    const bits = canFrameBits(frame).nominal + 3;
    for (let index = 0; index < 1000; index++) port(ports, 0).transmit(frame);
    timeline.runToIdle(ms(1000) as unknown as Instant);
    expect(Math.abs((trace().at(-1)?.at ?? 0) - ((1000 * bits - 3) * 1e9) / 333_333)).toBeLessThan(2);
  });

  it("refuses bit rates that are not positive, and CAN FD on a classic bus", () => {
    const world = new World();
    expect(() => new VirtualCanBus({ name: "x", bitRate: 0 }, world.timeline, world.trace)).toThrow(UsageError);
    const { ports } = busOf(2);
    expect(() => port(ports, 0).transmit({ id: 1, flags: CanFlag.Fd, data: new Uint8Array(0) })).toThrow(UsageError);
  });

  it("limits how many frames wait", () => {
    const { ports } = busOf(2);
    const flood = (): void => {
      for (let index = 0; index < 2000; index++) port(ports, 0).transmit(canFrame(1));
    };
    expect(flood).toThrow(UsageError);
  });
});

describe("VirtualCanBus arbitration", () => {
  const ext = (id: number): CanFrame => ({ id, flags: CanFlag.Extended, data: new Uint8Array(0) });
  const remote = (frame: CanFrame): CanFrame => ({ ...frame, flags: frame.flags | CanFlag.Remote });

  it("orders frames by base identifier, RTR or SRR, IDE, extension, RTR", () => {
    const inOrder = [
      canFrame(0x122),
      canFrame(0x123),
      remote(canFrame(0x123)),
      ext(0x123 * 2 ** 18),
      remote(ext(0x123 * 2 ** 18)),
      ext(0x123 * 2 ** 18 + 1),
      ext(0x123 * 2 ** 18 + 0x3ffff),
      canFrame(0x124),
    ];
    const fields = inOrder.map(arbitrationField);
    expect(fields.toSorted((a, b) => a - b)).toEqual(fields);
    expect(new Set(fields).size).toBe(inOrder.length);
  });

  it("lets the lowest identifier win among all that wait when the bus falls idle; the losers try again", () => {
    const { timeline, ports, trace } = busOf(5);
    port(ports, 0).transmit(canFrame(0x700));
    timeline.runUntil(us(10) as unknown as Instant);
    for (const [index, id] of [0x400, 0x100, 0x300, 0x200].entries()) port(ports, index + 1).transmit(canFrame(id));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x700, 0x100, 0x200, 0x300, 0x400]);
  });

  it("lets all nodes that ask at the same instant on an idle bus take part", () => {
    const { timeline, ports, trace } = busOf(3);
    timeline.runUntil(ms(1) as unknown as Instant);
    for (const [index, id] of [0x300, 0x100, 0x200].entries()) port(ports, index).transmit(canFrame(id));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x100, 0x200, 0x300]);
  });

  it("does not let a lower identifier break into a frame one nanosecond after its SOF", () => {
    const { timeline, ports, trace } = busOf(3);
    port(ports, 0).transmit(canFrame(0x300));
    timeline.runUntil(1 as Instant);
    port(ports, 1).transmit(canFrame(0x100));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x300, 0x100]);
  });

  it("lets a frame that comes during the intermission take part at its end", () => {
    const { timeline, ports, trace } = busOf(3);
    const first = canFrame(0x10);
    port(ports, 0).transmit(first);
    port(ports, 0).transmit(canFrame(0x300));
    timeline.runUntil(((canFrameBits(first).nominal + 3) * BIT) as Instant);
    port(ports, 1).transmit(canFrame(0x100));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x10, 0x100, 0x300]);
  });
});

describe("VirtualCanBus acknowledgement and power", () => {
  it("retries a frame that nobody acknowledges after an error frame, without end and without spinning", () => {
    const { timeline, ports, logs } = busOf(2);
    port(ports, 1).setActive(false);
    const frame = canFrame(0x123, 1);
    port(ports, 0).transmit(frame);
    timeline.runUntil(ms(100) as unknown as Instant);
    expect(logs[0]?.told).toEqual([]);
    port(ports, 1).setActive(true);
    timeline.runToIdle(ms(200) as unknown as Instant);
    expect(logs[0]?.frames("transmitted")).toEqual([frame]);
    expect(logs[1]?.frames("received")).toEqual([frame]);
    // Each try is as long as the frame, with 6 + 8 bits of error frame in the place of ACK delimiter and EOF, and 3 bits;
    // after 16 of them the node is error passive, and waits for 8 bits more.
    const length = canFrameBits(frame).nominal;
    const at = (logs[0]?.told[0]?.at ?? 0) / BIT - length;
    expect((at - 15 * (length + 9)) % (length + 9 + 8)).toBe(0);
  });

  it("aborts a frame that is being retried once its try is over", () => {
    const { timeline, ports, logs } = busOf(1);
    port(ports, 0).transmit(canFrame(1));
    timeline.runUntil(ms(1) as unknown as Instant);
    port(ports, 0).abortAll();
    timeline.runToIdle(ms(2) as unknown as Instant);
    expect(logs[0]?.told.map(({ what }) => what)).toEqual(["aborted"]);
  });

  it("needs no listener for an acknowledgement: the other node's controller gives it", () => {
    const world = new World();
    const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, world.timeline, world.trace);
    const log = new CanLog(bus.join("a"));
    const [sender] = [bus.join("b")];
    bus.join("c");
    const sent = new CanLog(sender as CanPort);
    (sender as CanPort).transmit(canFrame(1));
    world.timeline.runToIdle(ms(1) as unknown as Instant);
    expect([log.told.length, sent.told.length]).toEqual([1, 1]);
  });

  it("never completes a frame whose sender loses power, and is free again after the error frame", () => {
    const { timeline, ports, logs, trace } = busOf(3);
    port(ports, 0).transmit(canFrame(0x100, 1, 2, 3, 4, 5, 6, 7, 8));
    port(ports, 0).transmit(canFrame(0x101));
    timeline.runUntil(us(100) as unknown as Instant);
    port(ports, 0).setActive(false);
    port(ports, 1).transmit(canFrame(0x200));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x200]);
    expect((trace()[0]?.at ?? 0) - (trace()[0]?.duration ?? 0)).toBe(us(100) + (6 + 6 + 8 + 3) * BIT);
    expect(logs[0]?.told).toEqual([]);
  });

  it("gives the other frame its turn when the winner loses power in the intermission", () => {
    const { timeline, ports, trace } = busOf(3);
    const first = canFrame(0x10);
    port(ports, 2).transmit(first);
    port(ports, 0).transmit(canFrame(0x100));
    port(ports, 1).transmit(canFrame(0x200));
    timeline.runUntil((canFrameBits(first).nominal * BIT + 1) as Instant);
    port(ports, 0).setActive(false);
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(trace().map(({ id }) => id)).toEqual([0x10, 0x200]);
  });

  it("does not hand a node the frame in the middle of which its power came back", () => {
    const { timeline, ports, logs } = busOf(3);
    port(ports, 2).setActive(false);
    port(ports, 0).transmit(canFrame(1));
    port(ports, 0).transmit(canFrame(2));
    timeline.runUntil(us(20) as unknown as Instant);
    port(ports, 2).setActive(true);
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(logs[1]?.frames("received").map(({ id }) => id)).toEqual([1, 2]);
    expect(logs[2]?.frames("received").map(({ id }) => id)).toEqual([2]);
  });

  it("stops delivering to a node that another node's reaction has switched off", () => {
    const { timeline, ports, logs } = busOf(3);
    port(ports, 1).attach({
      received: () => port(ports, 2).setActive(false),
      transmitted: () => undefined,
      aborted: () => undefined,
    });
    port(ports, 0).transmit(canFrame(1));
    timeline.runToIdle(ms(5) as unknown as Instant);
    expect(logs[2]?.told).toEqual([]);
  });
});

describe("VirtualCanBus state", () => {
  it("can be forked in the middle of a frame, and both halves end alike", () => {
    const make = () => {
      const made = busOf(3);
      return { ...made, end: () => made.timeline.runToIdle(ms(50) as unknown as Instant) };
    };
    const one = make();
    for (let index = 0; index < 30; index++) port(one.ports, index % 3).transmit(canFrame(0x100 + 7 * index, index));
    one.timeline.runUntil(us(1234) as unknown as Instant);
    const snapshot = one.world.snapshot();
    const other = make();
    other.world.restore(snapshot);
    one.end();
    other.end();
    expect(other.world.trace.bytes()).toEqual(one.world.trace.bytes());
    expect(other.logs[0]?.frames("transmitted").length).toBeGreaterThan(5);
  });
});
