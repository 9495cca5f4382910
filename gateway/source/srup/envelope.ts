import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { RandomBytes, SrupCrypto } from "./srup-crypto.ts";

/** Lengths of AES-256-CBC, bytes. */
const KEY_LENGTH = 32;
const BLOCK_LENGTH = 16;
/** The two lengths of 32 bits and what lies between them and the encrypted key, bytes. */
const FIXED_LENGTH = 28;
/** What the original's buffers hold, bytes. */
const PLAIN_LENGTH_MAX = 4111;
/** 00 02, the padding of at least 8 bytes, and 00. (RFC 8017, 7.2.1) */
const PKCS1_OVERHEAD = 11;

/** The parts of an encrypted field: an AES key for the recipient's RSA key, and what is under it. */
interface Envelope {
  readonly type: "envelope";
  readonly encryptedKey: Uint8Array;
  readonly iv: Uint8Array;
  /** Length of what is inside, bytes; the ciphertext is padded. */
  readonly plainLength: number;
  readonly ciphertext: Uint8Array;
}

interface MalformedEnvelope {
  readonly type: "malformed";
  readonly reason: string;
}

/** What is random in an envelope. */
export interface EnvelopeSecrets {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 16 bytes. */
  readonly iv: Uint8Array;
  /** PKCS#1 v1.5 padding, none of whose bytes is zero: modulus length - 3 - 32 bytes. */
  readonly padding: Uint8Array;
}

/** Total; all lengths are checked. Bytes behind the ciphertext are ignored. (docs/protocols/srup.md, Encrypted field) @public */
export function decodeEnvelope(bytes: Uint8Array): Envelope | MalformedEnvelope {
  const malformed = (reason: string): MalformedEnvelope => ({ type: "malformed", reason });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FIXED_LENGTH) return malformed(`${bytes.length} bytes, ${FIXED_LENGTH} at least`);
  const keyLength = view.getInt32(0, true);
  if (keyLength <= 0 || keyLength > bytes.length - FIXED_LENGTH)
    return malformed(`an encrypted key of ${keyLength} bytes`);
  const ivAt = 4 + keyLength;
  const cipherLength = view.getInt32(ivAt + BLOCK_LENGTH, true);
  const plainLength = view.getInt32(ivAt + BLOCK_LENGTH + 4, true);
  const cipherAt = FIXED_LENGTH + keyLength;
  if (cipherLength <= 0 || cipherLength % BLOCK_LENGTH !== 0 || cipherLength > bytes.length - cipherAt)
    return malformed(`a ciphertext of ${cipherLength} bytes where ${bytes.length - cipherAt} are`);
  if (plainLength < 0 || cipherLength !== paddedLength(plainLength))
    return malformed(`${plainLength} bytes in a ciphertext of ${cipherLength}`);
  return {
    type: "envelope",
    encryptedKey: bytes.subarray(4, ivAt),
    iv: bytes.subarray(ivAt, ivAt + BLOCK_LENGTH),
    plainLength,
    ciphertext: bytes.subarray(cipherAt, cipherAt + cipherLength),
  };
}

/**
 * What is inside, or undefined when it is not for this key or damaged. Which of the two, and where, can't be told from
 * outside: a wrong RSA padding goes on with the bytes that stand where the key belongs.
 */
export function openEnvelope(bytes: Uint8Array, privateKey: string, crypto: SrupCrypto): Uint8Array | undefined {
  const envelope = decodeEnvelope(bytes);
  if (envelope.type === "malformed") return undefined;
  const { encryptedKey, iv, plainLength, ciphertext } = envelope;
  const modulus = crypto.modulusLength(privateKey);
  if (modulus === undefined || encryptedKey.length > modulus || modulus < KEY_LENGTH + PKCS1_OVERHEAD) return undefined;
  const block = new Uint8Array(modulus);
  block.set(encryptedKey, modulus - encryptedKey.length);
  const encoded = crypto.rsaPrivate(privateKey, block);
  if (encoded?.length !== modulus) return undefined;
  const plain = crypto.aesCbcDecrypt(encoded.subarray(modulus - KEY_LENGTH), iv, ciphertext);
  const right = Math.min(isPkcs1(encoded), isPadded(plain, plainLength));
  return right === 1 ? plain.slice(0, plainLength) : undefined;
}

/** @throws {EnvelopeError} when it is too long, or the key is no RSA key that could hold an AES key */
export function sealEnvelope(
  plain: Uint8Array,
  publicKey: string,
  crypto: SrupCrypto,
  secrets: EnvelopeSecrets,
): Uint8Array {
  if (plain.length > PLAIN_LENGTH_MAX)
    throw new EnvelopeError(`${plain.length} bytes can't be encrypted, ${PLAIN_LENGTH_MAX} at most`);
  const encoded = Uint8Array.of(0, 2, ...secrets.padding, 0, ...secrets.key);
  const encryptedKey = crypto.rsaPublic(publicKey, encoded);
  if (encryptedKey === undefined) throw new EnvelopeError("the recipient's key can't be used");
  const padLength = paddedLength(plain.length) - plain.length;
  const ciphertext = crypto.aesCbcEncrypt(
    secrets.key,
    secrets.iv,
    Uint8Array.of(...plain, ...new Uint8Array(padLength).fill(padLength)),
  );
  const bytes = new Uint8Array(FIXED_LENGTH + encryptedKey.length + ciphertext.length);
  const view = new DataView(bytes.buffer);
  const ivAt = 4 + encryptedKey.length;
  view.setInt32(0, encryptedKey.length, true);
  bytes.set(encryptedKey, 4);
  bytes.set(secrets.iv, ivAt);
  view.setInt32(ivAt + BLOCK_LENGTH, ciphertext.length, true);
  view.setInt32(ivAt + BLOCK_LENGTH + 4, plain.length, true);
  bytes.set(ciphertext, ivAt + BLOCK_LENGTH + 8);
  return bytes;
}

/** @throws {EnvelopeError} when the key is no RSA key that could hold an AES key */
export function envelopeSecrets(publicKey: string, crypto: SrupCrypto, random: RandomBytes): EnvelopeSecrets {
  const modulus = crypto.modulusLength(publicKey) ?? 0;
  if (modulus < KEY_LENGTH + PKCS1_OVERHEAD) throw new EnvelopeError("the recipient's key can't be used");
  // a zero becomes one: which of 255 values a byte has is then not quite uniform, and need not be
  const padding = random.bytes(modulus - 3 - KEY_LENGTH).map((byte) => byte || 1);
  return { key: random.bytes(KEY_LENGTH), iv: random.bytes(BLOCK_LENGTH), padding };
}

/** What can't be put into an envelope. */
class EnvelopeError extends UsageError {
  override readonly code = "SRUP_ENVELOPE";
}

const paddedLength = (length: number): number => BLOCK_LENGTH * (Math.floor(length / BLOCK_LENGTH) + 1);

/** 1 for 00 02, no zero up to the separator, and a zero right before the last 32 bytes; else 0. */
function isPkcs1(encoded: Uint8Array): number {
  const separator = encoded.length - KEY_LENGTH - 1;
  let wrong = (encoded[0] as number) | ((encoded[1] as number) ^ 2) | (encoded[separator] as number);
  for (let index = 2; index < separator; index++) wrong |= encoded[index] === 0 ? 1 : 0;
  return wrong === 0 ? 1 : 0;
}

/** 1 when all behind `length` is PKCS#7 padding; else 0. */
function isPadded(plain: Uint8Array, length: number): number {
  const pad = plain.length - length;
  let wrong = 0;
  for (let index = length; index < plain.length; index++) wrong |= (plain[index] as number) ^ pad;
  return wrong === 0 ? 1 : 0;
}
