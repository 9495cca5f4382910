import { readKeyText } from "./key-text.ts";
import type { SrupCrypto } from "./srup-crypto.ts";
import {
  type DecodedSrup,
  type SignedSrupMessage,
  type SrupMessage,
  type SrupVersion,
  signedBytes,
} from "./srup-message.ts";

/**
 * @param privateKey {@link readKeyText}
 * @returns undefined when the key can't sign, or is one of the other version
 * @throws {SrupFieldError} when a field is longer or greater than its place
 */
export function signSrup(
  message: SrupMessage,
  privateKey: string,
  crypto: SrupCrypto,
  version: SrupVersion = 5,
): SignedSrupMessage | undefined {
  const key = readKeyText(privateKey);
  if (key.version !== version) return undefined;
  const bytes = signedBytes(message, version);
  const signature = version === 5 ? crypto.sign(key.signing, bytes) : crypto.signByKind(key.signing, bytes);
  return signature === undefined ? undefined : { message, signature };
}

/**
 * Whether a message is whole, of a type in use, and signed with that key, which must be one of the message's version: the
 * RSA key of a party that speaks version 6 verifies no message at all.
 * @param decoded as {@link decodeSrup} has read it under that version
 * @param publicKey {@link readKeyText}
 */
export function verifySrup(
  decoded: DecodedSrup,
  publicKey: string,
  crypto: SrupCrypto,
  version: SrupVersion = 5,
): boolean {
  const key = readKeyText(publicKey);
  if (decoded.type === "malformed" || key.version !== version) return false;
  const bytes = signedBytes(decoded.message, version);
  if (version === 5) return crypto.verify(key.signing, bytes, decoded.signature);
  return crypto.verifyByKind(key.signing, bytes, decoded.signature);
}
