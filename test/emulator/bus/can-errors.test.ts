import { describe, expect, it } from "vitest";
import { type Instant, ms, ns, s } from "../../../emulator/kernel/time.ts";
import { CanBit, canBitStream } from "../../../emulator/wire/can-bit-stream.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { canFrame } from "../../conformance/can-link/can-link-suite.ts";
import { BIT, ErrorBench } from "./error-bench.ts";

const FRAME = canFrame(0x123, 0x11, 0x22, 0x33, 0x44);
const bitsOf = (frame: CanFrame): Uint8Array => canBitStream(frame);
/** Number of the bit that is so many places from the end of EOF. */
const fromEnd = (frame: CanFrame, places: number): number => bitsOf(frame).length - places;
const level = (frame: CanFrame, bit: number): number => (bitsOf(frame)[bit] as number) & CanBit.Value;
/** The first bit from `bit` on of that level that is no stuff bit. */
function bitFrom(frame: CanFrame, bit: number, wanted: number): number {
  const stream = bitsOf(frame);
  return stream.findIndex((mark, place) => place >= bit && (mark & (CanBit.Value | CanBit.Stuff)) === wanted);
}

describe("errors of one frame", () => {
  it("a bit error of the sender costs it 8, the receivers that see its flag 1 and 0 more, and the frame is repeated", () => {
    const bench = new ErrorBench(3);
    const bit = bitFrom(FRAME, 20, 0);
    bench.bus.arm({ fault: "corruptBit", bit, seenBy: "A" });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    const [first, ...others] = bench.errors();
    expect(first).toBe(`A bit ${bit} 8/0`);
    expect(others.map((each) => each.replace(/ \d+ /, " "))).toEqual(["B stuff 0/1", "C stuff 0/1"]);
    expect(bench.log("A").frames("transmitted")).toEqual([FRAME]);
    expect(bench.log("B").frames("received")).toEqual([FRAME]);
    expect([bench.counters("A"), bench.counters("B")]).toEqual(["7/0 active", "0/0 active"]);
  });

  it("a receiver that alone finds a CRC error flags it behind the ACK delimiter, and pays 1 and 8", () => {
    const bench = new ErrorBench(3);
    const frame = canFrame(0x123, 0x55, 0x55, 0x55, 0x55);
    bench.bus.arm({ fault: "corruptBit", bit: bitFrom(frame, 30, 1), seenBy: "C" });
    bench.port("A").transmit(frame);
    bench.toIdle();
    const ackDelimiter = fromEnd(frame, 8);
    expect(bench.errors()).toEqual([
      `C crc ${ackDelimiter} 0/1`,
      `A bit ${ackDelimiter + 1} 8/0`,
      `B form ${ackDelimiter + 1} 0/1`,
    ]);
    // Its flag was answered by the others', so that the bit behind it was dominant; one frame went well since.
    expect(bench.counters("C")).toBe("0/8 active");
    expect(bench.log("C").frames("received")).toEqual([frame]);
    expect(bench.log("B").frames("received")).toEqual([frame]);
  });

  it("a stuff error is found where the sixth equal bit stands", () => {
    const zeros = canFrame(0x000, 0, 0);
    const bench = new ErrorBench(3);
    const stuffBit = bitsOf(zeros).findIndex((mark) => (mark & CanBit.Stuff) !== 0);
    bench.bus.arm({ fault: "corruptBit", bit: stuffBit, seenBy: "B" });
    bench.port("A").transmit(zeros);
    bench.toIdle();
    expect(bench.errors()[0]).toBe(`B stuff ${stuffBit} 0/1`);
  });

  it.each([
    ["CRC delimiter", 10],
    ["ACK delimiter", 8],
    ["first bit of EOF", 7],
    ["last but one bit of EOF", 2],
  ])("a dominant %s is a form error", (_, places) => {
    const bench = new ErrorBench(3);
    const bit = fromEnd(FRAME, places);
    bench.bus.arm({ fault: "corruptBit", bit, seenBy: "B" });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.errors()[0]).toBe(`B form ${bit} 0/1`);
  });

  it("a sender whose last bit of EOF is disturbed sends again what the receivers have taken already", () => {
    const bench = new ErrorBench(2);
    bench.bus.arm({ fault: "corruptBit", bit: fromEnd(FRAME, 1), seenBy: "A" });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.errors()).toEqual([`A bit ${fromEnd(FRAME, 1)} 8/0`]);
    expect(bench.log("B").frames("received")).toEqual([FRAME, FRAME]);
    expect(bench.log("A").frames("transmitted")).toEqual([FRAME]);
  });

  it("a stuff bit of the arbitration field that is overwritten is a stuff error of the sender, without a price", () => {
    const ones = canFrame(0x7ff & ~0x400, 1);
    const stuffBit = bitsOf(canFrame(0)).findIndex((mark) => (mark & CanBit.Stuff) !== 0);
    const bench = new ErrorBench(2);
    bench.bus.arm({ fault: "corruptBit", bit: stuffBit, seenBy: "A" });
    bench.port("A").transmit(canFrame(0));
    bench.port("A").transmit(ones);
    bench.toIdle();
    expect(bench.errors()[0]).toBe(`A stuff ${stuffBit} 0/0`);
  });

  it("an error frame that all begin at once takes 6 and 8 bits, and the next try begins 3 bits later", () => {
    const bench = new ErrorBench(3);
    const bit = fromEnd(FRAME, 7); // recessive: everybody sees a dominant bit in EOF
    bench.bus.arm({ fault: "corruptBit", bit });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.errors().map((each) => each.slice(0, 6))).toEqual(["A bit ", "B form", "C form"]);
    const [sent] = bench.events("can.frame");
    expect(((sent?.at ?? 0) - (sent?.duration ?? 0)) / BIT).toBe(bit + 1 + 6 + 8 + 3);
  });

  it("an error frame that one node begins is lengthened by the answer of the others, up to 12 dominant bits", () => {
    const bench = new ErrorBench(3);
    const crcDelimiter = fromEnd(FRAME, 10);
    bench.bus.arm({ fault: "corruptBit", bit: crcDelimiter, seenBy: "B" });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    // B's flag begins in the ACK slot; the others see its second bit in the ACK delimiter, and answer behind it.
    const [sent] = bench.events("can.frame");
    expect(((sent?.at ?? 0) - (sent?.duration ?? 0)) / BIT).toBe(crcDelimiter + 1 + 2 + 6 + 8 + 3);
  });

  it("CAN FD: a recessive res bit, and a fixed stuff bit that repeats the bit before it, are form errors there", () => {
    const frame = { id: 0x555, flags: CanFlag.Fd, data: Uint8Array.of(0x5a, 0xa5) };
    const marks = [...bitsOf(frame)];
    const fixed = marks.flatMap((mark, place) => ((mark & CanBit.Stuff) === 0 || place < 39 ? [] : [place]));
    // SOF, identifier, RRS, IDE and FDF take 15 bits without a stuff bit among them; then comes res.
    expect(fixed).toHaveLength(6); // in front of stuff count and parity, and behind every fourth bit of them and CRC-17
    for (const bit of [15, ...fixed]) {
      const bench = new ErrorBench(3, { dataBitRate: 2_000_000 });
      bench.bus.arm({ fault: "corruptBit", bit, seenBy: "B" });
      bench.port("A").transmit(frame);
      bench.toIdle();
      expect(bench.errors()[0]).toBe(`B form ${bit} 0/1`);
      expect(bench.log("B").frames("received")).toEqual([frame]);
    }
  });

  it("the data phase of a CAN FD frame ends with the error, and error flags take nominal bits", () => {
    const bench = new ErrorBench(2, { dataBitRate: 2_000_000 });
    const frame = { id: 0x100, flags: CanFlag.Fd | CanFlag.BitRateSwitch, data: new Uint8Array(8).fill(0x5a) };
    const bit = bitFrom(frame, 60, 1);
    bench.bus.arm({ fault: "corruptBit", bit });
    bench.port("A").transmit(frame);
    bench.toIdle();
    expect(bench.errors()[0]).toBe(`A bit ${bit} 8/0`);
    const found = bench.events("can.error")[0]?.at ?? 0;
    const fast = bitsOf(frame).filter((mark, place) => place <= bit && (mark & CanBit.Fast) !== 0).length;
    expect(found).toBe((bit + 1 - fast) * BIT + fast * (BIT / 4));
    const [sent] = bench.events("can.frame");
    const gap = (sent?.at ?? 0) - (sent?.duration ?? 0) - found;
    expect(gap / BIT).toBeGreaterThanOrEqual(6 + 8 + 3);
    expect(gap / BIT).toBeLessThanOrEqual(12 + 8 + 3);
    expect(bench.log("B").frames("received")).toEqual([frame]);
  });
});

describe("fault confinement", () => {
  it("a node alone gets ACK errors, becomes error passive after 16 of them and never bus-off", () => {
    const bench = new ErrorBench(1);
    bench.port("A").transmit(FRAME);
    bench.after(s(2));
    expect(bench.counters("A")).toBe("128/0 passive");
    expect(bench.states()).toEqual(["A passive"]);
    expect(bench.errors()).toHaveLength(16); // the last one again and again, told once
    expect(bench.errors()[0]).toBe(`A ack ${fromEnd(FRAME, 9)} 8/0`);
    expect(bench.log("A").told).toEqual([]);
  });

  it("what a node alone does is the same bit by bit", () => {
    const closed = new ErrorBench(1);
    const long = new ErrorBench(1);
    long.bus.arm({ fault: "corruptBit", bit: 799, count: "all" });
    for (const bench of [closed, long]) {
      bench.port("A").transmit(FRAME);
      bench.after(ms(20));
    }
    expect(long.events("can.error")).toEqual(closed.events("can.error"));
    expect(long.events("can.state")).toEqual(closed.events("can.state"));
  });

  it("an error-passive node waits 8 bits more before it tries again, and others go first", () => {
    const bench = new ErrorBench(3);
    for (const name of ["B", "C"]) bench.port(name).setActive(false);
    bench.port("A").transmit(FRAME);
    bench.after(ms(20));
    for (const name of ["B", "C"]) bench.port(name).setActive(true);
    bench.port("B").transmit(canFrame(0x7ff));
    bench.toIdle();
    const [first, second] = bench.events("can.frame");
    expect([first?.node, second?.node]).toEqual(["B", "A"]);
    expect(((second?.at ?? 0) - (second?.duration ?? 0) - (first?.at ?? 0)) / BIT).toBe(3);
    expect(bench.counters("A")).toBe("127/0 active");
    expect(bench.states()).toEqual(["A passive", "A active"]);
  });

  it("two nodes that send one identifier with other data find bit errors until the passive one lets the other through", () => {
    const bench = new ErrorBench(3);
    bench.port("A").transmit(canFrame(0x100, 0xff));
    bench.port("B").transmit(canFrame(0x100, 0x00));
    bench.toIdle();
    const errors = bench.events("can.error");
    expect(errors[0]).toMatchObject({ node: "A", kind: "bit", tec: 8 });
    expect(bench.states().slice(0, 2).toSorted()).toEqual(["A passive", "B passive"]);
    expect(bench.events("can.frame").map(({ node }) => node)).toEqual(["B", "A"]);
    expect(
      bench
        .log("C")
        .frames("received")
        .map(({ data }) => data[0]),
    ).toEqual([0x00, 0xff]);
  });

  it("two nodes that send the very same frame at once both succeed with one frame on the wire", () => {
    const bench = new ErrorBench(3);
    bench.port("A").transmit(FRAME);
    bench.port("B").transmit({ ...FRAME });
    bench.toIdle();
    expect(bench.events("can.frame")).toHaveLength(1);
    expect([bench.log("A"), bench.log("B")].map((log) => log.frames("transmitted").length)).toEqual([1, 1]);
    expect(bench.log("C").frames("received")).toHaveLength(1);
  });

  it("32 failed tries in a row take a node off the bus; its frames are aborted", () => {
    const bench = new ErrorBench(2, {}, { busOffRecovery: "onRequest" });
    const bit = bitFrom(FRAME, 20, 0);
    bench.bus.arm({ fault: "corruptBit", bit, seenBy: "A", count: "all" });
    const second = canFrame(0x200);
    bench.port("A").transmit(FRAME);
    bench.port("A").transmit(second);
    bench.toIdle();
    expect(bench.states()).toEqual(["A passive", "A busOff"]);
    const tries = bench.events("can.error").filter(({ node, kind }) => node === "A" && kind === "bit");
    expect(tries.map(({ tec }) => tec)).toEqual(Array.from({ length: 32 }, (_, index) => 8 * (index + 1)));
    expect(bench.log("A").frames("aborted")).toEqual([FRAME, second]);
    bench.port("A").transmit(FRAME);
    expect(bench.log("A").frames("aborted")).toHaveLength(3);
    bench.port("B").transmit(canFrame(0x300));
    bench.after(ms(5));
    expect(bench.log("A").frames("received")).toEqual([]);
  });

  it("comes back after 128 times 11 recessive bits when it is told to, and not a nanosecond before", () => {
    const bench = new ErrorBench(2, {}, { busOffRecovery: "onRequest" });
    bench.bus.arm({ fault: "short", level: "recessive" });
    bench.port("A").transmit(FRAME);
    bench.after(ms(100));
    expect(bench.counters("A")).toBe("256/0 busOff");
    bench.bus.disarm("short");
    bench.port("A").recover();
    bench.after(ns(128 * 11 * BIT - 1));
    expect(bench.port("A").errorState).toBe("busOff");
    bench.after(ns(1));
    expect(bench.counters("A")).toBe("0/0 active");
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.log("B").frames("received")).toEqual([FRAME]);
  });

  it("counts one sequence for each frame of a busy bus on the way back", () => {
    const bench = new ErrorBench(3, {}, { busOffRecovery: "onRequest" });
    bench.bus.arm({ fault: "short", level: "recessive" });
    bench.port("A").transmit(FRAME);
    bench.after(ms(100));
    bench.bus.disarm("short");
    for (let count = 0; count < 200; count++) bench.port("B").transmit(canFrame(0x100 + count));
    bench.port("A").recover();
    bench.toIdle();
    const back = bench.events("can.state").find(({ to }) => to === "active");
    const before = bench.events("can.frame").filter(({ at }) => at <= (back?.at ?? 0));
    // The end of the first 128 frames with the 3 bits behind each; the 129th begins right there.
    expect(before).toHaveLength(128);
    expect((back?.at ?? 0) - (before.at(-1)?.at ?? 0)).toBe(3 * BIT);
    expect(bench.log("A").frames("received")).toHaveLength(72);
  });

  it("comes back by itself where that is configured, and tells its listener of each state", () => {
    const bench = new ErrorBench(2);
    const states: string[] = [];
    bench.port("A").attach({
      received: () => undefined,
      transmitted: () => states.push("transmitted"),
      aborted: () => states.push("aborted"),
      stateChanged: (state) => states.push(state),
    });
    bench.bus.arm({ fault: "corruptBit", bit: bitFrom(FRAME, 20, 0), seenBy: "A", count: 32 });
    bench.port("A").transmit(FRAME);
    bench.after(ms(20));
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(states).toEqual(["passive", "busOff", "aborted", "active", "transmitted"]);
  });

  it("REC of a passive receiver falls to 119 with the first frame that it takes well", () => {
    const bench = new ErrorBench(3);
    bench.bus.arm({ fault: "corruptBit", bit: bitFrom(FRAME, 20, 0), seenBy: "B", count: 15 });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.states()).toEqual(expect.arrayContaining(["B passive", "B active"]));
    expect(bench.counters("B")).toBe("0/119 active");
  });

  it("an error-passive receiver says so only by a flag that disturbs nobody, and does not get the frame", () => {
    const bench = new ErrorBench(3);
    const bit = bitFrom(FRAME, 20, 0);
    bench.bus.arm({ fault: "corruptBit", bit, seenBy: "B", count: 16 });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(bench.log("C").frames("received")).toEqual([FRAME]);
    expect(bench.log("B").frames("received")).toEqual([]);
    expect(bench.port("B").errorState).toBe("passive");
  });

  it("a CAN FD frame of an error-passive node carries ESI, and the sender gets its own object confirmed", () => {
    const bench = new ErrorBench(2, { dataBitRate: 2_000_000 });
    const frame = { id: 0x100, flags: CanFlag.Fd, data: new Uint8Array(8) };
    bench.port("B").setActive(false);
    bench.port("A").transmit(frame);
    bench.after(ms(20));
    bench.port("B").setActive(true);
    bench.toIdle();
    expect(bench.log("B").frames("received")[0]?.flags).toBe(CanFlag.Fd | CanFlag.ErrorStateIndicator);
    expect(bench.log("A").frames("transmitted")[0]).toBe(frame);
  });

  it("power takes the counters back to zero", () => {
    const bench = new ErrorBench(2);
    bench.port("B").setActive(false);
    bench.port("A").transmit(FRAME);
    bench.after(ms(20));
    expect(level(FRAME, 0)).toBe(0);
    bench.port("A").setActive(false);
    bench.port("A").setActive(true);
    expect(bench.counters("A")).toBe("0/0 active");
    bench.world.timeline.runToIdle((bench.now + ms(1)) as Instant);
  });
});
