import { PeerError } from "../../emulator/kernel/errors.ts";
import { Nrc, nrcText } from "../../emulator/wire/uds.ts";

/**
 * An ECU said no. The code is "NRC_" and the name of the code, such as "NRC_SECURITY_ACCESS_DENIED"; a code without a
 * name is "NEGATIVE_RESPONSE".
 */
export class NegativeResponseError extends PeerError {
  override readonly code: string;
  override readonly clause = "ISO 14229-1:2020, Table A.1";
  /** The service that was asked for. */
  readonly sid: number;
  readonly nrc: number;

  constructor(sid: number, nrc: number) {
    super(`service 0x${sid.toString(16).padStart(2, "0")}: ${nrcText(nrc)}`);
    this.sid = sid;
    this.nrc = nrc;
    const name = Object.entries(Nrc).find(([, code]) => code === nrc)?.[0];
    this.code = name === undefined ? "NEGATIVE_RESPONSE" : `NRC${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
  }
}

export type UdsResponseErrorCode =
  /** A response that is too short, or a negative one that names no service. */
  | "UDS_RESPONSE_MALFORMED"
  /** Our own request came back: two nodes with one identifier, or a loop in the wiring. */
  | "UDS_ECHO"
  /** The ECU answers 0x78 without end. */
  | "UDS_PENDING_TOO_LONG";

/** What an ECU answered is no answer. */
export class UdsResponseError extends PeerError {
  override readonly code: UdsResponseErrorCode;
  override readonly clause: string;

  constructor(code: UdsResponseErrorCode, reason: string, clause = "ISO 14229-1:2020, 8.4") {
    super(reason);
    this.code = code;
    this.clause = clause;
  }
}
