import type { Certificate, Crypto } from "../../kernel/crypto.ts";
import type { Instant } from "../../kernel/time.ts";
import { toSeconds } from "../../kernel/time.ts";
import { Nrc } from "../../wire/uds.ts";
import type { CertificateExchange } from "./config.ts";

export type CheckedCertificate =
  | { readonly type: "good"; readonly certificate: Certificate }
  | { readonly type: "bad"; readonly nrc: Nrc };

const bad = (nrc: Nrc): CheckedCertificate => ({ type: "bad", nrc });

/**
 * Whether a certificate is one that this server takes: format, chain of trust, signature, time, type, content, scope,
 * revocation, in that order. (ISO 14229-1:2020, Table A.1, 0x50 to 0x57)
 * @param authorities who may have issued it: X.509, DER
 * @param use a client's own, or that of an authority below a trusted one
 */
export function checkCertificate(
  data: Uint8Array,
  use: "client" | "authority",
  authorities: readonly Uint8Array[],
  config: CertificateExchange,
  crypto: Crypto,
  now: Instant,
): CheckedCertificate {
  const certificate = crypto.readCertificate(data);
  if (certificate === undefined) return bad(Nrc.CertificateInvalidFormat);
  const issuers = authorities
    .map((authority) => crypto.readCertificate(authority))
    .filter((authority) => authority?.authority === true && authority.subject === certificate.issuer);
  if (issuers.length === 0) return bad(Nrc.CertificateInvalidChainOfTrust);
  if (!issuers.some((issuer) => issuer !== undefined && crypto.certificateSignedBy(data, issuer.publicKey))) {
    return bad(Nrc.CertificateInvalidSignature);
  }
  const date = config.date + toSeconds(now);
  if (date < certificate.validFrom || date > certificate.validTo) return bad(Nrc.CertificateInvalidTimePeriod);
  if (certificate.authority !== (use === "authority")) return bad(Nrc.CertificateInvalidType);
  if (certificate.algorithm === undefined) return bad(Nrc.CertificateInvalidContent);
  const { organization, revoked = [] } = config;
  if (organization !== undefined && certificate.organization !== organization) {
    return bad(Nrc.CertificateInvalidScope);
  }
  if (revoked.includes(certificate.serialNumber)) return bad(Nrc.CertificateInvalid);
  return { type: "good", certificate };
}
