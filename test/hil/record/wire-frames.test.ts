import { describe, expect, it } from "vitest";
import { s } from "../../../emulator/kernel/time.ts";
import { candumpLines, readCandump } from "../../../hil/record/candump.ts";
import { framesOf } from "../../../hil/record/captured-frame.ts";
import { readPcapng } from "../../../hil/record/pcapng-reader.ts";
import { pcapngOfFrames, pcapngOfTrace } from "../../../hil/record/pcapng-writer.ts";
import { canFrame } from "../../conformance/can-link/can-link-suite.ts";
import { ErrorBench } from "../../emulator/bus/error-bench.ts";

const FRAME = canFrame(0x123, 0x55, 0x55, 0x55, 0x55);

/** What a log shows of what was on the bus, without times. */
const shown = (bench: ErrorBench): string[] =>
  [...candumpLines(framesOf(bench.world.trace.events()))].map((line) => line.trimEnd().split(" ").at(-1) as string);

/** Bit 30 of the frame, which C alone sees inverted: a CRC error that all others answer. */
function crcError(): ErrorBench {
  const bench = new ErrorBench(3);
  bench.bus.arm({ fault: "corruptBit", bit: 31, seenBy: "C" });
  bench.port("A").transmit(FRAME);
  bench.toIdle();
  return bench;
}

describe("error frames in captures", () => {
  it("stand before the frame that is sent again, one for all nodes that flag, with the error that began it", () => {
    const bench = crcError();
    expect(bench.errors()).toHaveLength(3);
    expect(bench.errors()[0]).toMatch(/^C crc/);
    expect(shown(bench)).toEqual(["20000088#0000000800000001", "123#55555555"]);
  });

  it("come one for each try, with the counters of the sender", () => {
    const bench = new ErrorBench(2);
    bench.bus.arm({ fault: "corruptBit", bit: 25, seenBy: "A", count: 3 });
    bench.port("A").transmit(FRAME);
    bench.toIdle();
    expect(shown(bench)).toEqual([
      "20000088#0000010000000800",
      "20000088#0000010000001000",
      "20000088#0000010000001800",
      "123#55555555",
    ]);
  });

  it("tell a missing acknowledgement by its own class", () => {
    const bench = new ErrorBench(1);
    bench.port("A").transmit(FRAME);
    bench.after(s(1));
    const lines = shown(bench);
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([
      16,
      "200000A0#0000001900000800",
      "200000A0#0000001900008000",
    ]);
  });

  it("are read back from a log and from a capture as they were written", () => {
    const { trace } = crcError().world;
    const written = [...framesOf(trace.events())].map(({ frame: { id, flags, data } }) => ({ id, flags, data }));
    expect(written.map(({ id }) => id)).toEqual([0x2000_0088, FRAME.id]);
    const text = [...candumpLines(framesOf(trace.events()))].join("");
    const fromText = [...readCandump([new TextEncoder().encode(text)])];
    expect(fromText.map(({ frame }) => frame)).toEqual(written);
    const fromCapture = [...readPcapng(pcapngOfTrace(trace.events()))];
    expect(fromCapture.map(({ frame }) => frame)).toEqual(written);
    expect([...candumpLines(readPcapng(pcapngOfFrames(fromText)))].join("")).toBe(text);
  });
});
