import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { decodeImageHeader, IMAGE_SIGNATURES, type ImageSignatureName } from "../../../emulator/wire/image-header.ts";
import { imageKey, makeKeys } from "../../../hil/crypto/keys.ts";
import { signMlDsa65 } from "../../../hil/crypto/ml-dsa.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { seededMlDsa65Key } from "../../../hil/crypto/seeded-keys.ts";
import { signWith } from "../../../hil/crypto/signing-key.ts";
import { buildImage } from "../../../hil/release/build-image.ts";

const KEYS = makeKeys("image signatures");
const NAMES = Object.keys(IMAGE_SIGNATURES) as ImageSignatureName[];
const LENGTHS = { ecdsaP256: 64, ed25519: 64, mlDsa65: 3309 };
const MESSAGE = new TextEncoder().encode("the header page of an image");

describe.each(NAMES)("an image signature by %s", (name) => {
  const key = imageKey(KEYS, name);
  const { algorithm, code } = IMAGE_SIGNATURES[name];
  const signature = signWith(key, MESSAGE);

  it("has its length, is the same each time, and is verified", () => {
    expect(signature).toHaveLength(LENGTHS[name]);
    expect(signWith(key, MESSAGE)).toEqual(signature);
    expect(nodeCrypto.verify(algorithm, key.publicKey, MESSAGE, signature)).toBe(true);
  });

  it("is refused after any change, under another key and under another algorithm", () => {
    const other = imageKey(makeKeys("somebody else"), name);
    expect(nodeCrypto.verify(algorithm, other.publicKey, MESSAGE, signature)).toBe(false);
    expect(nodeCrypto.verify(algorithm, key.publicKey, MESSAGE.subarray(1), signature)).toBe(false);
    for (const at of [0, 40, signature.length - 1]) {
      const changed = signature.slice();
      changed[at] = (changed[at] as number) ^ 1;
      expect(nodeCrypto.verify(algorithm, key.publicKey, MESSAGE, changed)).toBe(false);
    }
    for (const foreign of NAMES.filter((each) => each !== name)) {
      expect(nodeCrypto.verify(IMAGE_SIGNATURES[foreign].algorithm, key.publicKey, MESSAGE, signature)).toBe(false);
    }
  });

  it("is never an exception for a signature of any other length", () => {
    for (const length of [0, 1, 63, 65, 3308, 3310]) {
      expect(nodeCrypto.verify(algorithm, key.publicKey, MESSAGE, new Uint8Array(length))).toBe(false);
    }
  });

  it("stands in the image header under its code", () => {
    const description = { ecu: "ECU_011", version: "1.0.0", hardwareVersion: "1.0.0", buildTime: 1, code: MESSAGE };
    const decoded = decodeImageHeader(buildImage(description, key));
    if (decoded.type !== "imageHeader") throw new Error(decoded.reason);
    expect(decoded.header.signatureAlgorithm).toBe(code);
    expect(nodeCrypto.verify(algorithm, key.publicKey, decoded.signed, decoded.header.signature)).toBe(true);
  });
});

describe("ML-DSA-65", () => {
  it("signs what OpenSSL verifies, for twenty seeds and messages of any length", () => {
    const prng = new Prng("ml-dsa");
    for (let round = 0; round < 20; round++) {
      const key = seededMlDsa65Key("ml-dsa", `${round}`);
      const { priv } = key.export({ format: "jwk" }) as { priv?: string };
      const message = prng.bytes(round * 100);
      const signature = signMlDsa65(Buffer.from(priv as string, "base64url"), message);
      expect(verify(null, message, createPublicKey(key), signature)).toBe(true);
    }
  });
});
