import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "./claim.ts";
import { FileError } from "./record-error.ts";

const OWNER_ONLY = 0o600;

/**
 * One JSON value in a file that is always whole: a new one is written beside it, synchronised, and takes its place in one
 * step. After a crash or a power cut the file holds what was written last or what was written before. It may hold keys, so
 * only its owner reads it. Without a path it is kept in memory.
 */
export class StateFile {
  readonly #path: string | undefined;
  #text: string | undefined;

  /** @throws {FileError} FILE_UNREADABLE when it is there and can't be read */
  constructor(path?: string) {
    this.#path = path;
    this.#text = path === undefined ? undefined : readText(path);
  }

  /** @returns undefined when nothing was ever written @throws {FileError} FILE_UNREADABLE when it is no JSON */
  read(): unknown {
    if (this.#text === undefined) return undefined;
    try {
      return JSON.parse(this.#text);
    } catch (cause) {
      throw new FileError("FILE_UNREADABLE", `${this.#path} holds no state`, { cause });
    }
  }

  /** On disk when this returns. @throws {FileError} FILE_UNWRITABLE */
  write(value: unknown): void {
    const text = `${JSON.stringify(value, undefined, 1)}\n`;
    if (text === this.#text) return;
    if (this.#path !== undefined) replace(this.#path, text);
    this.#text = text;
  }
}

function replace(path: string, text: string): void {
  try {
    makeFolder(dirname(path));
    const file = openSync(`${path}.new`, "w", OWNER_ONLY);
    try {
      // not writeSync, which may write less than all of it when the disk is full, and say so only by a number
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    const folder = openSync(dirname(path), "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (cause) {
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${(cause as Error).message}`, { cause });
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
