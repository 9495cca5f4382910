import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import {
  decodeEnvelope,
  envelopeSecrets,
  openEnvelope,
  sealEnvelope,
} from "../../../../gateway/source/srup/envelope.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { bytesOf, hexOf, pemOf, type SrupVector, VECTORS } from "./vectors.ts";

const crypto = nodeSrupCrypto();
const named = (vector: SrupVector): [string, SrupVector] => [vector.name, vector];
const ENVELOPES = VECTORS.filter(({ type }) => type === "CRYPTO_ENVELOPE");
/** Those inside messages, with what the original drew for them. */
const INNER = VECTORS.filter(({ fields }) => fields.envelope !== undefined);

function sealedLike(envelope: Readonly<Record<string, unknown>>, key: string): string {
  const encoded = bytesOf(envelope.pkcs1_encoded_message_hex);
  const secrets = {
    key: bytesOf(envelope.aes_key_hex),
    iv: bytesOf(envelope.iv_hex),
    padding: encoded.subarray(2, encoded.length - 33),
  };
  return hexOf(sealEnvelope(bytesOf(envelope.plaintext_hex), key, crypto, secrets));
}

describe("the original's envelopes", () => {
  it("are all here", () => {
    expect([ENVELOPES.length, INNER.length]).toEqual([19, 29]);
  });

  it.each(ENVELOPES.filter(({ category }) => category === "crypto").map(named))(
    "open, and are made again byte for byte from the same key, IV and padding: %s",
    (_, { hex, fields, keyfiles }) => {
      const plain = openEnvelope(bytesOf(hex), pemOf(keyfiles.decrypt as string), crypto);
      expect(plain && hexOf(plain)).toBe(fields.plaintext_hex);
      expect(sealedLike(fields, pemOf(keyfiles.encrypt as string))).toBe(hex);
    },
  );

  it.each(INNER.map(named))("inside messages open and are made again: %s", (_, { fields, keyfiles }) => {
    const decrypt = keyfiles.decrypt ?? keyfiles.encrypt?.replace(".pub.pem", ".pem");
    const plain = openEnvelope(bytesOf(fields.encrypted_hex), pemOf(decrypt as string), crypto);
    expect(plain && hexOf(plain)).toBe(fields.plaintext_hex);
    const encrypt = (decrypt as string).replace(".pem", ".pub.pem");
    expect(sealedLike(fields.envelope as Record<string, unknown>, pemOf(encrypt))).toBe(fields.encrypted_hex);
  });

  it.each(ENVELOPES.filter(({ valid }) => !valid).map(named))("do not open when they are wrong: %s", (_, vector) => {
    expect(openEnvelope(bytesOf(vector.hex), pemOf(vector.keyfiles.decrypt as string), crypto)).toBeUndefined();
  });

  it("open with bytes behind the ciphertext", () => {
    const odd = ENVELOPES.find(({ name }) => name === "encrypt/quirk-trailing-bytes") as SrupVector;
    const plain = openEnvelope(bytesOf(odd.hex), pemOf("keys/device.pem"), crypto);
    expect(plain && hexOf(plain)).toBe(odd.fields.plaintext_hex);
  });
});

describe("envelope", () => {
  const publicKey = pemOf("keys/device.pub.pem");
  const privateKey = pemOf("keys/device.pem");
  const random = new Prng("envelope");
  const seal = (plain: Uint8Array): Uint8Array =>
    sealEnvelope(plain, publicKey, crypto, envelopeSecrets(publicKey, crypto, random));

  it.each([0, 1, 15, 16, 31, 32, 33, 4111])("carries %i bytes", (length) => {
    const plain = random.bytes(length);
    expect(openEnvelope(seal(plain), privateKey, crypto)).toEqual(plain);
  });

  it("carries no more than the original's buffers hold", () => {
    expect(() => seal(new Uint8Array(4112))).toThrow(expect.objectContaining({ code: "SRUP_ENVELOPE" }));
  });

  it("is not made for a key that is none", () => {
    expect(() => envelopeSecrets("no key", crypto, random)).toThrow(expect.objectContaining({ code: "SRUP_ENVELOPE" }));
  });

  it("never opens to other bytes when one of its own was changed, but for the IV, which nothing covers", () => {
    const plain = random.bytes(32);
    const sealed = seal(plain);
    for (let at = 0; at < sealed.length; at += at < 300 ? 13 : 1) {
      const changed = sealed.slice();
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      const opened = openEnvelope(changed, privateKey, crypto);
      const coveredByCbc = at >= 284; // a changed block spoils the text, and only the last one the padding
      if (opened !== undefined) expect(at >= 260 && (at < 276 || coveredByCbc), `byte ${at}`).toBe(true);
    }
  });

  it.each([
    ["K of zero", 0, 0],
    ["K of -1", 0, -1],
    ["K beyond the end", 0, 0x7fff_ffff],
    ["C of zero", 276, 0],
    ["C of -16", 276, -16],
    ["C that is no multiple of 16", 276, 47],
    ["C beyond the end", 276, 64],
    ["P of -1", 280, -1],
    ["P of a whole block more", 280, 48],
  ])("has lengths that are checked: %s", (_, at, value) => {
    const wrong = seal(new Uint8Array(32));
    new DataView(wrong.buffer).setInt32(at, value, true);
    expect(decodeEnvelope(wrong).type).toBe("malformed");
    expect(openEnvelope(wrong, privateKey, crypto)).toBeUndefined();
  });
});
