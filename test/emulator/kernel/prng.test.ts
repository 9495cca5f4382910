import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";

/** First outputs of xoshiro128** 1.1 from the state 1, 2, 3, 4, as rand_xoshiro's tests have them from the authors' C code. */
const REFERENCE = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];

describe("the seeded random numbers", () => {
  it("are those of xoshiro128** 1.1", () => {
    const prng = new Prng(0);
    prng.load([1, 2, 3, 4]);
    expect(REFERENCE.map(() => prng.uint32())).toEqual(REFERENCE);
  });

  it("never change for a seed, on any machine", () => {
    const first = (seed: number | string): number[] => {
      const prng = new Prng(seed);
      return [prng.uint32(), prng.uint32(), prng.uint32(), prng.uint32()];
    };
    expect({ 0: first(0), 7: first(7), text: first("two-zone vehicle") }).toMatchInlineSnapshot(`
      {
        "0": [
          3120544335,
          257812466,
          2748441645,
          277197230,
        ],
        "7": [
          4065413263,
          3476182036,
          3960529576,
          4020747319,
        ],
        "text": [
          2474178851,
          4126836062,
          2065224331,
          2788127445,
        ],
      }
    `);
    expect(first("7")).toEqual(first(7));
  });

  it("have nothing in common for neighbouring seeds", () => {
    let same = 0;
    for (let seed = 0; seed < 200; seed++) {
      const [a, b] = [new Prng(seed), new Prng(seed + 1)];
      const difference = (a.uint32() ^ b.uint32()) >>> 0;
      same += 32 - difference.toString(2).replaceAll("0", "").length;
    }
    // 6400 bits, half of them equal; five standard deviations are 200
    expect(Math.abs(same - 3200)).toBeLessThan(200);
  });

  it("are spread evenly, below a bound that is no power of two as well", () => {
    for (const bound of [6, 10, 256]) {
      const prng = new Prng(`bound ${bound}`);
      const counts = Array.from({ length: bound }, () => 0);
      const rounds = 1000 * bound;
      for (let round = 0; round < rounds; round++) {
        const value = prng.below(bound);
        counts[value] = (counts[value] ?? 0) + 1;
      }
      expect(counts).toHaveLength(bound);
      const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      // mean bound - 1, variance 2 (bound - 1): five standard deviations
      expect(chiSquare).toBeLessThan(bound - 1 + 5 * Math.sqrt(2 * (bound - 1)));
    }
  });

  it("take every bound from 1 to 2^32", () => {
    const prng = new Prng(1);
    expect(prng.below(1)).toBe(0);
    for (let round = 0; round < 1000; round++) {
      expect(prng.below(0x8000_0001)).toBeLessThan(0x8000_0001);
      expect(prng.below(0x1_0000_0000)).toBeLessThan(0x1_0000_0000);
    }
  });

  it("give bytes of all values, as many as asked for", () => {
    const bytes = new Prng("bytes").bytes(10_000);
    expect(bytes).toHaveLength(10_000);
    expect(new Set(bytes).size).toBe(256);
    expect(new Prng(1).bytes(0)).toHaveLength(0);
  });

  it("go on from a saved state", () => {
    const first = new Prng("state");
    first.bytes(100);
    const state = structuredClone(first.save());
    const second = new Prng("another seed");
    second.load(state);
    const rest = first.bytes(50);
    expect(second.bytes(50)).toEqual(rest);
    first.load(state);
    expect(first.bytes(50)).toEqual(rest);
  });
});
