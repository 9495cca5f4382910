/** The cryptography of a secure stream, handed in from outside. Every call is synchronous. */
export interface SsuCrypto {
  /** From the system's source of randomness; from a seed in a bench run. */
  random(length: number): Uint8Array;
  /** 32 bytes. (FIPS 180-4) */
  sha256(data: Uint8Array): Uint8Array;
  /** 32 bytes. (RFC 2104) */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** The public key of a private one, both 32 bytes. (RFC 7748, 6.1) */
  x25519Public(privateKey: Uint8Array): Uint8Array;
  /** @returns the shared secret, 32 bytes; undefined for a public key that gives none (RFC 7748, 6.1: all zero) */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** AES-256-GCM (NIST SP 800-38D). @param key 32 bytes @param nonce 12 bytes @returns ciphertext and tag of 16 bytes */
  seal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array;
  /** The reverse of `seal`. @returns undefined when anything was changed */
  open(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}
