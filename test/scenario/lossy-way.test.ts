import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { runScenario } from "../../hil/scenario/run-scenario.ts";

const SSU = "fixtures/scenarios/ssu.yaml";

describe("a way that loses datagrams", () => {
  it("is told by the report of an ssu run, and by nothing else: the trace is the one of a good way", async () => {
    const lossy = await runScenario(SSU, { seed: "5" });
    expect(lossy.source?.retransmissions).toBeGreaterThan(0);
    expect(lossy.source).toMatchObject({ system: "ssu", peer: "ssu://localhost:7400/firmware_v2.bin", retries: 1 });
    const folder = mkdtempSync(join(tmpdir(), "otabench-lossy-"));
    const path = join(folder, "good-way.yaml");
    const here = readFileSync(SSU, "utf8").replaceAll("../", `${resolve("fixtures")}/`);
    writeFileSync(path, here.replace("      - { fault: datagramsLost, oneIn: 11 }\n", ""));
    const good = await runScenario(path, { seed: "5" });
    rmSync(folder, { recursive: true });
    expect(good.traceDigest).toBe(lossy.traceDigest);
  });

  it("is none of a system that leaves its transport to others", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otabench-lossy-"));
    const path = join(folder, "wrong.yaml");
    const here = readFileSync(SSU, "utf8").replaceAll("../", `${resolve("fixtures")}/`);
    writeFileSync(path, here.replace("system: ssu", "system: https"));
    await expect(runScenario(path, { seed: "5" })).rejects.toMatchObject({ code: "USAGE" });
    rmSync(folder, { recursive: true });
  });
});
