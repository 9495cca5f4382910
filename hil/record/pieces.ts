import { closeSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { LinkError } from "../../emulator/kernel/errors.ts";
import { makeFolder } from "./claim.ts";
import { FileError } from "./record-error.ts";

const BUFFER_LENGTH = 1 << 18;

const said = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * Writes a file piece by piece through one buffer; folders on the way are made. The file appears under its name when it
 * is whole: whatever goes wrong before, also in `pieces`, leaves what was there.
 * @returns its length in bytes
 * @throws {FileError} when it can't be made there @throws {LinkError} when it can't be written to the end
 */
export function writePieces(path: string, pieces: Iterable<Uint8Array | string>): number {
  const partial = `${path}.part`;
  let file: number;
  try {
    makeFolder(dirname(path));
    file = openSync(partial, "w");
  } catch (cause) {
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${said(cause)}`, { cause });
  }
  try {
    const length = pour(file, path, pieces);
    closeSync(file);
    move(partial, path);
    return length;
  } catch (error) {
    try {
      closeSync(file);
    } catch {
      // it was closed already
    }
    rmSync(partial, { force: true });
    throw error;
  }
}

function move(partial: string, path: string): void {
  try {
    renameSync(partial, path);
  } catch (cause) {
    throw new FileError("FILE_UNWRITABLE", `can't write ${path}: ${said(cause)}`, { cause });
  }
}

function pour(file: number, path: string, pieces: Iterable<Uint8Array | string>): number {
  const buffer = new Uint8Array(BUFFER_LENGTH);
  const encoder = new TextEncoder();
  let filled = 0;
  let length = 0;
  const flush = (bytes: Uint8Array): void => {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    } catch (cause) {
      throw new LinkError("FILE_WRITE_FAILED", `can't write ${path} to its end: ${said(cause)}`, { cause });
    }
  };
  for (const piece of pieces) {
    const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
    length += bytes.length;
    if (filled + bytes.length > BUFFER_LENGTH) {
      flush(buffer.subarray(0, filled));
      filled = 0;
    }
    if (bytes.length > BUFFER_LENGTH) {
      flush(bytes);
    } else {
      buffer.set(bytes, filled);
      filled += bytes.length;
    }
  }
  flush(buffer.subarray(0, filled));
  return length;
}

/** Reads a file piece by piece. Each piece is good until the next is asked for. @throws {FileError} */
export function* readPieces(path: string): Generator<Uint8Array> {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const buffer = new Uint8Array(BUFFER_LENGTH);
    for (let length = read(file, buffer, path); length > 0; length = read(file, buffer, path)) {
      yield buffer.subarray(0, length);
    }
  } catch (cause) {
    if (file !== undefined) throw cause;
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${said(cause)}`, { cause });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function read(file: number, buffer: Uint8Array, path: string): number {
  try {
    return readSync(file, buffer);
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${said(cause)}`, { cause });
  }
}

/** The lines of a text, without their ends. @param lineMax longer lines are cut there, characters */
export function* linesOf(pieces: Iterable<Uint8Array>, lineMax = 4096): Generator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = (lines.pop() as string).slice(0, lineMax);
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
