#!/usr/bin/env node
// The command `otabench`: plain JavaScript for Node 20, which goes on in the Node that was installed with the package.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isNodeNewEnough, localNode, startFailure } from "./local-node.mjs";

const EXIT_INTERNAL = 3;
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** The sources in a checkout; what was built from them in an installed package. */
function mainPath() {
  const source = fileURLToPath(new URL("main.ts", import.meta.url));
  return existsSync(source) ? source : fileURLToPath(new URL("../../dist/hil/cli/main.js", import.meta.url));
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`otabench: NODE: ${message}\n`);
  process.exitCode = EXIT_INTERNAL;
}

/** @param {string} node */
function runIn(node) {
  // by the channel the child notices when this process is killed and can't tell it
  const stdio = /** @type {const} */ (["inherit", "inherit", "inherit", "ipc"]);
  const child = spawn(node, [mainPath(), ...process.argv.slice(2)], { stdio });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(startFailure(error.message)));
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? EXIT_INTERNAL;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

if (isNodeNewEnough()) {
  await import(pathToFileURL(mainPath()).href);
} else {
  const node = localNode();
  if ("missing" in node) {
    fail(node.missing);
  } else {
    const probe = spawnSync(node.path, ["--version"], { encoding: "utf8" });
    if (probe.status === 0) runIn(node.path);
    else fail(startFailure(probe.error?.message ?? probe.stderr));
  }
}
