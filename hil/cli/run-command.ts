import { readFileSync } from "node:fs";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { printableLines } from "../link/printable.ts";
import { claimFile } from "../record/claim.ts";
import { writePieces } from "../record/pieces.ts";
import { FileError } from "../record/record-error.ts";
import type { RunOptions, RunScenario } from "../scenario/run-report.ts";
import type { ForeignServer } from "../scenario/server-side.ts";
import { type Command, type CommandArgs, ExitCode, flagOption, textOption } from "./command.ts";
import { junitXml } from "./junit.ts";
import { Progress } from "./progress.ts";
import { reportText } from "./report-table.ts";

/** Where a run writes when it is not told. */
const OUT_DIR = "out";

/** @param runScenario what does the work */
export const runCommand = (runScenario: RunScenario): Command => ({
  name: "run",
  summary: "run a scenario and report what every ECU ended up running",
  operands: "SCENARIO",
  details: `
Progress and the closing table go to standard output; with --json there is nothing but the report there. Trace, candump
log and pcapng capture are written to DIR. Two runs of one scenario with one seed have the same trace digest.`,
  options: {
    seed: { type: "string", value: "SEED", help: "replaces the seed of the scenario" },
    out: { type: "string", short: "o", value: "DIR", help: `folder for trace and captures (${OUT_DIR})` },
    keys: { type: "string", value: "DIR", help: "use the keys of this folder instead of making some from the seed" },
    server: { type: "string", value: "URL", help: "pull from somebody else's server at https://HOST:PORT" },
    ca: { type: "string", value: "FILE", help: "with --server: the certificate that the server's must lead to, PEM" },
    tls12: { type: "boolean", help: "with --server: take TLS 1.2 with ECDHE-RSA-AES256-GCM-SHA384 too" },
    from: { type: "string", value: "TRACE", help: "replay: take the server's answers from a trace, use no network" },
    junit: { type: "string", value: "FILE", help: "write the result as JUnit XML too" },
    quiet: { type: "boolean", short: "q", help: "print the closing table only" },
  },
  async run(args, io) {
    const path = scenarioOf(args);
    const json = flagOption(args, "json");
    const junit = textOption(args, "junit");
    if (junit !== undefined) claimFile(junit);
    const progress = json || flagOption(args, "quiet") ? undefined : new Progress(io);
    const report = await runScenario(path, optionsOf(args, progress)).finally(() => progress?.close());
    if (junit !== undefined) writePieces(junit, [junitXml(report)]);
    if (json) io.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    else io.stdout.write(`${progress === undefined ? "" : "\n"}${printableLines(reportText(report))}`);
    return report.verdict === "passed" ? ExitCode.Ok : ExitCode.Failed;
  },
});

function scenarioOf({ positionals: [path, extra] }: CommandArgs): string {
  if (path === undefined) throw new UsageError("the scenario file is missing");
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  return path;
}

function optionsOf(args: CommandArgs, progress: Progress | undefined): RunOptions {
  const seed = textOption(args, "seed");
  const from = textOption(args, "from");
  const keysDir = textOption(args, "keys");
  const server = serverOf(args);
  if (from !== undefined && server !== undefined) throw new UsageError("--from and --server can't go together");
  return {
    ...(keysDir === undefined ? {} : { keysDir }),
    ...(server === undefined ? {} : { server }),
    ...(from === undefined ? {} : { from }),
    ...(seed === undefined ? {} : { seed }),
    outDir: textOption(args, "out") ?? OUT_DIR,
    onTrace: (trace) => progress?.attach(trace),
  };
}

function serverOf(args: CommandArgs): ForeignServer | undefined {
  const url = textOption(args, "server");
  const ca = textOption(args, "ca");
  const tls12 = flagOption(args, "tls12");
  if (url === undefined) {
    if (ca !== undefined || tls12) throw new UsageError("--ca and --tls12 go with --server URL");
    return undefined;
  }
  if (ca === undefined) throw new UsageError("--server URL needs --ca FILE: nothing else is trusted");
  return { url, ca: readText(ca), tlsMin: tls12 ? "1.2" : "1.3" };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
