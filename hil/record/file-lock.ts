import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FileError } from "./record-error.ts";

const RETRY_MS = 20;

/**
 * Runs something that no other process may do at the same time. A lock whose process is no more, such as after a power
 * cut, does not count.
 * @param path of the lock file @param waitMs how long to wait for another one, wall milliseconds
 * @throws {FileError} FILE_LOCKED while another one works; FILE_UNWRITABLE
 */
export async function exclusively<Result>(
  path: string,
  waitMs: number,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const own = holderText(process.pid);
  const deadline = performance.now() + waitMs;
  for (;;) {
    if (take(path, own)) break;
    const holder = readHolder(path);
    if (holder !== undefined && !isAlive(holder)) removeStale(path, holder);
    if (take(path, own)) break;
    if (performance.now() >= deadline) {
      const who = holder?.split(" ")[0] ?? "that can't be seen";
      throw new FileError("FILE_LOCKED", `process ${who} works on this (${path})`);
    }
    await sleep(RETRY_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path: string, own: string): boolean {
  // made beside it and linked, so that nobody reads a lock that is half written
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, own, { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new FileError("FILE_UNWRITABLE", `can't lock ${path}: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(draft, { force: true });
  }
}

function readHolder(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Two processes may find the same lock stale: whoever moved a new one away by mistake puts it back. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== stale) linkSync(aside, path);
  } catch {
    // somebody else was first
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Number of the process, and when it was started where the system tells, since numbers are used again. */
const holderText = (pid: number): string => `${pid} ${startOf(pid)}`;

function startOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function isAlive(holder: string): boolean {
  const [pid = "", start = ""] = holder.split(" ");
  if (!/^[1-9]\d*$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM";
  }
  return start === "" || start === startOf(Number(pid));
}
