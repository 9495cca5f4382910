import { joined } from "./joined.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

const HASH_LENGTH = 32;

/** (RFC 5869, 2.2) */
export const hkdfExtract = (crypto: SsuCrypto, salt: Uint8Array, secret: Uint8Array): Uint8Array =>
  crypto.hmacSha256(salt, secret);

/** (RFC 5869, 2.3) @param length up to 8160 */
export function hkdfExpand(crypto: SsuCrypto, key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, count = 1; at < length; at += HASH_LENGTH, count++) {
    block = crypto.hmacSha256(key, joined(block, info, Uint8Array.of(count)));
    out.set(block.subarray(0, Math.min(HASH_LENGTH, length - at)), at);
  }
  return out;
}
