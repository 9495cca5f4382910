import { createCipheriv, createDecipheriv } from "node:crypto";

const TAG_LENGTH = 16;

/** Cipher text and tag. (NIST SP 800-38D, 7.1) @param key 16 bytes for AES-128, 32 for AES-256 @param nonce 12 bytes */
export function aesGcmSeal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv(cipherOf(key), key, nonce).setAAD(header);
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}

/** What was sealed, or undefined when a bit of it, of its header or of its tag is another. (NIST SP 800-38D, 7.2) */
export function aesGcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - TAG_LENGTH;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(cipherOf(key), key, nonce).setAAD(header).setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    return new Uint8Array(Buffer.concat([plain, decipher.final()]));
  } catch {
    return undefined;
  }
}

const cipherOf = (key: Uint8Array): "aes-128-gcm" | "aes-256-gcm" =>
  key.length === 32 ? "aes-256-gcm" : "aes-128-gcm";
