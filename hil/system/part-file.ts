import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Offer } from "../../gateway/source/update-source.ts";
import { makeFolder } from "../record/claim.ts";
import { syncFolder } from "../record/durable-file.ts";
import { exclusively } from "../record/file-lock.ts";
import { FileError } from "../record/record-error.ts";

/**
 * A file that is being fetched: it has its name only when it is whole and has been found good. Until then it is
 * `<name>.part`, and `<name>.part.json` says of which content that is the beginning.
 */
export class PartFile {
  readonly path: string;
  readonly #out: string;
  readonly #file: number;
  #length: number;

  /**
   * Nobody else fetches to that name meanwhile: two who write one part would make a file of neither.
   * @throws {FileError} FILE_LOCKED, FILE_UNWRITABLE
   */
  static async alone<Result>(out: string, work: () => Promise<Result>): Promise<Result> {
    try {
      makeFolder(dirname(out));
      if (statSync(out, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error("it is a folder");
    } catch (cause) {
      throw unwritable(out, cause);
    }
    return await exclusively(`${out}.part.lock`, 0, work);
  }

  /**
   * Goes on with what an earlier run left behind, if it is of the same content of the same server.
   * @throws {FileError} FILE_UNWRITABLE
   */
  constructor(out: string, server: string, offer: Offer) {
    this.#out = out;
    this.path = `${out}.part`;
    const content = JSON.stringify({ server, ...offer });
    const goesOn = offer.validator !== undefined && readText(`${this.path}.json`) === content && existsSync(this.path);
    try {
      if (!goesOn) rmSync(this.path, { force: true });
      writeFileSync(`${this.path}.json`, content);
      this.#file = openSync(this.path, goesOn ? "r+" : "w+");
      this.#length = goesOn ? Math.min(statSync(this.path).size, offer.size ?? Number.POSITIVE_INFINITY) : 0;
    } catch (cause) {
      throw unwritable(out, cause);
    }
  }

  /** The byte that is missing first. */
  get length(): number {
    return this.#length;
  }

  /** What was behind `offset` is forgotten. @throws {FileError} */
  write(offset: number, data: Uint8Array): void {
    try {
      if (offset < this.#length) ftruncateSync(this.#file, offset);
      let done = 0;
      while (done < data.length) done += writeSync(this.#file, data, done, data.length - done, offset + done);
      this.#length = offset + data.length;
    } catch (cause) {
      throw unwritable(this.#out, cause);
    }
  }

  bytes(): Uint8Array {
    return new Uint8Array(readFileSync(this.path));
  }

  /** It is whole and good. @throws {FileError} */
  finish(): void {
    try {
      fsyncSync(this.#file);
      closeSync(this.#file);
      renameSync(this.path, this.#out);
      syncFolder(dirname(this.#out));
      rmSync(`${this.path}.json`, { force: true });
    } catch (cause) {
      throw unwritable(this.#out, cause);
    }
  }

  /** What has come is kept for the next time. */
  keep(): void {
    closeSync(this.#file);
  }

  /** What has come is of no use. */
  drop(): void {
    closeSync(this.#file);
    for (const path of [this.path, `${this.path}.json`]) rmSync(path, { force: true });
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const unwritable = (path: string, cause: unknown): FileError =>
  new FileError("FILE_UNWRITABLE", `can't write ${path}: ${(cause as Error).message}`, { cause });
