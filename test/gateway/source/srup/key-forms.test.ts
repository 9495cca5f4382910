import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { encodeBase64 } from "../../../../emulator/wire/base64.ts";
import { identityText, isJoinTopic, parseIdentity } from "../../../../gateway/source/srup/identity.ts";
import {
  fromBase64,
  registrationKey,
  restoredPem,
  shortName,
  toMimeBase64,
} from "../../../../gateway/source/srup/key-forms.ts";
import { srupStatusText } from "../../../../gateway/source/srup/status.ts";
import { encodeText } from "../../../../gateway/source/srup/values.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { bytesOf, hexOf, pemOf, type SrupVector, VECTORS } from "./vectors.ts";

const crypto = nodeSrupCrypto();
const of = (type: string): [string, SrupVector][] =>
  VECTORS.filter((vector) => vector.type === type).map((vector) => [vector.name, vector]);

describe("the original's key exchange", () => {
  it.each(of("KEYEX_KEY"))("has keys in these forms: %s", (_, { fields, keyfiles }) => {
    const pem = pemOf(keyfiles.public as string);
    const key = registrationKey(pem);
    expect(key).toBe(fields.registration_key);
    expect(restoredPem(key)).toBe(String(fields.restored_pem).trimEnd());
    expect(toMimeBase64(encodeText(restoredPem(key)))).toBe(fields.get_key_response_body);
    expect(fromBase64(String(fields.get_key_response_body))).toEqual(encodeText(restoredPem(key)));
  });

  it.each(of("KEYEX_SHORT_NAME"))("names files by a checksum: %s", (_, { fields }) => {
    expect(shortName(String(fields.identity))).toBe(fields.short_name);
  });

  it.each(of("KEYEX_SIGNATURE"))("has PSS signatures with the longest salt: %s", (_, vector) => {
    const data = bytesOf(vector.fields.message_hex);
    const key = pemOf(vector.keyfiles.verify as string);
    expect(crypto.verifyPss(key, data, bytesOf(vector.fields.signature_hex))).toBe(vector.valid);
    if (vector.valid) expect(toMimeBase64(bytesOf(vector.hex))).toBe(vector.fields.signature_json_value);
    const own = crypto.signPss(pemOf(vector.keyfiles.sign as string), data);
    expect(own && crypto.verifyPss(key, data, own)).toBe(true);
  });

  it.each(of("KEYEX_C2_TOKEN"))("gives a server a token over its key: %s", (_, { fields, hex, keyfiles }) => {
    const token = fromBase64(String(fields.token)) as Uint8Array;
    expect(hexOf(token)).toBe(hex);
    expect(encodeBase64(token)).toBe(fields.token);
    expect(crypto.verifyPss(pemOf(keyfiles.verify as string), encodeText(String(fields.public_key_pem)), token)).toBe(
      true,
    );
  });

  it.each(of("CRYPTO_SIGN"))("signs messages with PKCS#1 v1.5: %s", (_, { fields, keyfiles }) => {
    const data = bytesOf(fields.message_hex);
    const signature = crypto.sign(pemOf(keyfiles.sign as string), data) as Uint8Array;
    expect(hexOf(signature)).toBe(fields.signature_hex);
    expect(crypto.verify(pemOf(keyfiles.verify as string), data, signature)).toBe(true);
    expect(crypto.verifyPss(pemOf(keyfiles.verify as string), data, signature)).toBe(false);
  });
});

describe("key forms", () => {
  it("carry bytes of any length through base64 and back", () => {
    const random = new Prng("base64");
    for (let length = 0; length < 200; length++) {
      const bytes = random.bytes(length);
      expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
      expect(fromBase64(encodeBase64(bytes))).toEqual(bytes);
      expect(fromBase64(toMimeBase64(bytes))).toEqual(bytes);
    }
  });

  it.each(["A", "AA", "AAA", "AAAAA", "=AAA", "AA=A", "A===", "====", "AA-_", "AAA A", "äAAA"])(
    "refuse %j, which is no base64",
    (text) => {
      expect(fromBase64(text)).toBeUndefined();
    },
  );

  it("write identities without leading zeros, and read no others", () => {
    expect(identityText(0x0b9d077e223834cfn)).toBe("b9d077e223834cf");
    for (const text of ["0", "f", "ffffffffffffffff", "b9d077e223834cf"]) {
      expect(identityText(parseIdentity(text) as bigint)).toBe(text);
    }
    for (const text of ["", "00", "0f", "0xf", "F", "g", "10000000000000000", " f", "f\n"]) {
      expect(parseIdentity(text), text).toBeUndefined();
    }
  });

  it("know a join topic of a server by all but its last part", () => {
    expect(isJoinTopic("SRUP/servers/b2/d1", "b2")).toBe(true);
    expect(isJoinTopic("SRUP/servers/b2/whoever", "b2")).toBe(true);
    for (const topic of [
      "SRUP/servers/b3/d1",
      "SRUP/servers/b2/",
      "SRUP/servers/b2",
      "SRUP/d1",
      "SRUP/servers/b2/d1/x",
    ]) {
      expect(isJoinTopic(topic, "b2"), topic).toBe(false);
    }
  });

  it("name every status", () => {
    expect(srupStatusText(0x50)).toBe("JoinSuccess (0x50)");
    expect(srupStatusText(0x42)).toBe("unassigned (0x42)");
  });
});
