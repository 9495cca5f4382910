import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { crc32 } from "../../../emulator/wire/crc32.ts";

describe("CRC-32", () => {
  it("is the one of zlib for every length and place", () => {
    const data = new Prng("crc").bytes(600);
    for (let length = 0; length <= 70; length++) {
      for (let from = 0; from < 9; from++) {
        const part = data.subarray(from, from + length);
        expect(crc32(part)).toBe(zlibCrc32(part));
      }
    }
    expect(crc32(data)).toBe(zlibCrc32(data));
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });

  it("goes on from what came before, cut anywhere", () => {
    const data = new Prng("crc").bytes(40);
    for (let cut = 0; cut <= data.length; cut++) {
      expect(crc32(data.subarray(cut), crc32(data.subarray(0, cut)))).toBe(zlibCrc32(data));
    }
  });
});
