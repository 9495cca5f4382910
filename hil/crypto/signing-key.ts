import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import type { SignatureAlgorithm } from "../../emulator/kernel/crypto.ts";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { signMlDsa65 } from "./ml-dsa.ts";

/** A private key, what it signs with, and the key that others check with. */
export interface SigningKey {
  readonly algorithm: SignatureAlgorithm;
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

/** @throws {UsageError} KEY_UNFIT for a key that is none of ECDSA P-256, Ed25519, ML-DSA-65 and RSA of at least 2048 bits */
export function signingKey(privateKey: KeyObject): SigningKey {
  const spki = createPublicKey(privateKey.export({ format: "pem", type: "pkcs8" })).export({
    format: "der",
    type: "spki",
  });
  return { algorithm: algorithmOf(privateKey), privateKey, publicKey: new Uint8Array(spki) };
}

/**
 * Signs a message. The same key and message give the same signature: RSA PKCS#1 v1.5 and Ed25519 have no random part,
 * the one of ECDSA is derived from key and message (RFC 6979), and ML-DSA is the deterministic variant (FIPS 204, 3.4).
 * @returns in the form that `Crypto.verify` takes
 */
export function signWith(key: SigningKey, message: Uint8Array): Uint8Array {
  switch (key.algorithm) {
    case "RSA-PKCS1-SHA256":
      return new Uint8Array(sign("sha256", message, key.privateKey));
    case "Ed25519":
      return new Uint8Array(sign(null, message, key.privateKey));
    case "ML-DSA-65": {
      // node:crypto signs only with fresh randomness
      const { priv } = key.privateKey.export({ format: "jwk" }) as { priv?: string };
      return signMlDsa65(new Uint8Array(Buffer.from(priv as string, "base64url")), message);
    }
    case "ECDSA-P256-SHA256": {
      const { d } = key.privateKey.export({ format: "jwk" });
      return p256.sign(message, new Uint8Array(Buffer.from(d as string, "base64url")), { lowS: false });
    }
  }
}

function algorithmOf(key: KeyObject): SignatureAlgorithm {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1") return "ECDSA-P256-SHA256";
  if (key.asymmetricKeyType === "ed25519") return "Ed25519";
  if (key.asymmetricKeyType === "ml-dsa-65") return "ML-DSA-65";
  if (key.asymmetricKeyType === "rsa" && (details?.modulusLength ?? 0) >= 2048) return "RSA-PKCS1-SHA256";
  throw new KeyUnfitError(`a key of type ${key.asymmetricKeyType ?? key.type} can't sign here`);
}

class KeyUnfitError extends UsageError {
  override readonly code = "KEY_UNFIT";
}
