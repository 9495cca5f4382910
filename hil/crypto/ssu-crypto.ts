import { createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from "node:crypto";
import type { SsuCrypto } from "../../gateway/source/ssu/ssu-crypto.ts";
import { aesGcmOpen, aesGcmSeal } from "./aes-gcm.ts";

/** PrivateKeyInfo and SubjectPublicKeyInfo up to the 32 bytes of an X25519 key. (RFC 8410, 4 and 7) */
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

/** The cryptography of secure streams, over node:crypto. @param random the system's source unless given */
export const nodeSsuCrypto = (random: (length: number) => Uint8Array = randomBytes): SsuCrypto => ({
  random: (length) => new Uint8Array(random(length)),

  sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),

  hmacSha256: (key, data) => new Uint8Array(createHmac("sha256", key).update(data).digest()),

  x25519Public(privateKey) {
    const spki = createPublicKey(privateKeyOf(privateKey)).export({ format: "der", type: "spki" });
    return new Uint8Array(spki.subarray(PUBLIC_PREFIX.length));
  },

  x25519(privateKey, publicKey) {
    try {
      const der = Buffer.concat([PUBLIC_PREFIX, publicKey]);
      const key = createPublicKey({ key: der, format: "der", type: "spki" });
      return new Uint8Array(diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: key }));
    } catch {
      return undefined; // OpenSSL refuses points of small order
    }
  },

  seal: aesGcmSeal,

  open: aesGcmOpen,
});

const privateKeyOf = (key: Uint8Array): ReturnType<typeof createPrivateKey> =>
  createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, key]), format: "der", type: "pkcs8" });
