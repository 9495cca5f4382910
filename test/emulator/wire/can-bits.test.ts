import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { canFrameBits, canFrameTime } from "../../../emulator/wire/can-bits.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { fromHex } from "../../../emulator/wire/text.ts";
import { naiveCrc, naiveFrame, type WireBit } from "./can-naive.ts";
import { randomCanFrame } from "./random-can-frame.ts";

const SEED = 20_260_731;

/** SOF to EOF of a frame at one rate, without any dynamic stuff bit. */
function plainLength({ flags, data }: CanFrame): number {
  const extended = (flags & CanFlag.Extended) !== 0;
  if ((flags & CanFlag.Fd) === 0) return (extended ? 39 : 19) + 8 * data.length + 15 + 10;
  return (extended ? 41 : 22) + 8 * data.length + (data.length <= 16 ? 27 : 32) + 10;
}

function timeByHand(frame: CanFrame, samplePoint: number, dataSamplePoint: number, slow: number, fast: number): number {
  let time = 0;
  for (const bit of naiveFrame(frame).bits) {
    if (bit.field === "brs") time += samplePoint * slow + (1 - dataSamplePoint) * fast;
    else if (bit.field === "crcDelimiter") time += dataSamplePoint * fast + (1 - samplePoint) * slow;
    else time += bit.rate === "nominal" ? slow : fast;
  }
  return time;
}

const count = (bits: readonly WireBit[], rate: WireBit["rate"]): number =>
  bits.filter((bit) => bit.rate === rate).length;

describe("the length of a CAN frame", () => {
  it("is 108 bits for 8 bytes with an 11-bit identifier that need no stuff bit", () => {
    const frame = { id: 0x555, flags: 0, data: fromHex("5555555555550842") as Uint8Array };
    expect(canFrameBits(frame)).toEqual({ nominal: 108, data: 0 });
  });

  it("is 128 bits for 8 bytes with a 29-bit identifier that need no stuff bit", () => {
    const frame = { id: 0x15555555, flags: CanFlag.Extended, data: fromHex("5555555555550843") as Uint8Array };
    expect(canFrameBits(frame)).toEqual({ nominal: 128, data: 0 });
  });

  it("agrees bit for bit with the long way for 20 000 frames of every kind", () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 20_000; round++) {
      const frame = randomCanFrame(prng);
      const { bits } = naiveFrame(frame);
      const expected = { nominal: count(bits, "nominal"), data: count(bits, "data") };
      expect(canFrameBits(frame), `SEED=${SEED} round ${round}`).toEqual(expected);
    }
  });

  it("has the stuff bits and the CRC that sigrok's decoder found", () => {
    const path = new URL("../../../fixtures/can-bits/sigrok.json", import.meta.url);
    const rows = JSON.parse(readFileSync(path, "utf8")) as {
      id: number;
      flags: number;
      data: string;
      stuffBits: number;
      crc15?: number;
    }[];
    expect(rows.length).toBeGreaterThan(100);
    for (const { id, flags, data, stuffBits, crc15 } of rows) {
      const frame = { id, flags, data: fromHex(data) as Uint8Array };
      const plain = plainLength(frame);
      expect(canFrameBits(frame), JSON.stringify({ id, flags, data })).toEqual({ nominal: plain + stuffBits, data: 0 });
      if (crc15 !== undefined) expect(naiveFrame(frame).crc).toBe(crc15);
    }
  });

  it("is on average 116.5 bits with the intermission for random consecutive frames", () => {
    const prng = new Prng(SEED);
    let bits = 0;
    const rounds = 16_000;
    for (let round = 0; round < rounds; round++) {
      const data = prng.bytes(8);
      data[0] = 0x20 | (round & 0x0f);
      bits += canFrameBits({ id: 0x7e0, flags: 0, data }).nominal + 3;
    }
    expect(bits / rounds).toBeCloseTo(116.5, 0);
  });

  it("never exceeds the worst case of 132 bits (11-bit) and 157 bits (29-bit) of classic frames", () => {
    const prng = new Prng(SEED);
    let longest = 0;
    let longestExtended = 0;
    for (let round = 0; round < 20_000; round++) {
      const frame = randomCanFrame(prng);
      if ((frame.flags & CanFlag.Fd) !== 0) continue;
      const { nominal } = canFrameBits(frame);
      if ((frame.flags & CanFlag.Extended) === 0) longest = Math.max(longest, nominal);
      else longestExtended = Math.max(longestExtended, nominal);
    }
    expect(longest).toBeLessThanOrEqual(132);
    expect(longestExtended).toBeLessThanOrEqual(157);
    // Runs of four all through, so that a stuff bit makes a run of five with the next three.
    const worst = { id: 0x078, flags: 0, data: Uint8Array.of(0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c) };
    expect(canFrameBits(worst).nominal).toBeGreaterThanOrEqual(108 + 16);
  });

  it("costs one bit of each rate for BRS and CRC delimiter together, wherever the sample points are", () => {
    const frame = { id: 0x7e0, flags: CanFlag.Fd | CanFlag.BitRateSwitch, data: new Prng(SEED).bytes(64) };
    const byHand = [timeByHand(frame, 0.8, 0.7, 2000, 500), timeByHand(frame, 0.75, 0.8, 2000, 500)];
    for (const time of byHand) expect(canFrameTime(frame, 2000, 500)).toBeCloseTo(time, 6);
  });
});

describe("the long way that the tables are compared with", () => {
  const check = Array.from({ length: 9 * 8 }, (_, bit) => ("123456789".charCodeAt(bit >> 3) >> (7 - (bit & 7))) & 1);

  it.each([
    ["CRC-15/CAN", 15, 0x4599, 0x059e],
    ["CRC-17/CAN-FD", 17, 0x1685b, 0x04f03],
    ["CRC-21/CAN-FD", 21, 0x102899, 0x0ed841],
  ] as const)("computes the check value that the CRC catalogue gives for %s", (_, width, polynomial, value) => {
    expect(naiveCrc(check, width, polynomial, 0)).toBe(value);
  });
});
