import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Crypto, SignatureAlgorithm } from "../../emulator/kernel/crypto.ts";

const RSA_MODULUS_BITS_MIN = 2048;

/** What is hashed before it is signed; the others hash for themselves. */
const DIGESTS: Readonly<Record<SignatureAlgorithm, "sha256" | null>> = {
  "ECDSA-P256-SHA256": "sha256",
  Ed25519: null,
  "ML-DSA-65": null,
  "RSA-PKCS1-SHA256": "sha256",
};

/** The cryptography of the pure rooms, over node:crypto. Total: whatever can't be read does not verify. */
export const nodeCrypto: Crypto = {
  sha256(data) {
    return new Uint8Array(createHash("sha256").update(data).digest());
  },

  verify(algorithm, publicKey, message, signature) {
    try {
      const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
      if (!fits(algorithm, key)) return false;
      return verify(DIGESTS[algorithm], message, { key, dsaEncoding: "ieee-p1363" }, signature);
    } catch {
      return false;
    }
  },
};

/** A key of another kind never verifies, nor does an RSA key that is too short to be worth anything. */
function fits(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails;
  switch (algorithm) {
    case "ECDSA-P256-SHA256":
      return key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1";
    case "Ed25519":
      return key.asymmetricKeyType === "ed25519";
    case "ML-DSA-65":
      return key.asymmetricKeyType === "ml-dsa-65";
    case "RSA-PKCS1-SHA256":
      return key.asymmetricKeyType === "rsa" && (details?.modulusLength ?? 0) >= RSA_MODULUS_BITS_MIN;
  }
}
