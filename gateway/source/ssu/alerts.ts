import { LinkError, PeerError } from "../../../emulator/kernel/errors.ts";
import type { ConnectionFailure } from "./connection-state.ts";

/** What is said when a secure stream ends, with the numbers of TLS where it has one. (RFC 8446, 6; docs/protocols/ssu.md, 7) */
export const AlertCode = {
  closeNotify: 0,
  unexpectedMessage: 10,
  badRecordMac: 20,
  recordOverflow: 22,
  handshakeFailure: 40,
  badCertificate: 42,
  unsupportedCertificate: 43,
  certificateRevoked: 44,
  certificateExpired: 45,
  certificateUnknown: 46,
  illegalParameter: 47,
  unknownCa: 48,
  decodeError: 50,
  decryptError: 51,
  insufficientSecurity: 71,
  internalError: 80,
  userCanceled: 90,
  unrecognizedName: 112,
  /** Of ours: the handshake took too long; the server has too many clients; CRL missing, not by the CA, or out of date. */
  handshakeTimeout: 200,
  tooBusy: 201,
  revocationUnknown: 202,
} as const;

export type AlertName = keyof typeof AlertCode;

/** "bad_record_mac (20)", or "alert 99" for a code that has no name. */
function alertText(code: number): string {
  const name = Object.entries(AlertCode).find(([, each]) => each === code)?.[0];
  return name === undefined
    ? `alert ${code}`
    : `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} (${code})`;
}

/** Thrown inside a handshake and sent as a fatal alert. */
export class Alert extends PeerError {
  override readonly code: string;
  override readonly clause = "docs/protocols/ssu.md, 6";
  readonly alert: AlertName;

  constructor(alert: AlertName, reason: string) {
    super(reason);
    this.alert = alert;
    this.code = `SSU_${alert.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
  }
}

/** Why a session has failed. `alert`: its code, sent or received. Plain data. */
export interface SessionFailure {
  readonly code:
    | ConnectionFailure["code"]
    | "SSU_ALERT_SENT"
    | "SSU_ALERT_RECEIVED"
    | "SSU_TRUNCATED"
    | "SSU_HANDSHAKE_TIMEOUT";
  readonly reason: string;
  readonly alert?: number;
}

/** The same as an error, for those who throw. */
export class SsuStreamError extends LinkError {
  /** Code of the alert that went or came, or that a reset brought. */
  readonly alert: number | undefined;

  constructor({ code, reason, alert }: SessionFailure) {
    super(code, alert === undefined ? reason : `${reason}: ${alertText(alert)}`);
    this.alert = alert;
  }
}
