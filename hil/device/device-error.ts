import { PeerError, UsageError } from "../../emulator/kernel/errors.ts";

type DeviceErrorCode =
  /** There is no such account, or it has another password. */
  | "LOGIN_WRONG"
  /** Too many wrong passwords; none is looked at until the delay has run. */
  | "LOGIN_LOCKED"
  /** The role of the account does not allow it. */
  | "ACTION_FORBIDDEN"
  | "ACCOUNT_INVALID"
  | "SCHEDULE_INVALID"
  /** A file of the state folder is not what this program wrote. */
  | "STATE_DAMAGED"
  | "STATE_EXISTS"
  | "STATE_MISSING"
  /** Another process works in the state folder. */
  | "STATE_LOCKED"
  /** A step that has to come before has not been done. */
  | "STEP_MISSING"
  /** The vehicle file, its keys or its seed are others than those that the kept vehicle was built from. */
  | "VEHICLE_CHANGED"
  | "INPUT_ENDED";

/** The device can't do what it is asked to, as things are. Nothing has changed. */
export class DeviceError extends UsageError {
  override readonly code: DeviceErrorCode;

  constructor(code: DeviceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A good release of the right signer, but one that this device has had before and has left behind. Nothing was used. */
export class ReplayError extends PeerError {
  override readonly code = "RELEASE_REPLAYED";
  override readonly clause = "docs/protocols/https.md, the device";
}
