import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { CanBit, canBitStream } from "../../../emulator/wire/can-bit-stream.ts";
import { canFrameBits } from "../../../emulator/wire/can-bits.ts";
import { naiveFrame, type WireBit } from "./can-naive.ts";
import { randomCanFrame } from "./random-can-frame.ts";

const ARBITRATION = ["sof", "id", "rtr", "rrs", "srr", "ide"];

function asMarks({ value, field, rate, stuff }: WireBit): number {
  const isAck = field === "ack";
  // The IDE bit of a base frame belongs to its control field, and is dominant in all that can meet there.
  const arbitration = ARBITRATION.includes(field) ? CanBit.Arbitration : 0;
  const fast = rate === "data" ? CanBit.Fast : 0;
  return (isAck ? 1 | CanBit.Ack : value) | (stuff ? CanBit.Stuff : 0) | arbitration | fast;
}

describe("a CAN frame bit by bit", () => {
  it("is what the second encoder makes of it, stuff bits, CRC and rates included, for 4000 random frames", () => {
    const prng = new Prng("bit stream");
    for (let count = 0; count < 4000; count++) {
      const frame = randomCanFrame(prng);
      const marks = naiveFrame(frame).bits.map(asMarks);
      expect([...canBitStream(frame)], JSON.stringify(frame)).toEqual(marks);
    }
  });

  it("has as many bits of each rate as the table of lengths says", () => {
    const prng = new Prng("bit lengths");
    for (let count = 0; count < 4000; count++) {
      const frame = randomCanFrame(prng);
      const stream = canBitStream(frame);
      const data = stream.filter((bit) => (bit & CanBit.Fast) !== 0).length;
      expect({ nominal: stream.length - data, data }, JSON.stringify(frame)).toEqual(canFrameBits(frame));
    }
  });
});
