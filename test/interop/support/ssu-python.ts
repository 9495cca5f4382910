import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { PYTHON3 } from "../../support/judges.ts";

/** The second implementation of docs/protocols/ssu.md. */
export const PEER = fileURLToPath(new URL("ssu/peer.py", import.meta.url));
export const CHECK_PAGE = fileURLToPath(new URL("ssu/check_page.py", import.meta.url));

interface Ended {
  readonly status: number;
  /** Both of its outputs. */
  readonly text: string;
}

/** Runs a Python program to its end. */
export function python(...args: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const child = execFile(PYTHON3, ["-B", ...args], { timeout: 60_000 }, (_error, stdout, stderr) => {
    resolve({ status: child.exitCode ?? -1, text: stdout + stderr });
  });
  return promise;
}

/** A Python server of these files. @param paths certificate, key, and the files */
export async function startPythonSsuServer(
  paths: readonly string[],
  ...options: readonly string[]
): Promise<{ port: number; process: ChildProcess }> {
  const child = spawn(PYTHON3, ["-B", PEER, "serve", ...paths, ...options], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { port: Number(line), process: child };
}
