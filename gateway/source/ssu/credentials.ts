import type { AlertName } from "./alerts.ts";

/** How the server signs, with the numbers of TLS. (RFC 8446, 4.2.3) */
export const SignatureScheme = { EcdsaP256Sha256: 0x0403, RsaPssSha256: 0x0804, Ed25519: 0x0807 } as const;
export type SignatureScheme = (typeof SignatureScheme)[keyof typeof SignatureScheme];

/** Who a server is. */
export interface SsuIdentity {
  /** DER, the server's own certificate first, each of the others signs the one before it. */
  readonly chain: readonly Uint8Array[];
  readonly scheme: SignatureScheme;
  /** With the private key of the first certificate. */
  sign(message: Uint8Array): Uint8Array;
}

/** Whom a client believes. */
export interface SsuTrust {
  /** Chain, dates, purpose, name and revocation. @param chain DER @returns why not; undefined when all is right */
  check(chain: readonly Uint8Array[], name: string): { readonly alert: AlertName; readonly reason: string } | undefined;
  /** @returns false as well for a key that does not fit the scheme */
  verify(certificate: Uint8Array, scheme: number, message: Uint8Array, signature: Uint8Array): boolean;
  /** Unix time, seconds. */
  now(): number;
}

/** What a client keeps of a session, to resume it. Plain data; `psk` is a secret. */
export interface SsuTicket {
  readonly serverName: string;
  /** For the server only. */
  readonly ticket: Uint8Array;
  readonly psk: Uint8Array;
  /** Unix time, seconds. */
  readonly expiresAt: number;
  /** How much the server takes before the handshake has ended, bytes; 0: nothing. */
  readonly earlyMax: number;
  /** The server's certificates, to be checked anew before the ticket is used. */
  readonly chain: readonly Uint8Array[];
}
