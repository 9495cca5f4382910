import type { BringUp } from "../door/bring-up.ts";
import type { WriteEcuImage } from "../release/ecu-image.ts";
import type { PublishRelease } from "../scenario/publish-release.ts";
import type { RunScenario } from "../scenario/run-report.ts";
import type { PullRun } from "../system/pull-run.ts";
import type { Serve } from "../system/serve.ts";
import { runCli } from "./cli.ts";
import type { Command } from "./command.ts";
import { convertCommand } from "./convert-command.ts";
import type { DeviceParts } from "./device-command.ts";
import { deviceCommand, type RunDevice } from "./device-words.ts";
import { imageCommand } from "./image-command.ts";
import { keysCommand } from "./keys-command.ts";
import { publishCommand } from "./publish-command.ts";
import { pullCommand } from "./pull-command.ts";
import { runCommand } from "./run-command.ts";
import { serverCommand } from "./server-command.ts";
import { srupCommand } from "./srup-command.ts";
import { ssuCommand } from "./ssu-command.ts";
import { openTerminal } from "./terminal.ts";
import { upCommand } from "./up-command.ts";
import { otabenchVersion } from "./version.ts";

/** The bench is loaded when a scenario is run, so that the other commands start at once. */
const runScenario: RunScenario = async (path, options) => {
  const bench = await import("../scenario/run-scenario.ts");
  return bench.runScenario(path, options);
};

const publishRelease: PublishRelease = async (path, outDir, options) => {
  const bench = await import("../scenario/publish-release.ts");
  return bench.publishRelease(path, outDir, options);
};

const bringUp: BringUp = async (path, options) => {
  const bench = await import("../door/bring-up.ts");
  return bench.bringUp(path, options);
};

const writeEcuImage: WriteEcuImage = async (options) => {
  const release = await import("../release/ecu-image.ts");
  return release.writeEcuImage(options);
};

const serve: Serve = async (options) => {
  const system = await import("../system/serve.ts");
  return system.serve(options);
};

const pullRun: PullRun = async (options) => {
  const system = await import("../system/pull-run.ts");
  return system.pullRun(options);
};

const runSrup: Command["run"] = async (args, io) => {
  const parts = await import("./srup-parts.ts");
  return parts.runSrup(args, io);
};

const runDevice: RunDevice = async (args, io) => {
  const device = await import("./device-command.ts");
  const { wallCalendar } = await import("../device/calendar.ts");
  const terminal: DeviceParts["terminal"] = (output) => openTerminal(process.stdin, output);
  return device.runDevice(args, io, { calendar: wallCalendar, terminal });
};

// whoever reads our output may stop early, as `head` does
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

// started by otabench.mjs, which is gone when the channel is; the channel keeps nothing from ending
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();

process.exitCode = await runCli(
  {
    version: otabenchVersion(),
    commands: [
      runCommand(runScenario),
      upCommand(bringUp),
      publishCommand(publishRelease),
      imageCommand(writeEcuImage),
      keysCommand,
      convertCommand,
      ssuCommand,
      srupCommand(runSrup),
      serverCommand(serve),
      pullCommand(pullRun),
      deviceCommand(runDevice),
    ],
  },
  process.argv.slice(2),
  {
    stdout: process.stdout,
    stderr: process.stderr,
    isTty: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 80,
    now: () => performance.now(),
  },
);
