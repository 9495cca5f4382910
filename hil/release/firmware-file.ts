import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { type Firmware, type FirmwareFormat, type FirmwareOptions, readFirmware } from "./firmware.ts";
import { FirmwareError } from "./firmware-error.ts";

/** What a name promises is no raw image, however broken it is. */
const FORMATS: Readonly<Record<string, FirmwareFormat>> = {
  ".hex": "intel-hex",
  ".ihex": "intel-hex",
  ".ihx": "intel-hex",
  ".mot": "s-record",
  ".s19": "s-record",
  ".s28": "s-record",
  ".s37": "s-record",
  ".srec": "s-record",
};

/** @throws {FirmwareError} FIRMWARE_UNREADABLE, and whatever {@link readFirmware} says, with the path in front */
export function readFirmwareFile(path: string, options: FirmwareOptions = {}): Firmware {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirmwareError("FIRMWARE_UNREADABLE", `${path} can't be read: ${reason}`, { cause });
  }
  try {
    const fallback = FORMATS[extname(path).toLowerCase()];
    return readFirmware(bytes, { ...(fallback === undefined ? {} : { fallback }), ...options });
  } catch (cause) {
    if (cause instanceof FirmwareError) throw new FirmwareError(cause.code, `${path}: ${cause.message}`, { cause });
    throw cause;
  }
}
