import { PeerError } from "../../emulator/kernel/errors.ts";

export type UpdateErrorCode =
  /** The image is longer than the ECU's bank. */
  | "UPDATE_IMAGE_TOO_LARGE"
  /** Length and header of the image disagree, or it has no header. */
  | "UPDATE_IMAGE_MALFORMED"
  | "UPDATE_IMAGE_FOR_OTHER_ECU"
  | "UPDATE_IMAGE_FOR_OTHER_HARDWARE"
  | "UPDATE_ERASE_FAILED"
  /** The ECU has checked what was written and does not like it; its answer names the reason. */
  | "UPDATE_CHECK_FAILED"
  | "UPDATE_DEPENDENCIES_NOT_MET"
  | "UPDATE_REVERT_FAILED"
  | "UPDATE_COMMIT_FAILED"
  /** The ECU goes on answering as if it had not been reset. */
  | "UPDATE_RESET_FAILED"
  /** The ECU goes on answering one version, then another. */
  | "UPDATE_UNSTEADY";

/** An image does not fit an ECU, or the ECU refused it by the status of a routine. */
export class UpdateError extends PeerError {
  override readonly code: UpdateErrorCode;
  override readonly clause = "docs/protocols/ecu.md, programming sequence";

  constructor(code: UpdateErrorCode, reason: string) {
    super(reason);
    this.code = code;
  }
}
