import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { runScenario } from "../../hil/scenario/run-scenario.ts";

const SCENARIO = "fixtures/scenarios/srup-syndication.yaml";
const THIRD = `
  third:
    version: 3.0.0
    builtAt: 2026-02-15T10:00:00Z
    ecus:
      ECU_011: { version: 1.2.0, firmware: ${resolve("fixtures/firmware/pybricks-movehub.bin")} }

steps:`;
const AGAIN = `  - name: updated again
    update: third
    expect: { verdict: updated, ecus: { ECU_011: updated } }
`;

describe("a home server behind a syndication device", () => {
  it.each(["join: observed", "others: 3", "join: human, others: 1"])(
    "asks for the updates of all devices of the foreign one, and for those of a later step: %s",
    async (settings) => {
      const folder = mkdtempSync(join(tmpdir(), "otabench-syndication-"));
      const path = join(folder, "scenario.yaml");
      const text = readFileSync(SCENARIO, "utf8")
        .replaceAll("../", `${resolve("fixtures")}/`)
        .replace("syndicated: true", `syndicated: true, ${settings}`)
        .replace("\nsteps:", THIRD);
      writeFileSync(path, text + AGAIN);
      const { verdict, steps } = await runScenario(path, { seed: "3" });
      rmSync(folder, { recursive: true });
      expect(steps.map(({ name, verdict: came, reason }) => [name, came, reason])).toEqual([
        ["updated on the word of the home server", "passed", undefined],
        ["updated again", "passed", undefined],
      ]);
      expect(verdict).toBe("passed");
    },
  );
});
