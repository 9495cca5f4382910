import { describe, expect, it } from "vitest";
import { type SeedKeyFormula, seedKey } from "../../../emulator/wire/seed-key.ts";

/** Seed, then the keys of the three formulas, as the family's own C code computes them (key-01-seed-key.json). */
const VECTORS = [
  ["12345678", "1E16E3A3", "B9F9444C", "B791F3DD"],
  ["00000001", "486FF197", "ABCD1235", "A5A5A5A4"],
  ["7FFFFFFF", "B7918E68", "D432EDCB", "DA5A5A5A"],
  ["0BADF00D", "B863FA3A", "A060E239", "AE0855A8"],
  ["00000000", "486EF197", "ABCD1234", "A5A5A5A5"],
] as const;
const FORMULAS: readonly SeedKeyFormula[] = ["tc375Bootloader", "xorAbcd1234", "xorA5a5a5a5"];

describe("the key of a seed", () => {
  it.each(VECTORS)("is what the family's nodes compute for seed %s", (seed, ...keys) => {
    const computed = FORMULAS.map((formula) => seedKey(formula, Number.parseInt(seed, 16)));
    expect(computed).toEqual(keys.map((key) => Number.parseInt(key, 16)));
  });

  it("is the seed itself with the identity formula", () => {
    expect(seedKey("identity", 0xfedcba98)).toBe(0xfedcba98);
  });
});
