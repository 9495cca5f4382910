import { FirmwareError } from "./firmware-error.ts";

/** Bytes and where they belong. */
export interface MemoryRecord {
  readonly address: number;
  readonly data: Uint8Array;
  /** Of the file, counted from 1. */
  readonly line: number;
}

/** What erased flash reads as. */
const GAP_FILLER = 0xff;

/**
 * Puts records together to one piece, from the lowest address to the highest. Their order does not matter; gaps are
 * filled with FF.
 * @throws {FirmwareError} FIRMWARE_EMPTY, FIRMWARE_OVERLAP, FIRMWARE_TOO_LARGE
 */
export function joinRecords(
  records: readonly MemoryRecord[],
  sizeMax: number,
): { readonly baseAddress: number; readonly data: Uint8Array } {
  const sorted = records.filter((record) => record.data.length > 0).sort((a, b) => a.address - b.address);
  const first = sorted[0];
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) throw new FirmwareError("FIRMWARE_EMPTY", "no data in the file");
  const size = last.address + last.data.length - first.address;
  if (size > sizeMax) {
    const reason = `data from ${hex(first.address)} to ${hex(last.address)} spans ${size} bytes, at most ${sizeMax}`;
    throw new FirmwareError("FIRMWARE_TOO_LARGE", reason);
  }
  const data = new Uint8Array(size).fill(GAP_FILLER);
  let end = first.address;
  for (const record of sorted) {
    if (record.address < end) {
      const reason = `line ${record.line}: ${hex(record.address)} has been given already; data there ends at ${hex(end)}`;
      throw new FirmwareError("FIRMWARE_OVERLAP", reason);
    }
    data.set(record.data, record.address - first.address);
    end = record.address + record.data.length;
  }
  return { baseAddress: first.address, data };
}

/** Lines without their ends and without the blanks around them; a text may end in a control-Z. */
export function linesOf(text: string): readonly string[] {
  const end = text.trimEnd();
  return (end.endsWith(CONTROL_Z) ? end.slice(0, -1) : end).split(/\r\n|\n|\r/).map((line) => line.trim());
}

/** DOS tools end text files in it. */
const CONTROL_Z = "\u001a";

const hex = (address: number): string => `0x${address.toString(16).padStart(8, "0")}`;
