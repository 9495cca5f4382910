import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import type { SignatureAlgorithm } from "../../emulator/kernel/crypto.ts";
import { UsageError } from "../../emulator/kernel/errors.ts";

/** A private key, what it signs with, and the key that others check with. */
export interface SigningKey {
  readonly algorithm: SignatureAlgorithm;
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

/** @throws {UsageError} KEY_UNFIT for a key that is neither ECDSA P-256 nor RSA of at least 2048 bits */
export function signingKey(privateKey: KeyObject): SigningKey {
  const spki = createPublicKey(privateKey.export({ format: "pem", type: "pkcs8" })).export({
    format: "der",
    type: "spki",
  });
  return { algorithm: algorithmOf(privateKey), privateKey, publicKey: new Uint8Array(spki) };
}

/**
 * Signs a message. The same key and message give the same signature: RSA PKCS#1 v1.5 has no random part, and the one of
 * ECDSA is derived from key and message. (RFC 6979)
 * @returns ECDSA: r and s, 32 bytes each (IEEE P1363); RSA: as long as the modulus
 */
export function signWith(key: SigningKey, message: Uint8Array): Uint8Array {
  switch (key.algorithm) {
    case "RSA-PKCS1-SHA256":
      return new Uint8Array(sign("sha256", message, key.privateKey));
    case "ECDSA-P256-SHA256": {
      const { d } = key.privateKey.export({ format: "jwk" });
      return p256.sign(message, new Uint8Array(Buffer.from(d as string, "base64url")), { lowS: false });
    }
  }
}

function algorithmOf(key: KeyObject): SignatureAlgorithm {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1") return "ECDSA-P256-SHA256";
  if (key.asymmetricKeyType === "rsa" && (details?.modulusLength ?? 0) >= 2048) return "RSA-PKCS1-SHA256";
  throw new KeyUnfitError(`a key of type ${key.asymmetricKeyType ?? key.type} can't sign here`);
}

class KeyUnfitError extends UsageError {
  override readonly code = "KEY_UNFIT";
}
