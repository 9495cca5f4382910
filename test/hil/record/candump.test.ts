import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CanFlag } from "../../../emulator/wire/can-frame.ts";
import { candumpLines, readCandump } from "../../../hil/record/candump.ts";
import type { CapturedFrame } from "../../../hil/record/captured-frame.ts";
import { anyFrame } from "./any-frame.ts";

const text = (lines: string): Uint8Array[] => [new TextEncoder().encode(lines)];
const one = (line: string): CapturedFrame => [...readCandump(text(line))][0] as CapturedFrame;

/** Lines as can-utils' documentation and kernel headers give them, and what they mean. */
const LINES: readonly (readonly [line: string, id: number, flags: number, hex: string])[] = [
  ["(1436509052.249713) vcan0 044#2A366C2BBA", 0x44, 0, "2a366c2bba"],
  ["(1436509052.449847) vcan0 0F6#7ADFE07BD2D02301", 0xf6, 0, "7adfe07bd2d02301"],
  ["(1767225600.000000) can1 7E0#", 0x7e0, 0, ""],
  ["(1767225600.000001) can2 18DA15F1#0210", 0x18da15f1, CanFlag.Extended, "0210"],
  ["(1767225600.000001) can2 00000001#0210", 1, CanFlag.Extended, "0210"],
  ["(1767225600.999999) can2 123##1", 0x123, CanFlag.Fd | CanFlag.BitRateSwitch, ""],
  ["(1767225600.999999) can2 123##0AB", 0x123, CanFlag.Fd, "ab"],
  ["(1767225600.999999) can2 123##3AB", 0x123, CanFlag.Fd | CanFlag.BitRateSwitch | CanFlag.ErrorStateIndicator, "ab"],
  ["(1767225600.999999) can2 123#R", 0x123, CanFlag.Remote, ""],
  ["(1767225600.999999) can2 123#R8", 0x123, CanFlag.Remote, "0000000000000000"],
  ["(1767225600.999999) can2 20000088#0000010000001000", 0x2000_0088, CanFlag.Extended, "0000010000001000"],
];

describe("a candump log", () => {
  for (const [line, id, flags, hex] of LINES) {
    it(`has ${line.slice(line.indexOf(" ") + 1)} both ways`, () => {
      const { frame } = one(line);
      expect([frame.id, frame.flags, Buffer.from(frame.data).toString("hex")]).toEqual([id, flags, hex]);
      expect([...candumpLines([one(line)])]).toEqual([`${line}\n`]);
    });
  }

  it("keeps times to the microsecond, bus names, and lets directions and blank lines pass", () => {
    const frames = [...readCandump(text("\n(12.000345)  slcan0  7E8#03 R\r\n(13.5) b 7E8#03 T"))];
    expect(frames.map(({ time, bus }) => [time, bus])).toEqual([
      [12_000_345_000n, "slcan0"],
      [13_500_000_000n, "b"],
    ]);
  });

  it("cuts what is below a microsecond when it is written", () => {
    const frame = { id: 1, flags: 0, data: new Uint8Array(0) };
    expect([...candumpLines([{ time: 1_000_001_999n, bus: "c", frame }])]).toEqual(["(1.000001) c 001#\n"]);
  });

  it("gives any frame back, wherever the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(anyFrame(), { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (frames, cut) => {
        const captured = frames.map((frame, index) => ({ time: BigInt(index) * 1000n, bus: "can1", frame }));
        const bytes = new TextEncoder().encode([...candumpLines(captured)].join(""));
        const pieces = Array.from({ length: Math.ceil(bytes.length / cut) }, (_, index) =>
          bytes.subarray(index * cut, (index + 1) * cut),
        );
        expect([...readCandump(pieces)]).toEqual(captured);
      }),
    );
  });

  const WRONG = [
    "hello",
    "(1.0) can0 7E0 [8] 02 10",
    "(1.0) can0 7E0#0",
    "(1.0) can0 7E0#0G",
    "(1.0) can0 800#00",
    "(1.0) can0 9FFFFFFFF#00",
    "(1.0) can0 7E0#000102030405060708",
    "(1.0) can0 7E0##0000102030405060708",
    "(1.0) can0 7E0##",
    "(1.0) can0 7E0##x00",
    "(1.0) can0 7E0#R9",
    "(1.0) can0 20000080#000000000000000000",
    "(1.0) can0 20000080##0",
    "(1.0) can0 20000080#R",
  ];
  for (const line of WRONG) {
    it(`names the line "${line}" as malformed`, () => {
      const read = (): unknown => [...readCandump(text(`(0.5) can0 001#\n${line}\n`))];
      expect(read).toThrow(expect.objectContaining({ code: "CANDUMP_MALFORMED" }));
      expect(read).toThrow(/line 2/);
    });
  }

  it("gives frames or a named error for any text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (line) => {
        try {
          for (const { frame } of readCandump(text(`(1.0) can0 ${line}`))) expect(frame.id).toBeLessThan(0x4000_0000);
        } catch (error) {
          expect(error).toMatchObject({ code: "CANDUMP_MALFORMED" });
        }
      }),
    );
  });
});
