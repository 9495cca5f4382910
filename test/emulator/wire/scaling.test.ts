import { describe, expect, it } from "vitest";
import { encodeScaling, type Scaling } from "../../../emulator/wire/scaling.ts";
import { toHex } from "../../../emulator/wire/text.ts";

const constant = (mantissa: number, exponent = 0) => ({ mantissa, exponent });
type Row = readonly [title: string, items: readonly Scaling[], hex: string];

/** By Tables C.2 to C.5 of ISO 14229-1:2020. */
const ROWS: readonly Row[] = [
  ["an unsigned number", [{ type: "unsigned", length: 1 }], "01"],
  ["a signed number", [{ type: "signed", length: 2 }], "12"],
  ["bits without a mask", [{ type: "bitMapped", length: 2 }], "22"],
  ["bits with a mask", [{ type: "bitMappedWithMask", mask: Uint8Array.of(0xf0, 0x0f) }], "32f00f"],
  ["binary coded decimals", [{ type: "binaryCodedDecimal", length: 4 }], "44"],
  ["states", [{ type: "stateEncoded", length: 1 }], "51"],
  ["15 characters", [{ type: "ascii", length: 15 }], "6f"],
  ["17 characters, in two bytes", [{ type: "ascii", length: 17 }], "6f62"],
  ["a floating point number", [{ type: "float", length: 4 }], "74"],
  ["a packet", [{ type: "packet", length: 31 }], "8f8f81"],
  ["a unit", [{ type: "unit", code: 0x30 }], "a130"],
  ["a state and its connection", [{ type: "stateAndConnection", code: 0x0a }], "b10a"],
  ["a formula", [{ type: "formula", formula: 0, constants: [constant(75, -2), constant(30)] }], "9500e04b001e"],
  ["negative constants", [{ type: "formula", formula: 1, constants: [constant(-40, 7)] }], "93017fd8"],
  ["no items", [], ""],
];

describe("scalingBytes", () => {
  it.each(ROWS)("are written for %s", (_title, items, hex) => {
    expect(toHex(encodeScaling(items))).toBe(hex);
  });
});
