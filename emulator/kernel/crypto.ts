/** How an image or package is signed. */
export type SignatureAlgorithm = "ECDSA-P256-SHA256" | "Ed25519" | "ML-DSA-65" | "RSA-PKCS1-SHA256";

/**
 * The cryptography that the pure rooms need, handed in from outside. Every call is synchronous and total: a key or a
 * signature that cannot be read is `false`, never an exception.
 */
export interface Crypto {
  /** 32 bytes. (FIPS 180-4) */
  sha256(data: Uint8Array): Uint8Array;

  /**
   * @param publicKey SubjectPublicKeyInfo, DER (RFC 5280, 4.1.2.7)
   * @param signature ECDSA: r and s, 32 bytes each (IEEE P1363); Ed25519: 64 bytes (RFC 8032, 5.1.6); ML-DSA-65: 3309
   *   bytes, pure, with an empty context (FIPS 204, 5.2); RSA: as long as the modulus (RFC 8017, 8.2)
   */
  verify(algorithm: SignatureAlgorithm, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
