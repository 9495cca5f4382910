import { type KeyObject, verify } from "node:crypto";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { type DerValue, identifierOf, inside, readDer, timeOf } from "./der-reader.ts";

/** A certificate revocation list, as far as it has been read; its signature has not been checked. (RFC 5280, 5) */
export interface RevocationList {
  /** Name, DER. */
  readonly issuer: Uint8Array;
  /** Unix time, seconds. */
  readonly thisUpdate: number;
  /** Undefined for a list that never gets old. */
  readonly nextUpdate: number | undefined;
  /** Serial numbers in hexadecimal digits, upper case, without leading zeros. */
  readonly revoked: ReadonlySet<string>;
  readonly signed: Uint8Array;
  readonly algorithm: string;
  readonly signature: Uint8Array;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const EXTENSIONS = 0xa0;
const TIME_TAGS: readonly number[] = [0x17, 0x18];

/** What lists are signed with: digest for `verify`; null where the algorithm hashes for itself. */
const ALGORITHMS: Readonly<Record<string, string | null>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.3.101.112": null,
};

/** Critical extensions that need nothing of us: authorityKeyIdentifier, cRLNumber. */
const HARMLESS: readonly string[] = ["2.5.29.35", "2.5.29.20"];

/** @param data PEM with any number of lists, or one in DER @throws {UsageError} when it can't be read */
export function readRevocationLists(data: Uint8Array): RevocationList[] {
  const text = Buffer.from(data).toString("latin1");
  const blocks = [...text.matchAll(/-----BEGIN X509 CRL-----([^-]+)-----END X509 CRL-----/g)];
  try {
    if (blocks.length === 0) return [readList(data)];
    return blocks.map(([, base64]) => readList(Buffer.from(base64 as string, "base64")));
  } catch (cause) {
    throw new UsageError(`that is no certificate revocation list: ${(cause as Error).message}`, { cause });
  }
}

/** @param key of the issuer */
export function isSignedBy({ algorithm, signed, signature }: RevocationList, key: KeyObject): boolean {
  const digest = ALGORITHMS[algorithm];
  if (digest === undefined) return false;
  try {
    return verify(digest, signed, key, signature);
  } catch {
    return false;
  }
}

export const serialText = (serial: string): string => serial.replace(/^0+(?=.)/, "").toUpperCase();

function readList(data: Uint8Array): RevocationList {
  const [list, extra] = readDer(data);
  if (extra !== undefined) throw new RangeError("something follows the list");
  const [toBeSigned, algorithm, signature] = inside(list, SEQUENCE);
  if (signature?.tag !== BIT_STRING || toBeSigned === undefined) throw new RangeError("a part is missing");
  const fields = inside(toBeSigned, SEQUENCE);
  if (fields[0]?.tag === INTEGER) fields.shift();
  const [, issuer, thisUpdate, ...rest] = fields;
  if (issuer === undefined || thisUpdate === undefined) throw new RangeError("issuer or date is missing");
  const nextUpdate = TIME_TAGS.includes(rest[0]?.tag ?? 0) ? rest.shift() : undefined;
  const entries = rest[0]?.tag === SEQUENCE ? inside(rest.shift(), SEQUENCE) : [];
  if (rest[0]?.tag === EXTENSIONS) refuseCritical(rest[0]);
  return {
    issuer: issuer.whole,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: nextUpdate === undefined ? undefined : timeOf(nextUpdate),
    revoked: new Set(entries.map(serialOf)),
    signed: toBeSigned.whole,
    algorithm: identifierOf(inside(algorithm, SEQUENCE)[0] as DerValue),
    signature: signature.content.subarray(1),
  };
}

function serialOf(entry: DerValue): string {
  const [serial, , extensions] = inside(entry, SEQUENCE);
  if (serial?.tag !== INTEGER) throw new RangeError("an entry without a serial number");
  if (extensions !== undefined) refuseCriticalIn(inside(extensions, SEQUENCE));
  return serialText(Buffer.from(serial.content).toString("hex"));
}

/** A list of a part of the certificates, or of changes only, does not say what its reader would think. (RFC 5280, 5.2) */
const refuseCritical = (extensions: DerValue): void => {
  for (const list of readDer(extensions.content)) refuseCriticalIn(inside(list, SEQUENCE));
};

function refuseCriticalIn(extensions: readonly DerValue[]): void {
  for (const extension of extensions) {
    const [identifier, critical] = inside(extension, SEQUENCE);
    const name = identifierOf(identifier as DerValue);
    if (critical?.tag === 0x01 && !HARMLESS.includes(name)) throw new RangeError(`critical extension ${name}`);
  }
}
