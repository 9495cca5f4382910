import { UsageError } from "../../emulator/kernel/errors.ts";

export type FirmwareErrorCode =
  | "FIRMWARE_UNREADABLE"
  | "FIRMWARE_MALFORMED"
  | "FIRMWARE_CHECKSUM"
  | "FIRMWARE_TRUNCATED"
  | "FIRMWARE_OVERLAP"
  | "FIRMWARE_EMPTY"
  | "FIRMWARE_TOO_LARGE";

/** A firmware file that can't be used. */
export class FirmwareError extends UsageError {
  override readonly code: FirmwareErrorCode;

  constructor(code: FirmwareErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
