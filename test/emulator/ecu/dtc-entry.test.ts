import { describe, expect, it } from "vitest";
import type { DtcDefinition } from "../../../emulator/ecu/dtc-config.ts";
import {
  CLEARED,
  cleared,
  cycleBegun,
  type DtcEntry,
  failed,
  isStoredAlike,
  passed,
} from "../../../emulator/ecu/dtc-entry.ts";
import { decodeContents, encodeContents } from "../../../emulator/ecu/dtc-record.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";

const RULE: DtcDefinition = {
  code: 0x123456,
  severity: 0x20,
  functionalUnit: 0x10,
  functionalGroups: [],
  indicator: true,
  cyclesToConfirm: 2,
  cyclesToHeal: 2,
  cyclesToAge: 3,
  failStep: 127,
  passStep: 128,
};

let ordinal = 0;
const snapshot = (): Uint8Array => Uint8Array.of(1, 0xf1, 0x86, ordinal);
const STEPS = {
  failed: (entry: DtcEntry) => failed(entry, RULE, ++ordinal, snapshot),
  passed,
  cycle: (entry: DtcEntry) => cycleBegun(entry, RULE),
  cleared,
} as const;
type Step = keyof typeof STEPS;

const entryOf = (...steps: readonly Step[]): DtcEntry => {
  ordinal = 0;
  return steps.reduce((entry, step) => STEPS[step](entry), CLEARED);
};
const bits = ({ status }: DtcEntry): string => status.toString(2).padStart(8, "0");

describe("the status of a DTC", () => {
  // Annex D.2: bit 7 warningIndicatorRequested … bit 0 testFailed
  it.each<readonly [string, string, readonly Step[]]>([
    ["is not tested after a clear", "01010000", []],
    ["is tested once it has passed", "00000000", ["passed"]],
    ["is failed and pending, not confirmed, when it fails in the first of two cycles", "00100111", ["failed"]],
    ["keeps pending when the test passes later in the cycle", "00100110", ["failed", "passed"]],
    ["begins a new cycle untested and still failed", "01100101", ["failed", "cycle"]],
    ["keeps pending over a cycle in which nothing was tested", "01100101", ["failed", "cycle", "cycle"]],
    ["keeps pending at the end of a cycle that failed and passed", "01100100", ["failed", "passed", "cycle"]],
    ["ends pending with a cycle that only passed", "01100000", ["failed", "cycle", "passed", "cycle"]],
    ["is confirmed, with the indicator, in the second cycle in a row", "10101111", ["failed", "cycle", "failed"]],
    ["counts failed cycles anew when one between passed", "00100111", ["failed", "cycle", "passed", "cycle", "failed"]],
    ["is not confirmed by two failures in one cycle", "00100111", ["failed", "passed", "failed"]],
    ["keeps confirmed and the indicator when it passes", "10101110", ["failed", "cycle", "failed", "passed"]],
    [
      "ends the indicator after its passed cycles, and stays confirmed",
      "01101000",
      ["failed", "cycle", "failed", "cycle", "passed", "cycle", "passed", "cycle"],
    ],
    [
      "is forgotten after the cycles of its aging",
      "01100000",
      ["failed", "cycle", "failed", "cycle", "passed", "cycle", "passed", "cycle", "passed", "cycle"],
    ],
    [
      "is confirmed again by one failure while it is confirmed",
      "10101111",
      ["failed", "cycle", "failed", "passed", "failed"],
    ],
    ["is as new after a clear", "01010000", ["failed", "cycle", "failed", "cleared"]],
  ])("%s (%s)", (_title, status, steps) => {
    expect(bits(entryOf(...steps))).toBe(status);
  });

  it("changes nothing when a result is repeated", () => {
    const bad = entryOf("failed");
    expect(STEPS.failed(bad)).toBe(bad);
    const good = entryOf("passed");
    expect(STEPS.passed(good)).toBe(good);
  });

  it("is the same after two cycles without a test as after one, from whatever state", () => {
    const prng = new Prng("cycles");
    const names = Object.keys(STEPS) as Step[];
    for (let run = 0; run < 2000; run++) {
      const steps = Array.from({ length: prng.below(12) }, () => names[prng.below(names.length)] as Step);
      const once = entryOf(...steps, "cycle");
      expect(STEPS.cycle(once)).toEqual(once);
    }
  });
});

describe("what is kept with a DTC", () => {
  it("is the count of its failures, and the snapshots of the first and the latest", () => {
    const entry = entryOf("failed", "passed", "failed", "passed", "failed");
    expect(entry).toMatchObject({ occurrences: 3, firstFailed: 1, lastFailed: 3 });
    expect(entry.snapshots).toEqual([
      { number: 1, data: Uint8Array.of(1, 0xf1, 0x86, 1) },
      { number: 2, data: Uint8Array.of(1, 0xf1, 0x86, 3) },
    ]);
  });

  it("counts to 255 and no further", () => {
    const steps = Array.from({ length: 300 }, (): readonly Step[] => ["failed", "passed"]).flat();
    expect(entryOf(...steps).occurrences).toBe(255);
  });

  it("goes with its aging", () => {
    const aged: Step[] = ["cycle", "passed", "cycle", "passed", "cycle", "passed", "cycle"];
    expect(entryOf("failed", "cycle", "failed", ...aged)).toMatchObject({
      occurrences: 0,
      snapshots: [],
      permanent: false,
    });
  });

  it("keeps the permanent status over a clear until enough cycles have passed", () => {
    const steps: Step[] = ["failed", "cycle", "failed", "cleared"];
    expect(entryOf(...steps).permanent).toBe(true);
    expect(entryOf(...steps, "passed", "cycle").permanent).toBe(true);
    expect(entryOf(...steps, "passed", "cycle", "passed", "cycle").permanent).toBe(false);
  });
});

describe("the record of the DTC memory", () => {
  it("brings back what was put into it", () => {
    const primary = new Map([
      [0x123456, entryOf("failed", "passed", "failed")],
      [0xf00045, entryOf("failed", "cycle", "failed", "cleared")],
    ]);
    const contents = { ordinal: 70_000, primary, user: new Map([[0x123456, entryOf("failed")]]) };
    expect(decodeContents(encodeContents(contents))).toEqual(contents);
  });

  it("is not taken when it is cut short, of another format, or made of anything", () => {
    const whole = encodeContents({ ordinal: 1, primary: new Map([[1, entryOf("failed")]]), user: new Map() });
    for (let length = 0; length < whole.length; length++)
      expect(decodeContents(whole.subarray(0, length))).toBeUndefined();
    expect(decodeContents(Uint8Array.of(2, ...whole.subarray(1)))).toBeUndefined();
    const prng = new Prng("records");
    for (let run = 0; run < 2000; run++) decodeContents(Uint8Array.of(1, ...prng.bytes(prng.below(80))));
  });

  it("is written for a test that is completed for the first time, and not for every cycle that passes", () => {
    const good = entryOf("passed");
    expect(isStoredAlike(CLEARED, good)).toBe(false);
    expect(isStoredAlike(good, STEPS.cycle(good))).toBe(true);
    expect(isStoredAlike(good, entryOf("failed"))).toBe(false);
    const pending = entryOf("failed", "cycle");
    expect(isStoredAlike(pending, STEPS.passed(pending))).toBe(false);
  });
});
