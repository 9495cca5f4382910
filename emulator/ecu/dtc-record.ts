import type { DtcRecord } from "../uds/host-dtc.ts";
import type { DtcEntry } from "./dtc-entry.ts";

/** Everything of the DTC memory that outlives the power. */
export interface DtcContents {
  /** Counts events; those of the entries are taken from it. */
  readonly ordinal: number;
  readonly primary: ReadonlyMap<number, DtcEntry>;
  /** The user defined memory. */
  readonly user: ReadonlyMap<number, DtcEntry>;
}

export const NO_CONTENTS: DtcContents = { ordinal: 0, primary: new Map(), user: new Map() };

/** The data of one snapshot, bytes. */
export const SNAPSHOT_MAX = 64;
const SNAPSHOTS_MAX = 2;
const FORMAT = 1;
const HEAD_LENGTH = 9;
const ENTRY_LENGTH = 20;

/** The most that so many DTCs can take. */
export const contentsLengthMax = (dtcs: number): number =>
  HEAD_LENGTH + 2 * dtcs * (ENTRY_LENGTH + SNAPSHOTS_MAX * (2 + SNAPSHOT_MAX));

/** Big-endian. (docs/protocols/dtc.md, record) */
export function encodeContents({ ordinal, primary, user }: DtcContents): Uint8Array {
  const out: number[] = [FORMAT];
  uint(out, ordinal, 4);
  for (const entries of [primary, user]) {
    uint(out, entries.size, 2);
    for (const [code, entry] of entries) pushEntry(out, code, entry);
  }
  return Uint8Array.from(out);
}

function pushEntry(out: number[], code: number, entry: DtcEntry): void {
  uint(out, code, 3);
  out.push(entry.status, entry.occurrences, entry.aging, entry.failedCycles);
  out.push((entry.permanent ? 0x80 : 0) | entry.snapshots.length);
  uint(out, entry.firstFailed, 4);
  uint(out, entry.lastFailed, 4);
  uint(out, entry.confirmed, 4);
  for (const { number, data } of entry.snapshots) out.push(number, data.length, ...data);
}

function uint(out: number[], value: number, bytes: number): void {
  for (let byte = bytes - 1; byte >= 0; byte--) out.push(Math.floor(value / 2 ** (8 * byte)) & 0xff);
}

/** Total. @returns undefined for anything that {@link encodeContents} does not write */
export function decodeContents(data: Uint8Array): DtcContents | undefined {
  const reader = new Reader(data);
  if (reader.uint(1) !== FORMAT) return undefined;
  const ordinal = reader.uint(4);
  const primary = readEntries(reader);
  const user = readEntries(reader);
  return reader.over ? undefined : { ordinal, primary, user };
}

function readEntries(reader: Reader): ReadonlyMap<number, DtcEntry> {
  const entries = new Map<number, DtcEntry>();
  for (let left = reader.uint(2); left > 0 && !reader.over; left--) entries.set(reader.uint(3), readEntry(reader));
  return entries;
}

function readEntry(reader: Reader): DtcEntry {
  const [status, occurrences, aging, failedCycles] = [reader.uint(1), reader.uint(1), reader.uint(1), reader.uint(1)];
  const flags = reader.uint(1);
  const [firstFailed, lastFailed, confirmed] = [reader.uint(4), reader.uint(4), reader.uint(4)];
  const snapshots: DtcRecord[] = [];
  for (let left = flags & 0x7f; left > 0 && !reader.over; left--) {
    const number = reader.uint(1);
    snapshots.push({ number, data: reader.bytes(reader.uint(1)) });
  }
  const permanent = (flags & 0x80) !== 0;
  return { status, occurrences, aging, failedCycles, permanent, firstFailed, lastFailed, confirmed, snapshots };
}

/** Reads on behind the end as zeros, and says so. */
class Reader {
  readonly #data: Uint8Array;
  #offset = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get over(): boolean {
    return this.#offset > this.#data.length;
  }

  uint(bytes: number): number {
    let value = 0;
    for (const byte of this.bytes(bytes)) value = value * 0x100 + byte;
    return value;
  }

  bytes(length: number): Uint8Array {
    const from = this.#offset;
    this.#offset += length;
    return this.#data.slice(from, this.#offset);
  }
}
