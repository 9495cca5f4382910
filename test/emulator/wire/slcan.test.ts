import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { decodeSlcan, encodeSlcan } from "../../../emulator/wire/slcan.ts";
import { anyFrame } from "../../hil/record/any-frame.ts";

const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets);

/** Lines of the Lawicel CANUSB manual and of CANable's CAN FD extension. */
const FRAMES: readonly (readonly [string, CanFrame])[] = [
  ["t10021133", { id: 0x100, flags: 0, data: bytes(0x11, 0x33) }],
  ["T0000010021133", { id: 0x100, flags: CanFlag.Extended, data: bytes(0x11, 0x33) }],
  ["r1002", { id: 0x100, flags: CanFlag.Remote, data: bytes(0, 0) }],
  ["R000001002", { id: 0x100, flags: CanFlag.Remote | CanFlag.Extended, data: bytes(0, 0) }],
  ["t7E00", { id: 0x7e0, flags: 0, data: bytes() }],
  [
    "d12391122334455667788AABBCCDD",
    {
      id: 0x123,
      flags: CanFlag.Fd,
      data: bytes(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0xaa, 0xbb, 0xcc, 0xdd),
    },
  ],
  ["B18DA15F1101", { id: 0x18da15f1, flags: CanFlag.Extended | CanFlag.Fd | CanFlag.BitRateSwitch, data: bytes(0x01) }],
];

describe("SLCAN lines", () => {
  for (const [line, frame] of FRAMES) {
    it(`reads and writes ${line}`, () => {
      expect(decodeSlcan(line)).toEqual({ type: "transmit", frame });
      expect(encodeSlcan(frame)).toBe(`${line}\r`);
    });
  }

  it("puts milliseconds of the minute behind a frame when it is asked to", () => {
    const frame = { id: 0x100, flags: 0, data: bytes(0x11) };
    expect(encodeSlcan(frame, 1_000)).toBe("t10011103E8\r");
    expect(encodeSlcan(frame, 60_001.9)).toBe("t1001110001\r");
  });

  it("reads the commands", () => {
    expect(decodeSlcan("S6")).toEqual({ type: "bitRate", bitRate: 500_000 });
    expect(decodeSlcan("S9")).toEqual({ type: "bitRate", bitRate: 83_300 });
    expect(decodeSlcan("O")).toEqual({ type: "open", listenOnly: false });
    expect(decodeSlcan("L")).toEqual({ type: "open", listenOnly: true });
    expect(decodeSlcan("C")).toEqual({ type: "close" });
    expect(decodeSlcan("Z1")).toEqual({ type: "timestamps", on: true });
    expect(decodeSlcan("V")).toEqual({ type: "version" });
    expect(decodeSlcan("N")).toEqual({ type: "serialNumber" });
    expect(decodeSlcan("F")).toEqual({ type: "status" });
    for (const line of ["", "M00000000", "mFFFFFFFF", "X1", "P", "A", "U0", "W2", "Q1", "s031C"]) {
      expect(decodeSlcan(line)).toEqual({ type: "ignored" });
    }
  });

  for (const line of [
    "t",
    "t1",
    "t8000",
    "tXYZ0",
    "t1009",
    "t1002113",
    "t100211334",
    "t1002ZZ11",
    "T1FFFFFFF",
    "T200000000",
    "r10021122",
    "S",
    "SA",
    "S66",
    "O1",
    "Z2",
    "d1009",
    "?",
    "toString",
    "constructor",
  ]) {
    it(`refuses "${line}" with a reason`, () => {
      expect(decodeSlcan(line)).toMatchObject({ type: "malformed", reason: expect.any(String) });
    });
  }

  it("reads back every frame that it writes", () => {
    fc.assert(
      fc.property(anyFrame(), (frame) => {
        const flags = frame.flags & ~CanFlag.ErrorStateIndicator;
        expect(decodeSlcan(encodeSlcan(frame).slice(0, -1))).toEqual({ type: "transmit", frame: { ...frame, flags } });
      }),
    );
  });

  it("gives a command or a reason for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[tTrRdDbBSOLCZ][0-9A-F]{0,24}$/)), (line) => {
        expect(decodeSlcan(line).type).toEqual(expect.any(String));
      }),
      { numRuns: Number(process.env.OTABENCH_RUNS ?? 1000) },
    );
  });
});
