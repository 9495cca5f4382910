import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import type { CertificateRequest } from "./csr.ts";
import {
  bitString,
  booleanTrue,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  tagged,
  utcTime,
  utf8String,
} from "./der.ts";

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
const CLIENT_DAYS = 365;

/** What a server's certificate says of itself. */
export interface ServerCertificateOptions {
  /** DNS names; with some, these are all, and no address is. localhost, 127.0.0.1 and ::1 if left out. */
  readonly names?: readonly string[];
  /** From yesterday on, for ten years, if left out. */
  readonly validFrom?: Date;
  readonly validTo?: Date;
}

interface CertificateFields {
  /** A common name, or a whole Name, DER. */
  readonly subject: string | Uint8Array;
  readonly issuer: string;
  /** Whose certificate it is. */
  readonly key: KeyObject;
  /** RSA; the same as `key` when it signs itself. */
  readonly issuerKey: KeyObject;
  readonly extensions: readonly Uint8Array[];
  readonly validFrom?: Date | undefined;
  readonly validTo?: Date | undefined;
}

/** A certification authority that may sign servers and nothing below them. @param key RSA private key @returns PEM */
export function makeAuthority(name: string, key: KeyObject): string {
  const extensions = [
    extension("2.5.29.19", sequence(booleanTrue(), integer(Buffer.of(0))), true), // basicConstraints: CA, pathLen 0
    extension("2.5.29.15", bitString(Buffer.of(0x06), 1), true), // keyUsage: keyCertSign, cRLSign
    extension("2.5.29.14", octetString(keyIdentifier(key))),
  ];
  return certificate({ subject: name, issuer: name, key, issuerKey: key, extensions });
}

/**
 * A server's certificate for this very machine, unless it is told otherwise. @param key RSA private key
 * @param authority name and key that {@link makeAuthority} was given  @returns PEM
 */
export function makeServerCertificate(
  key: KeyObject,
  authority: { name: string; key: KeyObject },
  options: ServerCertificateOptions = {},
): string {
  const addresses = [
    tagged(0x87, Buffer.of(127, 0, 0, 1)),
    tagged(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)])),
  ];
  const dnsNames = (options.names ?? ["localhost"]).map((name) => tagged(0x82, Buffer.from(name, "ascii")));
  const names = options.names === undefined ? [...dnsNames, ...addresses] : dnsNames;
  const extensions = [
    extension("2.5.29.19", sequence(), true), // basicConstraints: no CA
    extension("2.5.29.15", bitString(Buffer.of(0xa0), 5), true), // keyUsage: digitalSignature, keyEncipherment
    extension("2.5.29.37", sequence(objectIdentifier("1.3.6.1.5.5.7.3.1"))), // extKeyUsage: serverAuth
    extension("2.5.29.17", sequence(...names)), // subjectAltName
    extension("2.5.29.14", octetString(keyIdentifier(key))),
    extension("2.5.29.35", sequence(tagged(0x80, keyIdentifier(authority.key)))), // authorityKeyIdentifier
  ];
  const { validFrom, validTo } = options;
  const issuer = { issuer: authority.name, issuerKey: authority.key };
  return certificate({ subject: options.names?.[0] ?? "localhost", key, ...issuer, extensions, validFrom, validTo });
}

/** A client's certificate for whoever made the request, for a year. @returns PEM */
export function signRequest(request: CertificateRequest, authority: { name: string; key: KeyObject }): string {
  const { subject, publicKey: key } = request;
  const validTo = new Date(Date.now() + CLIENT_DAYS * DAY_MS);
  return certificate({ subject, issuer: authority.name, key, issuerKey: authority.key, extensions: [], validTo });
}

/** A version 3 certificate, valid from yesterday on, so that a clock that is a little late accepts it. (RFC 5280, 4.1) */
function certificate(fields: CertificateFields): string {
  const now = Date.now();
  const { validFrom = new Date(now - DAY_MS), validTo = new Date(now + VALID_DAYS * DAY_MS) } = fields;
  const algorithm = sequence(objectIdentifier("1.2.840.113549.1.1.11"), nullValue()); // sha256WithRSAEncryption
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.of(2))), // version 3
    integer(Buffer.concat([Buffer.of(0x4f), randomBytes(15)])), // serial number
    algorithm,
    nameOf(fields.issuer),
    sequence(utcTime(validFrom), utcTime(validTo)),
    typeof fields.subject === "string" ? nameOf(fields.subject) : fields.subject,
    publicKeyOf(fields.key).export({ format: "der", type: "spki" }),
    ...(fields.extensions.length === 0 ? [] : [tagged(0xa3, sequence(...fields.extensions))]),
  );
  const signature = sign("sha256", toBeSigned, fields.issuerKey);
  const lines =
    sequence(toBeSigned, algorithm, bitString(signature))
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

const publicKeyOf = (key: KeyObject): KeyObject => (key.type === "public" ? key : createPublicKey(key));

/** Organisation "otabench" and a common name. */
const nameOf = (commonName: string): Buffer =>
  sequence(
    setOf(sequence(objectIdentifier("2.5.4.10"), utf8String("otabench"))),
    setOf(sequence(objectIdentifier("2.5.4.3"), utf8String(commonName))),
  );

const extension = (identifier: string, value: Uint8Array, critical = false): Buffer =>
  sequence(objectIdentifier(identifier), ...(critical ? [booleanTrue()] : []), octetString(value));

/** The leftmost 160 bits of the SHA-256 of the public key. (RFC 7093, 2, method 1) */
const keyIdentifier = (key: KeyObject): Buffer => {
  const publicKey = createPublicKey(key).export({ format: "der", type: "pkcs1" });
  return createHash("sha256").update(publicKey).digest().subarray(0, 20);
};
