import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { FileError } from "./record-error.ts";

const OWNER_ONLY = 0o600;

/**
 * Replaces a file: whenever power goes, there is all of the old one or all of the new one. What is under way is
 * `<path>.part`.
 * @param mode that of chmod; only its owner can read it, if left out @throws {FileError} FILE_UNWRITABLE
 */
export function writeDurably(path: string, data: Uint8Array, mode = OWNER_ONLY): void {
  const part = `${path}.part`;
  try {
    const file = openSync(part, "w", mode);
    try {
      fchmodSync(file, mode);
      for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Makes names that were given or taken away in a folder last. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } catch (cause) {
    // some file systems can't, and need not
    if ((cause as NodeJS.ErrnoException).code !== "EINVAL") throw cause;
  } finally {
    closeSync(file);
  }
}

/** @returns undefined when it is not there @throws {FileError} FILE_UNREADABLE */
export function readIfThere(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
