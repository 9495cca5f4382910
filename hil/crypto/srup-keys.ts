import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readKeyText, type SrupSignatures } from "../../gateway/source/srup/key-text.ts";

/** By the names of `KeyObject.asymmetricKeyType`. */
const SIGNING_KINDS = ["ed25519", "ml-dsa-65"] as const satisfies readonly SrupSignatures[];

/** The private keys of a party, new but for the RSA key: {@link readKeyText}. */
export function newPrivateKeys(rsa: KeyObject, signatures: SrupSignatures): string {
  const encrypting = rsa.export({ format: "pem", type: "pkcs1" }) as string;
  return signatures === "rsa" ? encrypting : `${encrypting}${newSigningKey(signatures)}`;
}

/** PKCS#8, PEM. Two calls, since Node's types have one kind each. */
function newSigningKey(kind: (typeof SIGNING_KINDS)[number]): string {
  const { privateKey } = kind === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ml-dsa-65");
  return privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

/**
 * The public keys of a party in their standard form, SubjectPublicKeyInfo as PEM, one behind the other.
 * @param text public keys, or the private ones that they are part of
 * @returns undefined when there is no RSA key, or behind it something else than one key that may sign
 */
export function publicKeysOf(text: string): string | undefined {
  const { version, rsa, signing } = readKeyText(text);
  const encrypting = publicPem(rsa, ["rsa"]);
  if (version === 5 || encrypting === undefined) return encrypting;
  const verifying = publicPem(signing, SIGNING_KINDS);
  return verifying === undefined ? undefined : `${encrypting}${verifying}`;
}

/** How a party signs whose keys these are. @returns undefined for keys of nobody */
export function signaturesOf(text: string): SrupSignatures | undefined {
  const { version, signing } = readKeyText(text);
  if (publicKeysOf(text) === undefined) return undefined;
  return version === 5 ? "rsa" : SIGNING_KINDS.find((kind) => publicPem(signing, [kind]) !== undefined);
}

function publicPem(pem: string, kinds: readonly string[]): string | undefined {
  try {
    const key = createPublicKey(pem);
    return kinds.includes(key.asymmetricKeyType ?? "")
      ? (key.export({ format: "pem", type: "spki" }) as string)
      : undefined;
  } catch {
    return undefined;
  }
}
