import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { runCli } from "../../../hil/cli/cli.ts";
import { runCommand } from "../../../hil/cli/run-command.ts";
import type { RunOptions, RunReport } from "../../../hil/scenario/run-report.ts";
import { keptIo } from "./io.ts";
import { report } from "./sample-report.ts";

/** Any file that can be read. */
const sources = fileURLToPath(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "otabench-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(argv: readonly string[], result: RunReport = report()) {
  const io = keptIo();
  const calls: { path: string; options: RunOptions }[] = [];
  const command = runCommand((path, options) => {
    calls.push({ path, options });
    const trace = new Trace();
    options.onTrace?.(trace);
    trace.record(RUN_START, "VMG", "campaign.state", { from: "idle", to: "inventory" });
    return Promise.resolve(result);
  });
  const code = await runCli({ version: "0", commands: [command] }, ["run", ...argv], io);
  return { code, out: io.out(), err: io.err(), calls };
}

describe("otabench run", () => {
  it("runs a scenario with progress and closing table, and answers 0 when it passed", async () => {
    const { code, out, calls } = await run(["first.yaml"]);
    expect(code).toBe(0);
    expect(calls[0]?.path).toBe("first.yaml");
    expect(calls[0]?.options).toMatchObject({ outDir: "out" });
    expect(out).toMatch(/^campaign: inventory\n/);
    expect(out).toContain("ECU_011  1.0.0   1.1.0");
  });

  it("does not begin a run whose JUnit file can't be written", async () => {
    const { code, err, calls } = await run(["first.yaml", "--junit", join(sources, "x.xml")]);
    expect([code, calls]).toEqual([2, []]);
    expect(err).toContain("FILE_UNWRITABLE");
  });

  it("answers 1 when the run failed", async () => {
    const { code, out } = await run(["first.yaml"], report({ verdict: "failed", code: "PACKAGE_SIGNATURE_WRONG" }));
    expect(code).toBe(1);
    expect(out).toContain("verdict   failed (PACKAGE_SIGNATURE_WRONG)");
  });

  it("prints nothing but the report with --json", async () => {
    const { out, err } = await run(["first.yaml", "--json"]);
    expect(JSON.parse(out)).toEqual(report());
    expect(err).toBe("");
  });

  it("prints the closing table only with --quiet", async () => {
    const { out } = await run(["first.yaml", "-q"]);
    expect(out).toMatch(/^ECU {6}before/);
  });

  it("hands seed and folder on", async () => {
    const { calls } = await run(["first.yaml", "--seed", "7", "--out", "there"]);
    expect(calls[0]?.options).toMatchObject({ seed: "7", outDir: "there" });
  });

  it("writes JUnit XML where it is told", async () => {
    const path = join(folder, "deep", "junit.xml");
    await run(["first.yaml", "--junit", path]);
    expect(readFileSync(path, "utf8")).toContain('<testsuite name="fixtures/scenarios/first-update.yaml"');
  });

  it("hands a foreign server, keys and a recorded run on", async () => {
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, "PEM");
    const { calls } = await run(["first.yaml", "--server", "https://h:1", "--ca", ca, "--tls12", "--keys", "k"]);
    expect(calls[0]?.options).toMatchObject({
      keysDir: "k",
      server: { url: "https://h:1", ca: "PEM", tlsMin: "1.2" },
    });
    const replayed = await run(["first.yaml", "--from", "run.otbtrace"]);
    expect(replayed.calls[0]?.options).toMatchObject({ from: "run.otbtrace" });
  });

  it.each([
    [["first.yaml", "--ca", "x"], "USAGE"],
    [["first.yaml", "--server", "https://h:1"], "USAGE"],
    [["first.yaml", "--server", "https://h:1", "--ca", "/nothing"], "FILE_UNREADABLE"],
    [["first.yaml", "--server", "https://h:1", "--ca", sources, "--from", "x"], "USAGE"],
  ])("refuses %j", async (argv, expected) => {
    const { code, err, calls } = await run(argv);
    expect([code, calls]).toEqual([2, []]);
    expect(err).toMatch(new RegExp(`^otabench: ${expected}: `));
  });

  it.each([[[]], [["a.yaml", "b.yaml"]]])("refuses the operands %j", async (argv) => {
    const { code, calls } = await run(argv);
    expect([code, calls]).toEqual([2, []]);
  });
});
