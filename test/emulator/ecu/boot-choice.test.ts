import { describe, expect, it } from "vitest";
import type { BootMetadata } from "../../../emulator/ecu/boot-metadata.ts";
import { chooseBank } from "../../../emulator/ecu/bootloader.ts";
import type { CheckedImage } from "../../../emulator/ecu/image-check.ts";

const TRIAL_STARTS_MAX = 3;
const STATUSES = ["empty", "valid", "trial"] as const;
type Status = (typeof STATUSES)[number];

const metadata = (a: Status, starts: number, b: Status): BootMetadata => ({
  active: "A",
  banks: { A: { status: a, starts }, B: { status: b, starts: 0 } },
  rollbackFloor: 0,
  fingerprint: new Uint8Array(0),
});
const checked = (isGood: boolean): CheckedImage => ({ result: isGood ? "ok" : "crcWrong", header: undefined });

/** What the rules of docs/protocols/ecu.md, start, say in their order. */
function expected(a: Status, starts: number, b: Status, good: Readonly<Record<"A" | "B", boolean>>): string {
  const exhausted = a === "trial" && starts >= TRIAL_STARTS_MAX;
  if (!exhausted && a !== "empty" && good.A) return a === "trial" ? `A on trial, ${starts + 1} starts` : "A";
  return b === "valid" && good.B ? "B" : "none";
}

const CASES = STATUSES.flatMap((a) =>
  (a === "trial" ? [0, 2, 3, 4] : [0]).flatMap((starts) =>
    STATUSES.flatMap((b) =>
      [true, false].flatMap((goodA) => [true, false].map((goodB) => [a, starts, b, goodA, goodB] as const)),
    ),
  ),
);

describe("the choice of a bank at a start", () => {
  it.each(CASES)(
    "with A %s (%i starts) and B %s, good %s and %s, is that of the rules",
    (a, starts, b, goodA, goodB) => {
      const good = { A: goodA, B: goodB };
      const asked: string[] = [];
      const choice = chooseBank(metadata(a, starts, b), TRIAL_STARTS_MAX, (bank) => {
        asked.push(bank);
        return checked(good[bank]);
      });
      const { bank, trial, metadata: after, reverted } = choice;
      const said = trial ? `${bank} on trial, ${after.banks.A.starts} starts` : bank;
      expect(said).toBe(expected(a, starts, b, good));
      if (bank !== "none") expect(asked).toContain(bank);
      expect(new Set(asked).size).toBe(asked.length);
      if (bank !== "A") expect(after.banks.A.status).toBe("empty");
      if (bank === "B") expect([after.active, reverted?.from, reverted?.to]).toEqual(["B", "A", "B"]);
    },
  );
});
