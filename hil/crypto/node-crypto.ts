import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  verify,
  X509Certificate,
} from "node:crypto";
import type { Certificate, Crypto, SignatureAlgorithm } from "../../emulator/kernel/crypto.ts";
import { aesGcmOpen, aesGcmSeal } from "./aes-gcm.ts";
import { signingKey, signWith } from "./signing-key.ts";

const RSA_MODULUS_BITS_MIN = 2048;
const ALGORITHMS: readonly SignatureAlgorithm[] = ["ECDSA-P256-SHA256", "RSA-PKCS1-SHA256"];

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

  sign(algorithm, privateKey, message) {
    try {
      const key = signingKey(createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" }));
      return key.algorithm === algorithm ? signWith(key, message) : undefined;
    } catch {
      return undefined;
    }
  },

  readCertificate(data) {
    try {
      const certificate = new X509Certificate(data);
      return certificate.raw.length === data.length ? factsOf(certificate) : undefined;
    } catch {
      return undefined;
    }
  },

  certificateSignedBy(data, issuerKey) {
    try {
      const key = createPublicKey({ key: Buffer.from(issuerKey), format: "der", type: "spki" });
      return new X509Certificate(data).verify(key);
    } catch {
      return false;
    }
  },

  hmacSha256(key, data) {
    return new Uint8Array(createHmac("sha256", key).update(data).digest());
  },

  aesGcmSeal,

  aesGcmOpen,
};

function factsOf(certificate: X509Certificate): Certificate {
  const { subject, issuer, serialNumber, ca: authority, publicKey } = certificate;
  const spki = publicKey.export({ format: "der", type: "spki" });
  return {
    subject,
    issuer,
    organization: /^O=(.*)$/m.exec(subject)?.[1],
    serialNumber,
    validFrom: certificate.validFromDate.getTime() / 1000,
    validTo: certificate.validToDate.getTime() / 1000,
    authority,
    publicKey: new Uint8Array(spki),
    algorithm: ALGORITHMS.find((algorithm) => fits(algorithm, publicKey)),
  };
}

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
