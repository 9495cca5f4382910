import { type BenchError, LinkError, PeerError } from "../../emulator/kernel/errors.ts";

/** Why a look or a fetch came to nothing, and whether the same again may succeed later. */
export interface SourceFailure {
  readonly error: BenchError;
  readonly retryable: boolean;
}

/** What the codes of {@link LinkError}s of update sources mean. */
export type SourceErrorCode =
  /** No connection, or none that lasted until the first answer. */
  | "SOURCE_UNREACHABLE"
  /** The connection was lost with the fetch under way; what was received is good. */
  | "SOURCE_INTERRUPTED"
  /** The server's certificate does not lead to the given CA, is not for this host, or is out of its time. */
  | "SOURCE_UNTRUSTED"
  /** No common TLS version or cipher suite. */
  | "SOURCE_TLS"
  /** What was offered is not there any more. */
  | "SOURCE_GONE"
  /** What was offered became something else, twice. */
  | "SOURCE_CHANGED"
  | "SOURCE_EMPTY"
  | "SOURCE_TOO_LARGE"
  /** The server sends us elsewhere; that is not followed, since the other place may be anyone's. */
  | "SOURCE_REDIRECTED"
  | "SOURCE_HTTP_STATUS"
  /** The server offers what is not newer than what the device has. */
  | "SOURCE_DOWNGRADE"
  /** The server speaks a version of the protocol that is not known, or not the device's. */
  | "SOURCE_VERSION_UNKNOWN"
  /** Connected, and no answer: that is how a server of the original rejects a device, or says that nothing is newer. */
  | "SOURCE_SILENT"
  /** The server said that it can't go on. */
  | "SOURCE_ENDED"
  /** The server does not trust the device's certificate, or wants one. */
  | "SOURCE_DEVICE_REFUSED"
  /** What came is not what the server's signed message names by its digest; the server has been told. */
  | "SOURCE_DIGEST"
  /** What the system needs can't be had on this machine. */
  | "SOURCE_UNSUPPORTED"
  | "SOURCE_FAILED";

/** The server's answer is against the protocol. Nothing of it has been used. */
class SourceProtocolError extends PeerError {
  override readonly code: string = "SOURCE_PROTOCOL";
  override readonly clause: string;

  constructor(reason: string, clause: string) {
    super(reason);
    this.clause = clause;
  }
}

export const failure = (code: SourceErrorCode, reason: string, retryable: boolean): SourceFailure => ({
  error: new LinkError(code, reason),
  retryable,
});

export const protocolFailure = (reason: string, clause: string): SourceFailure => ({
  error: new SourceProtocolError(reason, clause),
  retryable: false,
});

/**
 * The failure that a `failed` answer of the host means.
 * @param begun something of this fetch had come already @param clause where the protocol stands that may have been broken
 */
export function hostFailure(code: string, reason: string, begun: boolean, clause: string): SourceFailure {
  switch (code) {
    case "HOST_REFUSED":
    case "HOST_TIMEOUT":
    case "HOST_RESET":
      return failure(begun ? "SOURCE_INTERRUPTED" : "SOURCE_UNREACHABLE", reason, true);
    case "HOST_TLS_UNTRUSTED":
      return failure("SOURCE_UNTRUSTED", reason, false);
    case "HOST_TLS":
      return failure("SOURCE_TLS", reason, false);
    case "HOST_SILENT":
      return failure("SOURCE_SILENT", reason, false);
    case "HOST_PROTOCOL":
      return protocolFailure(reason, clause);
    case "HOST_PEER":
      return failure("SOURCE_ENDED", reason, true);
    case "HOST_DEVICE_REFUSED":
      return failure("SOURCE_DEVICE_REFUSED", reason, false);
    case "HOST_DIGEST":
      return failure("SOURCE_DIGEST", reason, false);
    case "HOST_UNSUPPORTED":
      return failure("SOURCE_UNSUPPORTED", reason, false);
    case "HOST_BODY_TOO_LONG":
      return failure("SOURCE_TOO_LARGE", reason, false);
    default:
      return failure("SOURCE_FAILED", `${code}: ${reason}`, false);
  }
}

/** The failure that a status other than those expected means. (RFC 9110, 15) */
export function statusFailure(status: number): SourceFailure {
  if (status === 404 || status === 410) return failure("SOURCE_GONE", `the server answers ${status}`, false);
  if (status >= 300 && status < 400) {
    return failure("SOURCE_REDIRECTED", `the server answers ${status}; redirections are not followed`, false);
  }
  const passing = status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
  return failure("SOURCE_HTTP_STATUS", `the server answers ${status}`, passing);
}
