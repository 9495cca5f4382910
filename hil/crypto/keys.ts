import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { ImageSignatureName } from "../../emulator/wire/image-header.ts";
import { makeAuthority, makeServerCertificate, type ServerCertificateOptions } from "./certificates.ts";
import { seededEd25519Key, seededMlDsa65Key, seededP256Key, seededRsaKey } from "./seeded-keys.ts";
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

/** What signs images, one key for each kind of signature. */
export interface ImageKeys {
  /** ECDSA P-256: for every ECU that is not configured otherwise. */
  readonly image: SigningKey;
  readonly imageEd25519: SigningKey;
  readonly imageMlDsa65: SigningKey;
}

/** All keys of one bench. */
export interface KeySet extends ImageKeys {
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
    imageEd25519: signingKey(newKey("ed25519", "image ed25519", seed)),
    imageMlDsa65: signingKey(newKey("mlDsa65", "image ml-dsa-65", seed)),
    package: signingKey(newKey("rsa", "package", seed)),
    tls: makeTls(seed),
  };
}

/** A certification authority of its own and a server below it: another seed, or none, gives a CA that nobody trusts. */
export function makeTls(seed?: string, options: ServerCertificateOptions = {}): TlsMaterial {
  const authority = { name: "otabench CA", key: newKey("rsa", "tls ca", seed) };
  const key = newKey("rsa", "tls server", seed);
  return {
    ca: makeAuthority(authority.name, authority.key),
    certificate: makeServerCertificate(key, authority, options),
    privateKey: key.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

/** The key that signs images of that kind. */
export function imageKey(keys: ImageKeys, signature: ImageSignatureName): SigningKey {
  switch (signature) {
    case "ecdsaP256":
      return keys.image;
    case "ed25519":
      return keys.imageEd25519;
    case "mlDsa65":
      return keys.imageMlDsa65;
  }
}

/** What ECUs check images with. */
export const imagePublicKeys = (keys: ImageKeys): Readonly<Record<ImageSignatureName, Uint8Array>> => ({
  ecdsaP256: keys.image.publicKey,
  ed25519: keys.imageEd25519.publicKey,
  mlDsa65: keys.imageMlDsa65.publicKey,
});

interface KeyMaker {
  readonly seeded: (seed: string, label: string) => KeyObject;
  readonly random: () => KeyObject;
}

const MAKERS = {
  p256: {
    seeded: seededP256Key,
    random: () => generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey,
  },
  ed25519: { seeded: seededEd25519Key, random: () => generateKeyPairSync("ed25519").privateKey },
  mlDsa65: { seeded: seededMlDsa65Key, random: () => generateKeyPairSync("ml-dsa-65").privateKey },
  rsa: { seeded: seededRsaKey, random: () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey },
} as const satisfies Readonly<Record<string, KeyMaker>>;

const newKey = (type: keyof typeof MAKERS, label: string, seed: string | undefined): KeyObject =>
  seed === undefined ? MAKERS[type].random() : MAKERS[type].seeded(seed, label);
