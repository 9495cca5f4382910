import type { HostAnswer } from "../../gateway/source/host-request.ts";

export type HostFailure = Extract<HostAnswer, { type: "failed" }>;

export const hostFailed = (code: string, reason: string): HostFailure => ({ type: "failed", code, reason });

const REFUSED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"]);
const RESET = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);

/**
 * What X509_verify_cert_error_string's codes look like in Node, and a name that the certificate is not for. UNSPECIFIED are
 * all those that Node has no name for, such as an issuer that may not sign certificates.
 */
const UNTRUSTED =
  /^(?:CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|PATH_LENGTH_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|ERROR_IN_CERT_|UNSPECIFIED$|ERR_TLS_CERT_)/;
const TLS = /^(?:ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/;

/** The failure that an error of a socket, of TLS or of the HTTP parser means. */
export function failureOf(error: unknown): HostFailure {
  const { code, message } = describe(error);
  return hostFailed(hostCode(code), code === "" || message.includes(code) ? message : `${code}: ${message}`);
}

function hostCode(code: string): string {
  if (REFUSED.has(code)) return "HOST_REFUSED";
  if (RESET.has(code)) return "HOST_RESET";
  if (code === "ETIMEDOUT") return "HOST_TIMEOUT";
  if (UNTRUSTED.test(code)) return "HOST_TLS_UNTRUSTED";
  if (TLS.test(code)) return "HOST_TLS";
  if (code.startsWith("HPE_")) return "HOST_PROTOCOL";
  return "HOST_FAILED";
}

/** Of an AggregateError, which a host name with several addresses gives, the first one counts. */
function describe(error: unknown): { code: string; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return { code, message: error.message };
}
