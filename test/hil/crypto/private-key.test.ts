import { createPrivateKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { isPrivateKey } from "../../../hil/crypto/private-key.ts";

const rsa = createPrivateKey(makeTls("private key").privateKey);
const { privateKey: ec } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const sealed = { cipher: "aes-256-cbc", passphrase: "secret" } as const;

describe("a file that holds a private key", () => {
  it.each([
    ["RSA, PKCS#8, PEM", rsa.export({ format: "pem", type: "pkcs8" })],
    ["RSA, PKCS#1, PEM", rsa.export({ format: "pem", type: "pkcs1" })],
    ["EC, SEC 1, PEM", ec.export({ format: "pem", type: "sec1" })],
    ["RSA, PKCS#8, PEM, encrypted", rsa.export({ format: "pem", type: "pkcs8", ...sealed })],
    ["RSA, PKCS#8, DER", rsa.export({ format: "der", type: "pkcs8" })],
    ["RSA, PKCS#8, DER, encrypted", rsa.export({ format: "der", type: "pkcs8", ...sealed })],
    ["RSA, PKCS#1, DER", rsa.export({ format: "der", type: "pkcs1" })],
    ["EC, SEC 1, DER", ec.export({ format: "der", type: "sec1" })],
    [
      "a certificate with its key behind it",
      `${makeTls("private key").certificate}${makeTls("private key").privateKey}`,
    ],
  ])("is found: %s", (_, key) => {
    expect(isPrivateKey(new Uint8Array(Buffer.from(key)))).toBe(true);
  });

  it("is not seen in firmware, certificates, signatures, noise or nothing", () => {
    const firmware = readdirSync("fixtures/firmware", { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => readFileSync(`fixtures/firmware/${name}`));
    const others = [
      Buffer.from(makeTls("private key").certificate),
      randomBytes(256),
      randomBytes(100_000),
      Buffer.alloc(0),
    ];
    for (const file of [...firmware, ...others]) expect(isPrivateKey(new Uint8Array(file))).toBe(false);
  });
});
