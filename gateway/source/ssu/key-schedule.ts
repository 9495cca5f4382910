import { hkdfExpand, hkdfExtract } from "./hkdf.ts";
import { joined } from "./joined.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

/** The key schedule of RFC 8446, 7.1, with labels that begin with "ssu1 ". */

const HASH_LENGTH = 32;
const PREFIX = "ssu1 ";
const NOTHING = new Uint8Array(0);
const ZEROS = new Uint8Array(HASH_LENGTH);
const TEXT = new TextEncoder();

/** (RFC 8446, 7.1, HKDF-Expand-Label) */
export function expandLabel(
  crypto: SsuCrypto,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const name = TEXT.encode(PREFIX + label);
  const info = joined(
    Uint8Array.of(length >> 8, length & 0xff, name.length),
    name,
    Uint8Array.of(context.length),
    context,
  );
  return hkdfExpand(crypto, secret, info, length);
}

/** (RFC 8446, 7.1, Derive-Secret) @param messages whose hash goes in */
export const deriveSecret = (crypto: SsuCrypto, secret: Uint8Array, label: string, messages: Uint8Array): Uint8Array =>
  expandLabel(crypto, secret, label, crypto.sha256(messages), HASH_LENGTH);

/** @param psk of a ticket; undefined without one */
export const earlySecret = (crypto: SsuCrypto, psk: Uint8Array | undefined): Uint8Array =>
  hkdfExtract(crypto, ZEROS, psk ?? ZEROS);

/** @param shared secret of X25519 */
export const handshakeSecret = (crypto: SsuCrypto, early: Uint8Array, shared: Uint8Array): Uint8Array =>
  hkdfExtract(crypto, deriveSecret(crypto, early, "derived", NOTHING), shared);

export const masterSecret = (crypto: SsuCrypto, handshake: Uint8Array): Uint8Array =>
  hkdfExtract(crypto, deriveSecret(crypto, handshake, "derived", NOTHING), ZEROS);

/** What stands in a Finished, and, under the binder key, behind a ticket. (RFC 8446, 4.4.4) */
export function finishedData(crypto: SsuCrypto, secret: Uint8Array, messages: Uint8Array): Uint8Array {
  return crypto.hmacSha256(expandLabel(crypto, secret, "finished", NOTHING, HASH_LENGTH), crypto.sha256(messages));
}

export const binderKey = (crypto: SsuCrypto, early: Uint8Array): Uint8Array =>
  deriveSecret(crypto, early, "res binder", NOTHING);

/** The key of the tags behind packets. */
export const packetKey = (crypto: SsuCrypto, handshakeTraffic: Uint8Array): Uint8Array =>
  expandLabel(crypto, handshakeTraffic, "packet", NOTHING, HASH_LENGTH);
