import type { Stateful } from "../../../emulator/kernel/machine.ts";

/**
 * The cryptography of SRUP, which hil/ brings. Keys are PEM texts: SubjectPublicKeyInfo for public keys, PKCS#1 or PKCS#8
 * for private ones; RSA of any size unless said otherwise. Total: with a key that can't be read nothing verifies, and the
 * rest is undefined.
 */
export interface SrupCrypto {
  sha256(data: Uint8Array): Uint8Array;
  /** Modulus of a public or private key, bytes. */
  modulusLength(key: string): number | undefined;
  /** RSASSA-PKCS1-v1_5 with SHA-256; the same key and data give the same signature. */
  sign(privateKey: string, data: Uint8Array): Uint8Array | undefined;
  /** A signature of another length than the modulus never verifies. */
  verify(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Ed25519 (RFC 8032, 5.1: 64 bytes) or ML-DSA-65 (FIPS 204, 5.2, with an empty context: 3309 bytes), whichever the key is
   * for, and nothing else; the same key and data give the same signature. @param privateKey PKCS#8, ML-DSA with its seed
   */
  signByKind(privateKey: string, data: Uint8Array): Uint8Array | undefined;
  /** A signature of another length than the key's kind has never verifies. */
  verifyByKind(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean;
  /** RSASSA-PSS with SHA-256, MGF1 with SHA-256, and the longest salt that fits; for the key exchange only. */
  signPss(privateKey: string, data: Uint8Array): Uint8Array | undefined;
  /** Insists on the longest salt. */
  verifyPss(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean;
  /** RSA without padding. @param block as long as the modulus */
  rsaPublic(publicKey: string, block: Uint8Array): Uint8Array | undefined;
  /** RSA without padding. @param block as long as the modulus */
  rsaPrivate(privateKey: string, block: Uint8Array): Uint8Array | undefined;
  /** AES-256-CBC without padding. @param key 32 bytes @param iv 16 bytes @param blocks a multiple of 16 bytes */
  aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array;
  aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array;
}

/** Where tokens, one-time values and keys of envelopes come from: a seeded Prng on the bench, the system's source elsewhere. */
export interface RandomBytes extends Stateful<unknown> {
  bytes(length: number): Uint8Array;
}
