import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { makeAuthority, makeServerCertificate } from "./certificates.ts";
import { seededP256Key, seededRsaKey } from "./seeded-keys.ts";
import { type SigningKey, signingKey } from "./signing-key.ts";

/** What a TLS server shows and what its clients trust. All PEM. */
export interface TlsMaterial {
  /** The certification authority; clients trust this one only. Its private key is thrown away. */
  readonly ca: string;
  /** For localhost, 127.0.0.1 and ::1. RSA-2048, so that it serves TLS 1.3 and ECDHE-RSA ciphers of TLS 1.2 alike. */
  readonly certificate: string;
  /** PKCS#8. */
  readonly privateKey: string;
}

/** All keys of one bench. */
export interface KeySet {
  /** ECDSA P-256: signs the image of each ECU. */
  readonly image: SigningKey;
  /** RSA-2048: signs whole packages. */
  readonly package: SigningKey;
  readonly tls: TlsMaterial;
}

/**
 * Makes the keys of a bench.
 * @param seed with it the keys are the same on every machine, and whoever knows the seed has them; certificates differ
 *   in their dates. Without it the keys are random.
 */
export function makeKeys(seed?: string): KeySet {
  return {
    image: signingKey(newKey("p256", "image", seed)),
    package: signingKey(newKey("rsa", "package", seed)),
    tls: makeTls(seed),
  };
}

/** A certification authority of its own and a server below it: another seed, or none, gives a CA that nobody trusts. */
export function makeTls(seed?: string): TlsMaterial {
  const authority = { name: "otabench CA", key: newKey("rsa", "tls ca", seed) };
  const key = newKey("rsa", "tls server", seed);
  return {
    ca: makeAuthority(authority.name, authority.key),
    certificate: makeServerCertificate(key, authority),
    privateKey: key.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

function newKey(type: "p256" | "rsa", label: string, seed: string | undefined): KeyObject {
  if (type === "p256") {
    if (seed !== undefined) return seededP256Key(seed, label);
    return generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
  }
  if (seed !== undefined) return seededRsaKey(seed, label);
  return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
}
