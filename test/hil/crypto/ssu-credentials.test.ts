import { expect, it } from "vitest";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import { hkdfExpand, hkdfExtract } from "../../../gateway/source/ssu/hkdf.ts";
import { readRevocationLists } from "../../../hil/crypto/revocation.ts";
import { ssuIdentity, ssuTrust } from "../../../hil/crypto/ssu-credentials.ts";
import { nodeSsuCrypto } from "../../../hil/crypto/ssu-crypto.ts";
import { describeWithJudge } from "../../support/judges.ts";
import { OpensslAuthority } from "../../support/ssu-credentials.ts";

const DAY = 86_400;
const now = (): number => Date.now() / 1000;
const hex = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array(0);

describeWithJudge("openssl", "a chain of certificates that OpenSSL made", () => {
  const authority = new OpensslAuthority();
  const server = authority.issue("server");
  const chain = ssuIdentity(server.certificate, server.privateKey).chain;
  const check = (name: string, options: Partial<Parameters<typeof ssuTrust>[0]> = {}, of = chain): string | undefined =>
    ssuTrust({ ca: authority.ca, ...options }).check(of, name)?.alert;

  it("is believed for the names in it, and for no other", () => {
    expect(check("localhost")).toBeUndefined();
    expect(check("127.0.0.1")).toBeUndefined();
    expect(check("server")).toBe("unrecognizedName"); // its common name
    expect(check("127.0.0.2")).toBe("unrecognizedName");
  });

  it("is believed in its time only", () => {
    expect(check("localhost", { now: () => now() + 31 * DAY })).toBe("certificateExpired");
    expect(check("localhost", { now: () => now() - 2 * DAY })).toBe("certificateExpired");
  });

  it("leads to the CA that was given, and not to another one of the same name", () => {
    expect(check("localhost", { ca: new OpensslAuthority().ca })).toBe("unknownCa");
    expect(check("localhost", {}, [])).toBe("badCertificate");
    expect(check("localhost", {}, [Uint8Array.of(1, 2, 3)])).toBe("badCertificate");
  });

  it("may have CAs between, as many as the one above allows, and nothing that is no CA", () => {
    const middle = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign";
    const between = authority.issue("between", { extensions: middle });
    const below = authority.issue("below", {}, "between");
    const [own, own2] = [below, between].map(
      ({ certificate, privateKey }) => ssuIdentity(certificate, privateKey).chain[0],
    );
    expect(check("localhost", {}, [own as Uint8Array, own2 as Uint8Array])).toBeUndefined();
    expect(check("localhost", {}, [own as Uint8Array])).toBe("unknownCa");
    const third = authority.issue("third", { extensions: middle }, "between");
    const deep = authority.issue("deep", {}, "third");
    const deepChain = [deep, third, between].map(
      (each) => ssuIdentity(each.certificate, each.privateKey).chain[0] as Uint8Array,
    );
    expect(check("localhost", {}, deepChain)).toBe("unknownCa");
    const forged = authority.issue("forged", {}, "server");
    const forgedChain = [forged, server].map(
      (each) => ssuIdentity(each.certificate, each.privateKey).chain[0] as Uint8Array,
    );
    expect(check("localhost", {}, forgedChain)).toBe("unknownCa");
  });

  it("is refused for a client's certificate, and for constraints that are not understood", () => {
    const of = (name: string, extensions: string): string | undefined => {
      const { certificate, privateKey } = authority.issue(name, { extensions });
      return check("localhost", {}, ssuIdentity(certificate, privateKey).chain);
    };
    expect(of("client", "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth")).toBe("unsupportedCertificate");
    expect(of("odd", "subjectAltName=DNS:localhost\n1.2.3.4=critical,ASN1:UTF8String:x")).toBe(
      "unsupportedCertificate",
    );
  });

  it("is refused when its key usage does not have signatures among it", () => {
    const of = (name: string, usage: string): string | undefined => {
      const { certificate, privateKey } = authority.issue(name, {
        extensions: `subjectAltName=DNS:localhost\nkeyUsage=critical,${usage}`,
      });
      return check("localhost", {}, ssuIdentity(certificate, privateKey).chain);
    };
    expect(of("encrypts", "keyEncipherment")).toBe("unsupportedCertificate");
    expect(of("signs", "digitalSignature,keyEncipherment")).toBeUndefined();
  });

  it("needs a revocation list of its issuer that is good now, where lists are asked for", () => {
    const gone = authority.issue("gone");
    const goneChain = ssuIdentity(gone.certificate, gone.privateKey).chain;
    const revocation = readRevocationLists(authority.revoke("gone"));
    expect(check("localhost", { revocation })).toBeUndefined();
    expect(check("localhost", { revocation }, goneChain)).toBe("certificateRevoked");
    expect(check("localhost", { revocation: [] })).toBe("revocationUnknown");
    expect(check("localhost", { revocation, now: () => now() + 8 * DAY })).toBe("revocationUnknown");
    expect(check("localhost", { revocation: readRevocationLists(new OpensslAuthority().revoke()) })).toBe(
      "revocationUnknown",
    );
    const [list] = revocation;
    const emptied = list === undefined ? [] : [{ ...list, signed: list.signed.slice(1) }];
    expect(check("localhost", { revocation: emptied })).toBe("revocationUnknown");
  });

  it.each([
    ["ed25519", ["ed25519"], 0x0807],
    ["ECDSA P-256", ["EC", "ec_paramgen_curve:P-256"], 0x0403],
    ["RSA", ["RSA", "rsa_keygen_bits:2048"], 0x0804],
  ] as const)("signs and verifies with %s, and with no other scheme", (name, algorithm, scheme) => {
    const made = authority.issue(`key-${name.replaceAll(" ", "-")}`, { algorithm: [...algorithm] });
    const identity = ssuIdentity(made.certificate, made.privateKey);
    const [certificate] = identity.chain as [Uint8Array];
    const trust = ssuTrust({ ca: authority.ca });
    const message = new TextEncoder().encode("a transcript");
    const signature = identity.sign(message);
    expect(identity.scheme).toBe(scheme);
    expect(trust.verify(certificate, scheme, message, signature)).toBe(true);
    expect(trust.verify(certificate, scheme, message.slice(1), signature)).toBe(false);
    for (const other of [0x0403, 0x0804, 0x0807, 0x0401, 0].filter((each) => each !== scheme)) {
      expect(trust.verify(certificate, other, message, signature)).toBe(false);
    }
  });

  it("needs the key that belongs to it", () => {
    expect(() => ssuIdentity(server.certificate, authority.issue("other").privateKey)).toThrow(
      "not that of the certificate",
    );
  });

  it("is read as a list when it is one, and nothing else is", () => {
    const list = authority.revoke();
    expect(readRevocationLists(list)).toHaveLength(1);
    for (const bad of [new Uint8Array(0), list.slice(100), new TextEncoder().encode(server.certificate)]) {
      expect(() => readRevocationLists(bad)).toThrow("no certificate revocation list");
    }
  });
});

describeWithJudge("openssl", "the cryptography of secure streams", () => {
  const crypto = nodeSsuCrypto();

  it("has the HKDF of RFC 5869, test case 1", () => {
    const key = hkdfExtract(crypto, hex("000102030405060708090a0b0c"), hex("0b".repeat(22)));
    expect(toHex(key)).toBe("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    expect(toHex(hkdfExpand(crypto, key, hex("f0f1f2f3f4f5f6f7f8f9"), 42))).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  it("has the X25519 of RFC 7748, 5.2 (one iteration), and refuses a point that gives nothing", () => {
    const nine = Uint8Array.of(9, ...new Uint8Array(31));
    const result = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
    expect(toHex(crypto.x25519(nine, nine) ?? new Uint8Array(0))).toBe(result);
    expect(toHex(crypto.x25519Public(nine))).toBe(result);
    expect(crypto.x25519(nine, new Uint8Array(32))).toBeUndefined();
  });
});
