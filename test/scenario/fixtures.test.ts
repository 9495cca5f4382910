import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runScenario } from "../../hil/scenario/run-scenario.ts";

const FOLDER = "fixtures/scenarios";
const scenarios = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
const out = mkdtempSync(join(tmpdir(), "otabench-"));
afterAll(() => rmSync(out, { recursive: true }));

/** Every kind of bad input that the bench promises to bear, and the file that shows it. */
const PROMISED = [
  "wrong-signature",
  "flipped-byte",
  "truncated-file",
  "wrong-target",
  "older-version",
  "https",
  "rsu",
  "ssu",
  "server-dies",
  "wrong-ca",
  "power-cut-erase",
  "power-cut-programming",
  "power-cut-metadata",
  "power-cut-vehicle-gateway",
  "lost-frame",
  "programming-failure",
  "endless-pending",
  "reset-in-the-middle",
];

describe("every scenario file", () => {
  it("is there for each promised kind of bad input", () => {
    expect(scenarios).toEqual(expect.arrayContaining(PROMISED.map((name) => `${name}.yaml`)));
  });

  it.each(scenarios)("%s comes out as it expects, twice with one and the same trace", async (name) => {
    const path = join(FOLDER, name);
    const first = await runScenario(path, { seed: "7" });
    expect(first.steps.filter(({ verdict }) => verdict === "failed")).toEqual([]);
    expect(first.verdict).toBe("passed");
    const second = await runScenario(path, { seed: "7" });
    expect(second.traceDigest, `replay: ${first.replayCommand}`).toBe(first.traceDigest);
  });

  it.each(["power-cut-erase.yaml", "power-cut-programming.yaml", "power-cut-metadata.yaml", "lost-frame.yaml"])(
    "%s comes out alike with other seeds",
    async (name) => {
      for (const seed of ["1", "2", "3"]) {
        const { verdict, replayCommand } = await runScenario(join(FOLDER, name), { seed });
        expect(verdict, `replay: ${replayCommand}`).toBe("passed");
      }
    },
  );
});

describe("a recorded run", () => {
  it.each(["first-update.yaml", "rsu.yaml", "ssu.yaml", "server-dies.yaml", "power-cut-vehicle-gateway.yaml"])(
    "of %s is replayed from its trace, without a server, to the same trace",
    async (name) => {
      const path = join(FOLDER, name);
      const outDir = join(out, name);
      const live = await runScenario(path, { seed: "9", outDir });
      const replayed = await runScenario(path, { seed: "9", from: live.traceFile as string });
      expect(replayed.traceDigest).toBe(live.traceDigest);
      expect(replayed.verdict).toBe("passed");
    },
  );

  it("is not replayed into a scenario that asks for something else", async () => {
    const { traceFile } = await runScenario(join(FOLDER, "lost-frame.yaml"), { outDir: join(out, "other") });
    const other = runScenario(join(FOLDER, "server-dies.yaml"), { from: traceFile as string });
    await expect(other).rejects.toMatchObject({ code: "REPLAY_DIVERGED" });
  });
});
