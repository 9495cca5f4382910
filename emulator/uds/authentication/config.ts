import type { SignatureAlgorithm } from "../../kernel/crypto.ts";

/** A key pair's private half. */
interface PrivateKey {
  readonly algorithm: SignatureAlgorithm;
  /** PKCS #8, DER. */
  readonly key: Uint8Array;
}

/** Authentication with exchange of certificates. (APCE; ISO 14229-1:2020, 10.6.2) */
export interface CertificateExchange {
  /** Authorities whose certificates are taken: X.509, DER. */
  readonly trusted: readonly Uint8Array[];
  /** Unix time at the beginning of the run, seconds: virtual time has no date of its own. */
  readonly date: number;
  /** organizationName that a client's certificate must have. */
  readonly organization?: string;
  /** Serial numbers that are not taken any more: hexadecimal digits, upper case. */
  readonly revoked?: readonly string[];
  /** The server's own, for bidirectional authentication; its certificate is X.509, DER. */
  readonly own?: PrivateKey & { readonly certificate: Uint8Array };
}

/** Authentication with challenge and response, without certificates. (ACR; ISO 14229-1:2020, 10.6.3) */
export type ChallengeResponse =
  | { readonly type: "symmetric"; readonly key: Uint8Array }
  | {
      readonly type: "asymmetric";
      /** SubjectPublicKeyInfo, DER; ECDSA P-256. */
      readonly clientKey: Uint8Array;
      /** For bidirectional authentication. */
      readonly own?: PrivateKey;
    };

/** What a server has of 0x29. Plain data. */
export interface AuthenticationConfig {
  /** Services that are answered with NRC 0x34 until the client is authenticated. */
  readonly services: readonly number[];
  readonly certificates?: CertificateExchange;
  readonly challengeResponse?: ChallengeResponse;
}
