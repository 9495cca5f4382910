import { FirmwareError } from "./firmware-error.ts";
import { readIntelHex } from "./intel-hex.ts";
import { joinRecords } from "./memory-records.ts";
import { readSRecords } from "./s-record.ts";

export type FirmwareFormat = "intel-hex" | "s-record" | "raw";

/** The contents of a firmware file. */
export interface Firmware {
  readonly format: FirmwareFormat;
  /** Address of the first byte; 0 for raw files, which have none. */
  readonly baseAddress: number;
  /** From the lowest address to the highest, gaps filled with FF. */
  readonly data: Uint8Array;
}

export interface FirmwareOptions {
  /** Left out: by the first line. */
  readonly format?: FirmwareFormat;
  /** What it is when the first line is no record. Left out: raw. */
  readonly fallback?: FirmwareFormat;
  /** From the lowest address to the highest, bytes. Left out: 16 MiB. */
  readonly sizeMax?: number;
}

const SIZE_MAX = 16 * 1024 * 1024;

/**
 * Reads Intel HEX, S-records or a raw image.
 * @throws {FirmwareError} FIRMWARE_EMPTY, FIRMWARE_TOO_LARGE, and for the two text formats FIRMWARE_MALFORMED,
 *   FIRMWARE_CHECKSUM, FIRMWARE_TRUNCATED, FIRMWARE_OVERLAP
 */
export function readFirmware(bytes: Uint8Array, options: FirmwareOptions = {}): Firmware {
  const { fallback = "raw", sizeMax = SIZE_MAX } = options;
  const { format = detectFormat(bytes, fallback) } = options;
  if (format === "raw") {
    if (bytes.length === 0) throw new FirmwareError("FIRMWARE_EMPTY", "no data in the file");
    if (bytes.length > sizeMax)
      throw new FirmwareError("FIRMWARE_TOO_LARGE", `${bytes.length} bytes, at most ${sizeMax}`);
    return { format, baseAddress: 0, data: new Uint8Array(bytes) };
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const records = format === "intel-hex" ? readIntelHex(text) : readSRecords(text);
  return { format, ...joinRecords(records, sizeMax) };
}

/** By the first line that is not blank: a whole record of one of the text formats, or else what it is by its name. */
function detectFormat(bytes: Uint8Array, fallback: FirmwareFormat): FirmwareFormat {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LINE_LENGTH_MAX)).toString("latin1");
  const first = /^\s*([^\r\n]*)/.exec(start)?.[1]?.trim() ?? "";
  if (/^:(?:[0-9A-Fa-f]{2}){5,}$/.test(first)) return "intel-hex";
  if (/^S[0-9](?:[0-9A-Fa-f]{2}){4,}$/.test(first)) return "s-record";
  if (start.startsWith(ELF_MAGIC))
    throw new FirmwareError("FIRMWARE_MALFORMED", "an ELF file; objcopy makes of it what goes into flash");
  return fallback;
}

const ELF_MAGIC = "\u007fELF";

/** The longest line of either format has 521 characters; blank ones may stand before it. */
const LINE_LENGTH_MAX = 1024;
