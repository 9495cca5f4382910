/** How an image or package is signed. */
export type SignatureAlgorithm = "ECDSA-P256-SHA256" | "Ed25519" | "ML-DSA-65" | "RSA-PKCS1-SHA256";

/** What an X.509 certificate says of itself; whether it is true is another question. (RFC 5280, 4.1) */
export interface Certificate {
  /** Distinguished names, each in one text. */
  readonly subject: string;
  readonly issuer: string;
  /** organizationName of the subject. */
  readonly organization: string | undefined;
  /** Hexadecimal digits, upper case. */
  readonly serialNumber: string;
  /** Unix time, seconds. */
  readonly validFrom: number;
  readonly validTo: number;
  /** May sign certificates. */
  readonly authority: boolean;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** What that key signs with; undefined for a key of another kind. */
  readonly algorithm: SignatureAlgorithm | undefined;
}

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

  /**
   * The same key and message give the same signature.
   * @param privateKey PKCS #8, DER (RFC 5958)
   * @returns as `verify` takes it; undefined when the key can't be read or is of another kind
   */
  sign(algorithm: SignatureAlgorithm, privateKey: Uint8Array, message: Uint8Array): Uint8Array | undefined;

  /** @param data X.509, DER @returns undefined when it can't be read, or when something follows it */
  readCertificate(data: Uint8Array): Certificate | undefined;

  /** Whether the signature of a certificate is by that key. @param data X.509, DER @param issuerKey SubjectPublicKeyInfo */
  certificateSignedBy(data: Uint8Array, issuerKey: Uint8Array): boolean;

  /** 32 bytes. (RFC 2104, FIPS 180-4) */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;

  /**
   * AES-128-GCM with a tag of 16 bytes. (NIST SP 800-38D)
   * @param key 16 bytes @param nonce 12 bytes; never twice with one key @param header protected, not encrypted
   * @returns ciphertext and tag
   */
  aesGcmSeal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array;

  /** The reverse of `aesGcmSeal`. @returns undefined when anything was changed */
  aesGcmOpen(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}
