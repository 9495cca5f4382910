import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
} from "node:crypto";
import type { SrupCrypto } from "../../gateway/source/srup/srup-crypto.ts";
import { signingKey, signWith } from "./signing-key.ts";

const CIPHER = "aes-256-cbc";
const HASH_LENGTH = 32;
/** Of signatures, bytes, by kind of key; no other kind signs messages of version 6. */
const SIGNATURE_LENGTHS: Readonly<Record<string, number>> = { ed25519: 64, "ml-dsa-65": 3309 };
/** Keys that are kept ready; whoever has more peers reads some of them again. */
const KEYS_MAX = 256;

/** The cryptography of SRUP, over node:crypto. */
export function nodeSrupCrypto(): SrupCrypto {
  const keys = new Map<string, KeyObject | undefined>();
  const anyKeyOf = (pem: string): KeyObject | undefined => {
    if (!keys.has(pem)) {
      if (keys.size >= KEYS_MAX) keys.clear();
      keys.set(pem, readKey(pem));
    }
    return keys.get(pem);
  };
  const keyOf = (pem: string): KeyObject | undefined => {
    const key = anyKeyOf(pem);
    return key?.asymmetricKeyType === "rsa" ? key : undefined;
  };
  const privateKeyOf = (pem: string): KeyObject | undefined => {
    const key = keyOf(pem);
    return key?.type === "private" ? key : undefined;
  };
  const kindKeyOf = (pem: string): KeyObject | undefined => {
    const key = anyKeyOf(pem);
    return lengthOf(key) === undefined ? undefined : key;
  };
  return {
    sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
    modulusLength: (pem) => modulusOf(keyOf(pem)),
    sign: (pem, data) => attempt(privateKeyOf(pem), (key) => sign("sha256", data, key)),
    verify: (pem, data, signature) =>
      attempt(keyOf(pem), (key) => signature.length === modulusOf(key) && verify("sha256", data, key, signature)) ??
      false,
    signByKind: (pem, data) =>
      attempt(kindKeyOf(pem), (key) => (key.type === "private" ? signWith(signingKey(key), data) : undefined)),
    verifyByKind: (pem, data, signature) =>
      attempt(kindKeyOf(pem), (key) => signature.length === lengthOf(key) && verify(null, data, key, signature)) ??
      false,
    signPss: (pem, data) => attempt(privateKeyOf(pem), (key) => sign("sha256", data, { key, ...pss(key) })),
    verifyPss: (pem, data, signature) =>
      attempt(keyOf(pem), (key) => verify("sha256", data, { key, ...pss(key) }, signature)) ?? false,
    rsaPublic: (pem, block) =>
      attempt(keyOf(pem), (key) => publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)),
    rsaPrivate: (pem, block) =>
      attempt(privateKeyOf(pem), (key) => privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block)),
    aesCbcEncrypt: (key, iv, blocks) => whole(createCipheriv(CIPHER, key, iv).setAutoPadding(false), blocks),
    aesCbcDecrypt: (key, iv, blocks) => whole(createDecipheriv(CIPHER, key, iv).setAutoPadding(false), blocks),
  };
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return pem.includes("PRIVATE KEY") ? createPrivateKey(pem) : createPublicKey(pem);
  } catch {
    return undefined;
  }
}

const lengthOf = (key: KeyObject | undefined): number | undefined => SIGNATURE_LENGTHS[key?.asymmetricKeyType ?? ""];

const modulusOf = (key: KeyObject | undefined): number | undefined => {
  const bits = key?.asymmetricKeyDetails?.modulusLength;
  return bits === undefined ? undefined : Math.ceil(bits / 8);
};

/** The salt is given by number: "maximum" means "any" when Node verifies. (RFC 8017, 9.1.1) */
function pss(key: KeyObject): { readonly padding: number; readonly saltLength: number } {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Math.ceil((bits - 1) / 8) - HASH_LENGTH - 2 };
}

function attempt<Result>(key: KeyObject | undefined, act: (key: KeyObject) => Result): Result | undefined {
  if (key === undefined) return undefined;
  try {
    return act(key);
  } catch {
    return undefined;
  }
}

const whole = (cipher: { update(data: Uint8Array): Uint8Array; final(): Uint8Array }, blocks: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([cipher.update(blocks), cipher.final()]));
