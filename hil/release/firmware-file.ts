import { readFileSync } from "node:fs";
import { type Firmware, type FirmwareOptions, readFirmware } from "./firmware.ts";
import { FirmwareError } from "./firmware-error.ts";

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
    return readFirmware(bytes, options);
  } catch (cause) {
    if (cause instanceof FirmwareError) throw new FirmwareError(cause.code, `${path}: ${cause.message}`, { cause });
    throw cause;
  }
}
