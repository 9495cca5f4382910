import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { isFileName } from "../../gateway/source/ssu/file-name.ts";
import { SsuAppError, type SsuClient } from "../link/ssu/ssu-client.ts";

/** What became of one file. */
export interface Transferred {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  /** Where it was resumed; 0 from the beginning. */
  readonly from: number;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

const PIECE = 1 << 16;

/**
 * Fetches a file. What has come stays in a file beside it, which names the digest of the whole; so the next try goes on
 * where this one was cut off. The file itself is there when all of it is, and its digest is right.
 */
export async function fetchFile(client: SsuClient, name: string, path: string): Promise<Transferred> {
  const { digest, size } = await client.stat(name);
  const hex = Buffer.from(digest).toString("hex");
  const part = join(dirname(path), `.${basename(path)}.${hex.slice(0, 16)}.part`);
  const fd = openSync(part, "a+", 0o644);
  try {
    const hash = createHash("sha256");
    let from = fstatSync(fd).size;
    if (from > size) throw new SsuAppError("SSU_CHANGED", `${part} is longer than the file; remove it`);
    for (let at = 0; at < from; ) {
      const data = Buffer.alloc(Math.min(PIECE, from - at));
      at += readSync(fd, data, 0, data.length, at);
      hash.update(data);
    }
    const head = await client.get(name, from, digest);
    for await (const data of client.pieces(head)) {
      hash.update(data);
      writeSync(fd, data);
    }
    if (hash.digest("hex") !== hex) {
      rmSync(part, { force: true });
      throw new SsuAppError(
        "SSU_DIGEST",
        "the file is not the one that was announced; what came of it has been thrown away",
      );
    }
    from = head.offset;
    renameSync(part, path);
    return { name, path, size, from, digest: hex };
  } finally {
    closeSync(fd);
  }
}

/** Sends a file. @param as the name it is to have; its own if not given */
export async function sendFile(client: SsuClient, path: string, as: string | undefined): Promise<Transferred> {
  const name = as ?? basename(path).normalize("NFC");
  if (!isFileName(name)) throw new UsageError(`"${name}" is no name for a file on a server; see --as`);
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new UsageError(`${path} can't be read: ${(cause as Error).message}`, { cause });
  }
  try {
    const { size } = fstatSync(fd);
    const read = (offset: number, length: number): Uint8Array => {
      const data = new Uint8Array(length);
      return data.subarray(0, readSync(fd, data, 0, length, offset));
    };
    const hash = createHash("sha256");
    for (let at = 0; at < size; at += PIECE) hash.update(read(at, Math.min(PIECE, size - at)));
    const digest = new Uint8Array(hash.digest());
    const stored = await client.put({ name, size, digest }, read);
    return { name: stored.name, path, size, from: stored.offset, digest: Buffer.from(digest).toString("hex") };
  } finally {
    closeSync(fd);
  }
}
