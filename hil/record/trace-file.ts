import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { readTrace, type TraceEvent } from "../../emulator/kernel/trace.ts";
import { writePieces } from "./pieces.ts";
import { FileError, RecordError } from "./record-error.ts";

/** The first eight bytes of every trace file. */
export const TRACE_MAGIC = "OTBTRACE";
export const TRACE_EXTENSION = ".otbtrace";
const VERSION = 1;
const CLAUSE = "docs/protocols/trace.md, file";
const Offset = { version: 8, metaLength: 12, recordLength: 16, digest: 24, meta: 56 } as const;
const META_LENGTH_MAX = 1 << 20;

/** Which run a trace is of. */
export interface TraceMeta {
  /** Path of the scenario file, as it was given. */
  readonly scenario: string;
  readonly seed: string;
  /** Version of otabench that wrote it. */
  readonly otabench: string;
}

export interface TraceFile {
  readonly meta: TraceMeta;
  /** What {@link Trace.bytes} answered at the end of the run. */
  readonly record: Uint8Array;
  /** See {@link traceDigest}. */
  readonly digest: string;
}

/** SHA-256 of a record, hexadecimal. Two runs are the same run if their digests are equal. */
export const traceDigest = (record: Uint8Array): string => createHash("sha256").update(record).digest("hex");

/** @returns the length of the file, bytes @throws {FileError} @throws {LinkError} */
export function writeTraceFile(path: string, meta: TraceMeta, record: Uint8Array): number {
  const text = new TextEncoder().encode(JSON.stringify(meta));
  const head = new Uint8Array(Offset.meta);
  const view = new DataView(head.buffer);
  head.set(new TextEncoder().encode(TRACE_MAGIC));
  view.setUint32(Offset.version, VERSION, true);
  view.setUint32(Offset.metaLength, text.length, true);
  view.setBigUint64(Offset.recordLength, BigInt(record.length), true);
  head.set(createHash("sha256").update(record).digest(), Offset.digest);
  return writePieces(path, [head, text, record]);
}

/** @throws {FileError} @throws {RecordError} for a file that is foreign, newer, cut off or damaged */
export function readTraceFile(path: string): TraceFile {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(path)); // no Buffer: it would have a JSON form of its own
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
  return decodeTraceFile(bytes);
}

/** @param bytes the whole file; the record in the result shares its memory @throws {RecordError} @internal for tests */
export function decodeTraceFile(bytes: Uint8Array): TraceFile {
  const magic = String.fromCharCode(...bytes.subarray(0, TRACE_MAGIC.length));
  if (!TRACE_MAGIC.startsWith(magic) || bytes.length === 0) {
    throw new RecordError("TRACE_FOREIGN", "this is no otabench trace", CLAUSE);
  }
  if (bytes.length < Offset.meta) throw truncated(bytes.length, Offset.meta);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(Offset.version, true);
  if (version !== VERSION) {
    throw new RecordError("TRACE_VERSION", `trace of version ${version}, this program reads ${VERSION}`, CLAUSE);
  }
  const metaLength = view.getUint32(Offset.metaLength, true);
  if (metaLength > META_LENGTH_MAX) {
    throw new RecordError("TRACE_DAMAGED", `${metaLength} bytes of JSON, at most ${META_LENGTH_MAX}`, CLAUSE);
  }
  const start = Offset.meta + metaLength;
  const end = start + Number(view.getBigUint64(Offset.recordLength, true));
  if (bytes.length < end) throw truncated(bytes.length, end);
  if (bytes.length > end) {
    throw new RecordError("TRACE_DAMAGED", `${bytes.length - end} bytes behind the end of the record`, CLAUSE);
  }
  const record = bytes.subarray(start, end);
  const digest = traceDigest(record);
  if (digest !== Buffer.from(bytes.subarray(Offset.digest, Offset.meta)).toString("hex")) {
    throw new RecordError("TRACE_DAMAGED", "the record does not have the digest that it was written with", CLAUSE);
  }
  return { meta: decodeMeta(bytes.subarray(Offset.meta, start)), record, digest };
}

/** The events of a file, one after the other. @throws {RecordError} where one can't be read */
export function* eventsOf(file: TraceFile): Generator<TraceEvent> {
  try {
    yield* readTrace(file.record);
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new RecordError("TRACE_DAMAGED", cause.message, CLAUSE, { cause });
  }
}

function decodeMeta(bytes: Uint8Array): TraceMeta {
  let meta: Partial<Record<keyof TraceMeta, unknown>> | null = null;
  try {
    meta = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // told below
  }
  const { scenario, seed, otabench } = meta ?? {};
  if (typeof scenario !== "string" || typeof seed !== "string" || typeof otabench !== "string") {
    throw new RecordError("TRACE_DAMAGED", "the JSON block lacks scenario, seed or otabench", CLAUSE);
  }
  return { scenario, seed, otabench };
}

const truncated = (length: number, expected: number): RecordError =>
  new RecordError("TRACE_TRUNCATED", `${length} of ${expected} bytes`, CLAUSE);
