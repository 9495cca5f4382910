import type { SrupCrypto } from "./srup-crypto.ts";
import { type DecodedSrup, type SignedSrupMessage, type SrupMessage, signedBytes } from "./srup-message.ts";

/** @returns undefined when the key can't sign @throws {SrupFieldError} when a field is longer or greater than its place */
export function signSrup(message: SrupMessage, privateKey: string, crypto: SrupCrypto): SignedSrupMessage | undefined {
  const signature = crypto.sign(privateKey, signedBytes(message));
  return signature === undefined ? undefined : { message, signature };
}

/** Whether a message is whole, of this version and a type in use, and signed with that key. */
export function verifySrup(decoded: DecodedSrup, publicKey: string, crypto: SrupCrypto): boolean {
  if (decoded.type === "malformed") return false;
  return crypto.verify(publicKey, signedBytes(decoded.message), decoded.signature);
}
