import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import type { FileFacts } from "../../../gateway/source/ssu/app-frames.ts";
import { isFileName } from "../../../gateway/source/ssu/file-name.ts";

/** A file that is being read: as it was when it was opened, whatever becomes of its name. */
export interface OpenFile {
  readonly facts: FileFacts;
  read(offset: number, length: number): Uint8Array;
  close(): void;
  /** No faster than that; as fast as it goes, if not given. */
  readonly bytesPerSecond?: number | undefined;
  /** A fetch of it from there on begins. @returns the byte that the stream is to end before; undefined: at its end */
  breaksOffAt?(from: number): number | undefined;
}

/** A file that a client sends. Nothing has the file's name before all of it is there and its digest is right. */
export interface Upload {
  /** Bytes that are there already, of an earlier try. */
  readonly offset: number;
  write(data: Uint8Array): void;
  /** @returns the name it has now; undefined when its digest is wrong: then it is thrown away */
  finish(): string | undefined;
  /** Keeps what is there for another try. */
  close(): void;
}

/** What a server has to give, and where it keeps what it is given. Every call is synchronous, and throws when the disk fails. */
export interface FileStore {
  list(): FileFacts[];
  /** @returns undefined for a name that there is no file of */
  open(name: string): OpenFile | undefined;
  /** @returns undefined when this very file is being sent already, and its sender was heard just now */
  receive(facts: FileFacts): Upload | undefined;
}

const PART_PREFIX = ".ssu-part-";
const PARTS_MAX = 16;
/** What nobody has gone on with for that long is thrown away. */
const PART_LIFETIME_MS = 24 * 3_600_000;
/** Who sends a file and was not heard for that long has gone, more likely than not: another one may go on with it. */
const SILENT_MS = 5000;
const HASH_PIECE = 1 << 20;
const RECEIVED_PREFIX = "received_";

/** Where an upload of that name is kept. */
export const receivedName = (name: string): string => `${RECEIVED_PREFIX}${name}`;

interface Receiving {
  heardAt: number;
  readonly leave: () => void;
}

/**
 * The plain files of one folder, by their names; not what is in folders below, behind links, or hidden. Uploads come in as
 * `received_<name>`. Digests are kept as long as size and time of a file do not change.
 */
export class FolderStore implements FileStore {
  readonly #folder: string;
  readonly #digests = new Map<string, { readonly key: string; readonly digest: Uint8Array }>();
  readonly #receiving = new Map<string, Receiving>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#forgetOldParts();
  }

  list(): FileFacts[] {
    this.#forgetOldParts();
    return readdirSync(this.#folder)
      .sort()
      .flatMap((name) => {
        const file = this.open(name);
        file?.close();
        return file === undefined ? [] : [file.facts];
      });
  }

  open(name: string): OpenFile | undefined {
    if (!isFileName(name)) return undefined;
    let fd: number;
    try {
      if (!lstatSync(join(this.#folder, name)).isFile()) return undefined; // never opens a pipe, which would block
      fd = openSync(join(this.#folder, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch {
      return undefined;
    }
    const facts = this.#factsOf(name, fd);
    if (facts === undefined) {
      closeSync(fd);
      return undefined;
    }
    return {
      facts,
      read(offset, length) {
        const data = new Uint8Array(length);
        return data.subarray(0, readSync(fd, data, 0, length, offset));
      },
      close: () => closeSync(fd),
    };
  }

  receive(facts: FileFacts): Upload | undefined {
    const part = `${PART_PREFIX}${Buffer.from(facts.digest).toString("hex")}-${facts.size}`;
    const before = this.#receiving.get(part);
    if (before !== undefined && performance.now() - before.heardAt < SILENT_MS) return undefined;
    before?.leave();
    this.#forgetOldParts(part);
    const path = join(this.#folder, part);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(path, flags, 0o600);
    let isOpen = true;
    const leave = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#receiving.delete(part);
      closeSync(fd);
    };
    const receiving: Receiving = { heardAt: performance.now(), leave };
    this.#receiving.set(part, receiving);
    let at = Math.min(fstatSync(fd).size, facts.size);
    ftruncateSync(fd, at);
    const hash = hashOf(fd, at);
    const mustBeOurs = (): void => {
      if (!isOpen) throw new LinkError("SSU_UPLOAD_TAKEN_OVER", "another client goes on with this file");
      receiving.heardAt = performance.now();
    };
    return {
      offset: at,
      write: (data) => {
        mustBeOurs();
        writeSync(fd, data, 0, data.length, at);
        hash.update(data);
        at += data.length;
      },
      finish: () => {
        mustBeOurs();
        leave();
        if (at !== facts.size || !hash.digest().equals(facts.digest)) {
          rmSync(path, { force: true });
          return undefined;
        }
        const name = receivedName(facts.name);
        renameSync(path, join(this.#folder, name));
        return name;
      },
      close: leave,
    };
  }

  #factsOf(name: string, fd: number): FileFacts | undefined {
    const status = fstatSync(fd);
    if (!status.isFile()) return undefined;
    const key = `${status.ino} ${status.size} ${status.mtimeMs}`;
    const known = this.#digests.get(name);
    const digest = known?.key === key ? known.digest : new Uint8Array(hashOf(fd, status.size).digest());
    this.#digests.set(name, { key, digest });
    return { name, size: status.size, digest };
  }

  /** No more than so many unfinished files are kept, and none for ever. @param besides the one that is about to go on */
  #forgetOldParts(besides?: string): void {
    const parts = readdirSync(this.#folder)
      .filter((name) => name.startsWith(PART_PREFIX) && name !== besides && !this.#receiving.has(name))
      .map((name) => ({ name, time: lstatSync(join(this.#folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => b.time - a.time);
    const oldest = Date.now() - PART_LIFETIME_MS;
    for (const [index, { name, time }] of parts.entries()) {
      if (index >= PARTS_MAX - 1 || time < oldest) rmSync(join(this.#folder, name), { force: true });
    }
  }
}

/** Of the first bytes of a file. */
function hashOf(fd: number, length: number): Hash {
  const hash = createHash("sha256");
  const piece = new Uint8Array(Math.min(HASH_PIECE, Math.max(1, length)));
  for (let at = 0; at < length; ) {
    const count = readSync(fd, piece, 0, Math.min(piece.length, length - at), at);
    if (count === 0) break; // it has become shorter
    hash.update(piece.subarray(0, count));
    at += count;
  }
  return hash;
}
