import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { makeFolder } from "../record/claim.ts";
import type { KeySet } from "./keys.ts";
import { type SigningKey, signingKey } from "./signing-key.ts";

/** The files of a key folder; all PEM. */
const KEY_FILES = {
  imageKey: "image-signing.key.pem",
  imagePublic: "image-signing.pub.pem",
  imageEd25519Key: "image-signing-ed25519.key.pem",
  imageEd25519Public: "image-signing-ed25519.pub.pem",
  imageMlDsa65Key: "image-signing-ml-dsa-65.key.pem",
  imageMlDsa65Public: "image-signing-ml-dsa-65.pub.pem",
  packageKey: "package-signing.key.pem",
  packagePublic: "package-signing.pub.pem",
  ca: "ca.pem",
  serverCertificate: "server.pem",
  serverKey: "server.key.pem",
} as const;

const OWNER_ONLY = 0o600;
const EVERYONE_READS = 0o644;

/**
 * Writes a key set as PEM files into a folder, which is made when it is not there. Private keys can be read by their
 * owner only. Nothing is ever overwritten.
 * @returns the paths of the files
 * @throws {KeyFileError} KEYS_EXIST when one of the files is there already (none has been written then), KEYS_UNWRITABLE
 */
export function writeKeys(folder: string, keys: KeySet): readonly string[] {
  const files: readonly [name: string, text: string, mode: number][] = [
    [KEY_FILES.imageKey, privatePem(keys.image), OWNER_ONLY],
    [KEY_FILES.imagePublic, publicPem(keys.image), EVERYONE_READS],
    [KEY_FILES.imageEd25519Key, privatePem(keys.imageEd25519), OWNER_ONLY],
    [KEY_FILES.imageEd25519Public, publicPem(keys.imageEd25519), EVERYONE_READS],
    [KEY_FILES.imageMlDsa65Key, privatePem(keys.imageMlDsa65), OWNER_ONLY],
    [KEY_FILES.imageMlDsa65Public, publicPem(keys.imageMlDsa65), EVERYONE_READS],
    [KEY_FILES.packageKey, privatePem(keys.package), OWNER_ONLY],
    [KEY_FILES.packagePublic, publicPem(keys.package), EVERYONE_READS],
    [KEY_FILES.ca, keys.tls.ca, EVERYONE_READS],
    [KEY_FILES.serverCertificate, keys.tls.certificate, EVERYONE_READS],
    [KEY_FILES.serverKey, keys.tls.privateKey, OWNER_ONLY],
  ];
  const taken = files.map(([name]) => join(folder, name)).find((path) => existsSync(path));
  if (taken !== undefined) throw new KeyFileError("KEYS_EXIST", `${taken} exists and is not overwritten`);
  try {
    makeFolder(folder);
    for (const [name, text, mode] of files) writeFileSync(join(folder, name), text, { mode, flag: "wx" });
  } catch (cause) {
    throw new KeyFileError("KEYS_UNWRITABLE", `the keys could not be written to ${folder}: ${textOf(cause)}`, {
      cause,
    });
  }
  return files.map(([name]) => join(folder, name));
}

/**
 * Reads what {@link writeKeys} wrote. Public keys are derived from the private ones.
 * @throws {KeyFileError} KEYS_UNREADABLE when a file is missing or not what its name says, KEYS_MISMATCHED when the
 *   server's certificate is not for its key or not from the CA
 * @public
 */
export function readKeys(folder: string): KeySet {
  const imageKeys = {
    image: readSigningKey(folder, KEY_FILES.imageKey, "ECDSA-P256-SHA256"),
    imageEd25519: readSigningKey(folder, KEY_FILES.imageEd25519Key, "Ed25519"),
    imageMlDsa65: readSigningKey(folder, KEY_FILES.imageMlDsa65Key, "ML-DSA-65"),
  };
  const packageKey = readSigningKey(folder, KEY_FILES.packageKey, "RSA-PKCS1-SHA256");
  const ca = readCertificate(folder, KEY_FILES.ca);
  const server = readCertificate(folder, KEY_FILES.serverCertificate);
  const serverKey = readPrivateKey(folder, KEY_FILES.serverKey);
  if (!server.checkPrivateKey(serverKey))
    throw new KeyFileError("KEYS_MISMATCHED", `${KEY_FILES.serverCertificate} is not for ${KEY_FILES.serverKey}`);
  if (!server.verify(ca.publicKey))
    throw new KeyFileError("KEYS_MISMATCHED", `${KEY_FILES.serverCertificate} is not signed by ${KEY_FILES.ca}`);
  const privateKey = serverKey.export({ format: "pem", type: "pkcs8" }) as string;
  return { ...imageKeys, package: packageKey, tls: { ca: ca.toString(), certificate: server.toString(), privateKey } };
}

type KeyFileErrorCode = "KEYS_EXIST" | "KEYS_UNWRITABLE" | "KEYS_UNREADABLE" | "KEYS_MISMATCHED";

/** A key folder that can't be used as it is. */
class KeyFileError extends UsageError {
  override readonly code: KeyFileErrorCode;

  constructor(code: KeyFileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

function readSigningKey(folder: string, name: string, algorithm: SigningKey["algorithm"]): SigningKey {
  const key = parse(folder, name, (pem) => signingKey(createPrivateKey(pem)));
  if (key.algorithm !== algorithm)
    throw new KeyFileError("KEYS_UNREADABLE", `${join(folder, name)} is for ${key.algorithm}, not ${algorithm}`);
  return key;
}

const readPrivateKey = (folder: string, name: string): KeyObject => parse(folder, name, (pem) => createPrivateKey(pem));

const readCertificate = (folder: string, name: string): X509Certificate =>
  parse(folder, name, (pem) => new X509Certificate(pem));

function parse<Value>(folder: string, name: string, read: (pem: string) => Value): Value {
  const path = join(folder, name);
  try {
    return read(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new KeyFileError("KEYS_UNREADABLE", `${path} can't be read: ${textOf(cause)}`, { cause });
  }
}

const privatePem = (key: SigningKey): string => key.privateKey.export({ format: "pem", type: "pkcs8" }) as string;

const publicPem = (key: SigningKey): string => {
  const lines =
    Buffer.from(key.publicKey)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
};

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
