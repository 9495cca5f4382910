import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { defaultSource } from "../../../hil/bench/source-schema.ts";
import { runScenario } from "../../../hil/scenario/run-scenario.ts";
import { foreignServerSide } from "../../../hil/scenario/server-side.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A run of one ECU's update with some faults. */
function scenarioWith(name: string, faults: readonly object[], expected: object): string {
  const path = join(folder, name);
  const firmware = resolve("fixtures/firmware/tomu-toboot-booster.bin");
  const scenario = {
    name,
    vehicle: resolve("fixtures/vehicles/two-zone.yaml"),
    releases: { next: { ecus: { ECU_021: { version: "1.1.0", firmware } } } },
    steps: [{ name: "the only one", update: "next", faults, expect: expected }],
  };
  writeFileSync(path, JSON.stringify(scenario));
  return path;
}
const at = (event: string, occurrence: number) => ({ event, source: "ECU_021", occurrence });

describe("a run of a scenario", () => {
  it.each([
    ["powerCut", { fault: "powerCut", target: "ECU_021", when: at("flash.erased", 999) }],
    ["supply", { fault: "supply", target: "ECU_021", when: at("flash.erased", 999), mV: 6_000 }],
  ])("fails when the moment of a fault did not come: %s", async (name, fault) => {
    const { verdict, steps } = await runScenario(scenarioWith("never.yaml", [fault], { verdict: "updated" }), {});
    expect(verdict).toBe("failed");
    expect(steps[0]?.observed).toContain(
      `the fault never struck: ${name} of ECU_021 at flash.erased of ECU_021, occurrence 999`,
    );
  });

  it("says of an ECU that does not answer at first that it is silent", async () => {
    const silent = { name: "noResponse", sid: 0x22, times: 1_000 };
    const path = scenarioWith("silent.yaml", [{ fault: "behaviour", ecu: "ECU_021", behaviour: silent }], {
      verdict: "failed",
      error: "CAMPAIGN_ECU_SILENT",
      ecus: { ECU_011: "unchanged", ECU_012: "unchanged", ECU_022: "unchanged" },
    });
    expect(await runScenario(path, {})).toMatchObject({ verdict: "passed", steps: [{ verdict: "passed" }] });
  });

  it("does not begin when its records can't be written", async () => {
    const path = scenarioWith("plain.yaml", [], { verdict: "updated" });
    let begun = false;
    const onTrace = (): void => {
      begun = true;
    };
    await expect(runScenario(path, { outDir: join(path, "out"), onTrace })).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
    expect(begun).toBe(false);
  });

  it("makes no folder for the records of a scenario that can't be used", async () => {
    const path = scenarioWith("no-such-release.yaml", [], { verdict: "updated", ecus: { ECU_099: "updated" } });
    const outDir = join(folder, "nothing");
    await expect(runScenario(path, { outDir })).rejects.toMatchObject({ code: "FILE_INVALID" });
    expect(existsSync(outDir)).toBe(false);
  });

  it.each(["7", "", "-3", "two words", "it's $HOME", "näh"])(
    "gives a command that a shell takes for seed %j",
    async (seed) => {
      const path = scenarioWith("a name with $blanks.yaml", [], { verdict: "updated" });
      const { replayCommand } = await runScenario(path, { seed });
      const [command, ...words] = replayCommand.split(" ");
      expect(command).toBe("npx");
      const script = `printf '%s\\n' ${words.join(" ")}`;
      const shown = spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout.split("\n").slice(0, -1);
      const option = seed.startsWith("-") ? [`--seed=${seed}`] : ["--seed", seed];
      expect(shown).toEqual(["otabench", "run", path, ...option]);
    },
  );
});

describe("somebody else's server", () => {
  const side = foreignServerSide(defaultSource("https"), { url: "https://localhost:4443", ca: "", tlsMin: "1.3" });
  const publication = { file: new Uint8Array(), signature: new Uint8Array(), version: "2.0.0", builtAt: new Date(0) };
  const when = { ...at("flash.erased", 1), where: {}, afterUs: 0 };

  it("serves while faults strike the vehicle", async () => {
    const faults = [
      { fault: "powerCut", target: "ECU_021", when, forMs: 1 },
      { fault: "supply", target: "ECU_021", when, mV: 6_000, forMs: 1, rampMs: 0 },
      { fault: "dropFrame", node: "ECU_021", direction: "receive", occurrence: 1, count: 1 },
      { fault: "behaviour", ecu: "ECU_021", behaviour: { name: "crashOnTrial" } },
    ] as const;
    await expect(side.serve(publication, faults)).resolves.toBeTypeOf("function");
  });

  it("can't be made to fail", async () => {
    await expect(side.serve(publication, [{ fault: "wrongCa" }])).rejects.toMatchObject({ code: "USAGE" });
  });
});
