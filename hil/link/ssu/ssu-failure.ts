import { AlertCode, SsuStreamError } from "../../../gateway/source/ssu/alerts.ts";
import { type HostFailure, hostFailed } from "../http-failure.ts";
import { SsuAppError } from "./ssu-client.ts";

/** Alerts that say that the certificate is not to be believed. */
const UNTRUSTED: ReadonlySet<number | undefined> = new Set([
  AlertCode.badCertificate,
  AlertCode.unsupportedCertificate,
  AlertCode.certificateRevoked,
  AlertCode.certificateExpired,
  AlertCode.certificateUnknown,
  AlertCode.unknownCa,
  AlertCode.unrecognizedName,
  AlertCode.revocationUnknown,
]);
/** Of a server that refuses: what we want is not to be had there, now or later. */
const NO_USE: ReadonlySet<number | undefined> = new Set([AlertCode.handshakeFailure, AlertCode.insufficientSecurity]);

const STREAM: Readonly<Record<string, string>> = {
  SSU_UNREACHABLE: "HOST_TIMEOUT",
  SSU_REFUSED: "HOST_REFUSED",
  SSU_TIMEOUT: "HOST_TIMEOUT",
  SSU_HANDSHAKE_TIMEOUT: "HOST_TIMEOUT",
  SSU_RESET: "HOST_RESET",
  SSU_TRUNCATED: "HOST_RESET",
  SSU_DOWNGRADE: "HOST_TLS",
  SSU_ALERT_SENT: "HOST_TLS",
  SSU_ALERT_RECEIVED: "HOST_TLS",
};
/** The server says that it can't go on, this time. */
const APP: Readonly<Record<string, string>> = {
  SSU_ENDED: "HOST_RESET",
  SSU_CHANGED: "HOST_PEER",
  SSU_BUSY: "HOST_PEER",
  SSU_STORAGE: "HOST_PEER",
};

/** The failure that an error of a stream, or of what was said over it, means. */
export function failureOfStream(error: unknown): HostFailure {
  const { code = "", message } = error as Error & { code?: string };
  const text = `${code}: ${message}`;
  if (error instanceof SsuAppError) return hostFailed(APP[code] ?? "HOST_PROTOCOL", text);
  if (error instanceof SsuStreamError) {
    if (code === "SSU_ALERT_SENT" && UNTRUSTED.has(error.alert)) return hostFailed("HOST_TLS_UNTRUSTED", text);
    if (code === "SSU_REFUSED" && NO_USE.has(error.alert)) return hostFailed("HOST_TLS", text);
  }
  return hostFailed(STREAM[code] ?? "HOST_FAILED", text);
}
