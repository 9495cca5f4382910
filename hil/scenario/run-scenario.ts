import { join } from "node:path";
import { ReplayDivergedError } from "../bench/recorded-driver.ts";
import type { SourceSettings } from "../bench/source-schema.ts";
import type { Vehicle } from "../bench/vehicle-file.ts";
import { otabenchVersion } from "../cli/version.ts";
import { readKeys } from "../crypto/key-files.ts";
import { makeKeys, type TlsMaterial } from "../crypto/keys.ts";
import { candumpLines } from "../record/candump.ts";
import { framesOf } from "../record/captured-frame.ts";
import { claimFile } from "../record/claim.ts";
import { pcapngOfTrace } from "../record/pcapng-writer.ts";
import { writePieces } from "../record/pieces.ts";
import { eventsOf, readTraceFile, traceDigest, writeTraceFile } from "../record/trace-file.ts";
import { readScenario } from "./read-scenario.ts";
import type { RunOptions, RunReport, RunScenario, StepReport } from "./run-report.ts";
import { sourceOf } from "./scenario-file.ts";
import { ScenarioRun } from "./scenario-run.ts";
import { foreignServerSide, ownServerSide, recordedServerSide, type ServerSide } from "./server-side.ts";
import { SourceLedger } from "./source-ledger.ts";

const NS_PER_MS = 1_000_000;

export const runScenario: RunScenario = async (path, options) => {
  const started = performance.now();
  const { scenario, vehicle } = await readScenario(path);
  const seed = options.seed ?? String(scenario.seed);
  const keys = options.keysDir === undefined ? makeKeys(seed) : readKeys(options.keysDir);
  const settings = sourceOf(scenario, vehicle.source);
  const side = serverSide(options, settings, keys.tls, { scenario: scenario.name, seed });
  const files = options.outDir === undefined ? {} : recordFiles(options.outDir);
  for (const file of Object.values<string>(files)) claimFile(file);
  const run = new ScenarioRun({ scenario, vehicle, path, seed, keys, side });
  const { world } = run.bench;
  const source = new SourceLedger(world.trace);
  const steps: StepReport[] = [];
  try {
    options.onTrace?.(world.trace);
    await run.begin();
    for (const step of scenario.steps) steps.push(await run.step(step));
  } finally {
    await run.close();
  }
  const failed = steps.find(({ verdict }) => verdict === "failed");
  const verdict = failed === undefined ? "passed" : "failed";
  run.end(verdict);
  const record = world.trace.bytes();
  writeRecords(run, vehicle, { path, seed }, files);
  const sourceReport = source.report(options.server?.url ?? side.peer, run.retransmissions);
  return {
    scenario: path,
    seed,
    verdict,
    ...(failed === undefined ? {} : { code: failed.code ?? "EXPECTATION_NOT_MET", reason: failed.observed }),
    wallMs: Math.round(performance.now() - started),
    virtualMs: Math.round(world.timeline.now / NS_PER_MS),
    traceDigest: traceDigest(record),
    ...files,
    replayCommand: replayCommand(path, seed, options),
    ecus: run.ledger.reports(),
    steps,
    ...(sourceReport === undefined ? {} : { source: sourceReport }),
  };
};

function serverSide(
  options: RunOptions,
  settings: SourceSettings,
  tls: TlsMaterial,
  run: { scenario: string; seed: string },
): ServerSide {
  const { from, server } = options;
  if (server !== undefined) return foreignServerSide(settings, server);
  if (from === undefined) return ownServerSide(settings, tls);
  const events = [...eventsOf(readTraceFile(from))];
  const start = events.find(({ type }) => type === "run.started");
  if (start?.type !== "run.started" || start.scenario !== run.scenario || start.seed !== run.seed) {
    const recorded = start?.type === "run.started" ? `"${start.scenario}" with seed ${start.seed}` : "no whole run";
    throw new ReplayDivergedError(`${from} is of ${recorded}, not of "${run.scenario}" with seed ${run.seed}`);
  }
  return recordedServerSide(settings, tls, events);
}

/** A run whose answers came from somebody else's server, or whose keys are no function of the seed, needs more. */
function replayCommand(path: string, seed: string, { keysDir, outDir, server }: RunOptions): string {
  const recorded = server === undefined || outDir === undefined ? undefined : recordFiles(outDir).traceFile;
  const options = [shellOption("seed", seed), shellOption("keys", keysDir), shellOption("from", recorded)];
  return `npx otabench run ${shellWord(path)}${options.join("")}`;
}

/** With "=" where the value could be taken for an option. */
const shellOption = (name: string, value: string | undefined): string =>
  value === undefined ? "" : ` --${name}${value.startsWith("-") ? "=" : " "}${shellWord(value)}`;

/** As a POSIX shell takes it for one word. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

type RecordFiles = Pick<RunReport, "traceFile" | "captureFile" | "candumpFile">;

const recordFiles = (outDir: string): Required<RecordFiles> => ({
  traceFile: join(outDir, "trace.otbtrace"),
  captureFile: join(outDir, "capture.pcapng"),
  candumpFile: join(outDir, "candump.log"),
});

/** The trace, and the two forms of it that other people's tools read. */
function writeRecords(
  run: ScenarioRun,
  vehicle: Vehicle,
  { path, seed }: { path: string; seed: string },
  { traceFile, captureFile, candumpFile }: RecordFiles,
): void {
  if (traceFile === undefined || captureFile === undefined || candumpFile === undefined) return;
  const { trace } = run.bench.world;
  const nodes = [vehicle.vehicleGateway, ...vehicle.zones.map(({ gateway }) => gateway)];
  const addresses = Object.fromEntries(nodes.map(({ name, ip }) => [name, { ip }]));
  writePieces(captureFile, pcapngOfTrace(trace.events(), { addresses }));
  writePieces(candumpFile, candumpLines(framesOf(trace.events())));
  writeTraceFile(traceFile, { scenario: path, seed, otabench: otabenchVersion() }, trace.bytes());
}
