import { checkPrimeSync, createHash, createPublicKey, X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readKeys, writeKeys } from "../../../hil/crypto/key-files.ts";
import { type KeySet, makeKeys, makeTls } from "../../../hil/crypto/keys.ts";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

describe("the keys of a seed", () => {
  const keys = makeKeys("7");

  it("are the same on every machine", () => {
    expect(sha256(keys.image.publicKey)).toBe("134baab75d185895bcf828a8d63795242f240be993a2dff6e9762619ceec0b10");
    expect(sha256(keys.package.publicKey)).toBe("a523afe3a924e28c0e0d7e32c67004b3c888138f648372aeb57c066061af9ab4");
    expect(sha256(createPublicKey(keys.tls.privateKey).export({ format: "der", type: "spki" }))).toBe(
      "51e05d93025a9071d850a1dd7184e1e718ef40ddca5d82417b97174af4cd57d6",
    );
  });

  it("have nothing in common with those of another seed, nor with each other", () => {
    const other = makeKeys("8");
    const all = [keys, other].flatMap((set) => [
      sha256(set.image.publicKey),
      sha256(set.package.publicKey),
      sha256(createPublicKey(set.tls.privateKey).export({ format: "der", type: "spki" })),
      sha256(new X509Certificate(set.tls.ca).publicKey.export({ format: "der", type: "spki" })),
    ]);
    expect(new Set(all).size).toBe(8);
  });

  it("are sound: RSA-2048 of two different primes, and exponents that undo each other", () => {
    const jwk = keys.package.privateKey.export({ format: "jwk" });
    const number = (field: "n" | "e" | "d" | "p" | "q" | "dp" | "dq" | "qi"): bigint =>
      BigInt(`0x${Buffer.from(jwk[field] as string, "base64url").toString("hex")}`);
    const [p, q] = [number("p"), number("q")];
    expect(checkPrimeSync(p) && checkPrimeSync(q)).toBe(true);
    expect(p > q).toBe(true);
    expect(p * q).toBe(number("n"));
    expect(number("n").toString(2)).toHaveLength(2048);
    expect((number("d") * number("e")) % ((p - 1n) * (q - 1n))).toBe(1n);
    expect((number("qi") * q) % p).toBe(1n);
    expect([number("dp"), number("dq")]).toEqual([number("d") % (p - 1n), number("d") % (q - 1n)]);
  });

  it("differ from run to run without a seed", () => {
    const [one, other] = [makeKeys(), makeKeys()];
    expect(one.image.publicKey).not.toEqual(other.image.publicKey);
    expect(one.package.publicKey).not.toEqual(other.package.publicKey);
    expect(one.tls.ca).not.toBe(other.tls.ca);
  });
});

describe("key files", () => {
  let folder: string;
  const keys: KeySet = makeKeys("files");
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-keys-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("come back as they were written", () => {
    const files = writeKeys(join(folder, "a", "b"), keys);
    expect(files).toHaveLength(11);
    const read = readKeys(join(folder, "a", "b"));
    expect(read.image.publicKey).toEqual(keys.image.publicKey);
    expect(read.image.privateKey.equals(keys.image.privateKey)).toBe(true);
    expect(read.package.publicKey).toEqual(keys.package.publicKey);
    expect(read.package.privateKey.equals(keys.package.privateKey)).toBe(true);
    expect(read.tls).toEqual(keys.tls);
  });

  it("let only their owner read private keys", () => {
    const target = join(folder, "modes");
    for (const path of writeKeys(target, keys))
      expect(statSync(path).mode & 0o777).toBe(/PRIVATE/.test(readFileSync(path, "utf8")) ? 0o600 : 0o644);
    expect(readdirSync(target).filter((name) => name.endsWith(".key.pem"))).toHaveLength(5);
  });

  it("are never overwritten, and none is written when one is there", () => {
    const target = mkdtempSync(join(folder, "taken-"));
    writeFileSync(join(target, "server.pem"), "mine");
    expect(() => writeKeys(target, keys)).toThrow(expect.objectContaining({ code: "KEYS_EXIST" }));
    expect(readdirSync(target)).toEqual(["server.pem"]);
    expect(readFileSync(join(target, "server.pem"), "utf8")).toBe("mine");
  });

  it("are refused when one is missing, no key, of another kind, or of another set", () => {
    const broken = (change: (target: string) => void): (() => unknown) => {
      const target = mkdtempSync(join(folder, "broken-"));
      writeKeys(join(target, "keys"), keys);
      change(join(target, "keys"));
      return () => readKeys(join(target, "keys"));
    };
    const copy = (from: string, to: string) => (target: string) =>
      writeFileSync(join(target, to), readFileSync(join(target, from)));
    const unreadable = expect.objectContaining({ code: "KEYS_UNREADABLE" });
    const mismatched = expect.objectContaining({ code: "KEYS_MISMATCHED" });
    expect(broken((target) => rmSync(join(target, "ca.pem")))).toThrow(unreadable);
    expect(broken((target) => writeFileSync(join(target, "ca.pem"), "no certificate"))).toThrow(unreadable);
    expect(broken(copy("package-signing.key.pem", "image-signing.key.pem"))).toThrow(unreadable);
    expect(broken(copy("package-signing.key.pem", "server.key.pem"))).toThrow(mismatched);
    expect(broken((target) => writeFileSync(join(target, "ca.pem"), makeTls("wrong").ca))).toThrow(mismatched);
  });

  it("tell when the folder can't be written to", () => {
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    chmodSync(file, 0o400);
    expect(() => writeKeys(file, keys)).toThrow(expect.objectContaining({ code: "KEYS_UNWRITABLE" }));
  });
});
