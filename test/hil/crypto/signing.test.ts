import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { seededP256Key, seededRsaKey } from "../../../hil/crypto/seeded-keys.ts";
import { signingKey, signWith } from "../../../hil/crypto/signing-key.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (digits: string): Uint8Array => fromHex(digits) as Uint8Array;

/** The key of RFC 6979, A.2.5. */
const RFC_KEY = signingKey(
  createPrivateKey({
    key: {
      kty: "EC",
      crv: "P-256",
      d: Buffer.from("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "hex").toString("base64url"),
      x: Buffer.from("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", "hex").toString("base64url"),
      y: Buffer.from("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", "hex").toString("base64url"),
    },
    format: "jwk",
  }),
);

describe("a deterministic ECDSA signature", () => {
  it.each([
    [
      "sample",
      "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" +
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ],
    [
      "test",
      "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367" +
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
    ],
  ])("of %j is the one of RFC 6979, A.2.5, and OpenSSL verifies it", (message, signature) => {
    const made = signWith(RFC_KEY, bytesOf(message));
    expect(toHex(made).toUpperCase()).toBe(signature);
    const key = createPublicKey({ key: Buffer.from(RFC_KEY.publicKey), format: "der", type: "spki" });
    expect(verify("sha256", bytesOf(message), { key, dsaEncoding: "ieee-p1363" }, made)).toBe(true);
  });
});

describe("verification", () => {
  const ecdsa = signingKey(seededP256Key("seed", "a"));
  const rsa = signingKey(seededRsaKey("seed", "a"));
  const message = bytesOf("a message");

  it.each([ecdsa, rsa])("accepts what the key signed and nothing else ($algorithm)", (key) => {
    const signature = signWith(key, message);
    const check = (text: Uint8Array, made: Uint8Array): boolean =>
      nodeCrypto.verify(key.algorithm, key.publicKey, text, made);
    expect(check(message, signature)).toBe(true);
    expect(check(bytesOf("a massage"), signature)).toBe(false);
    for (let at = 0; at < signature.length; at++) {
      const changed = signature.slice();
      changed[at] = (changed[at] as number) ^ 1;
      expect(check(message, changed)).toBe(false);
    }
  });

  it.each([ecdsa, rsa])("answers false to signatures and keys that can't be read ($algorithm)", (key) => {
    const signature = signWith(key, message);
    const longer = new Uint8Array([...signature, 0]);
    for (const wrong of [new Uint8Array(), signature.subarray(1), longer, new Uint8Array(signature.length)])
      expect(nodeCrypto.verify(key.algorithm, key.publicKey, message, wrong)).toBe(false);
    for (const wrong of [new Uint8Array(), key.publicKey.subarray(1), Uint8Array.of(0x30, 0x80)])
      expect(nodeCrypto.verify(key.algorithm, wrong, message, signature)).toBe(false);
  });

  it("answers false when key and algorithm don't belong together", () => {
    expect(nodeCrypto.verify("RSA-PKCS1-SHA256", ecdsa.publicKey, message, signWith(ecdsa, message))).toBe(false);
    expect(nodeCrypto.verify("ECDSA-P256-SHA256", rsa.publicKey, message, signWith(rsa, message))).toBe(false);
  });

  it("answers false for another curve and for RSA keys under 2048 bits, which make no signing keys either", () => {
    const curve = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
    for (const { publicKey, privateKey } of [curve, short]) {
      const spki = publicKey.export({ format: "der", type: "spki" });
      for (const algorithm of ["ECDSA-P256-SHA256", "RSA-PKCS1-SHA256"] as const)
        expect(nodeCrypto.verify(algorithm, spki, message, new Uint8Array(128))).toBe(false);
      expect(() => signingKey(privateKey)).toThrow(expect.objectContaining({ code: "KEY_UNFIT" }));
    }
  });

  it("takes the SHA-256 of FIPS 180-4", () => {
    const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(nodeCrypto.sha256(bytesOf("abc"))).toEqual(hex(expected));
  });
});
