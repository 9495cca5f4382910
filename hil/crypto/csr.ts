import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import {
  bitString,
  type DerValue,
  integer,
  nullValue,
  objectIdentifier,
  printableString,
  readDer,
  sequence,
  setOf,
  tagged,
  utf8String,
} from "./der.ts";

/** A request for a certificate. (RFC 2986) */
export interface CertificateRequest {
  /** The Name as it stands in the request, DER. */
  readonly subject: Uint8Array;
  readonly commonName: string;
  readonly publicKey: KeyObject;
}

const COMMON_NAME = objectIdentifier("2.5.4.3");
const SHA256_WITH_RSA = "1.2.840.113549.1.1.11";

/** What a SRUP device asks for: C=UK, ST=UNK, L=UNK, O=SRUP_DEVICE, CN=its identity. @param key RSA @returns PEM */
export function makeRequest(identity: string, key: KeyObject): string {
  // a country is a PrintableString; that one has no underscore, so the others are not (RFC 5280, appendix A.1)
  const names: readonly [string, Buffer][] = [
    ["2.5.4.6", printableString("UK")],
    ["2.5.4.8", utf8String("UNK")],
    ["2.5.4.7", utf8String("UNK")],
    ["2.5.4.10", utf8String("SRUP_DEVICE")],
    ["2.5.4.3", utf8String(identity)],
  ];
  const info = sequence(
    integer(Buffer.of(0)),
    sequence(...names.map(([type, text]) => setOf(sequence(objectIdentifier(type), text)))),
    createPublicKey(key).export({ format: "der", type: "spki" }),
    tagged(0xa0),
  );
  const algorithm = sequence(objectIdentifier(SHA256_WITH_RSA), nullValue());
  const request = sequence(info, algorithm, bitString(sign("sha256", info, key)));
  const lines = request.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join("\n")}\n-----END CERTIFICATE REQUEST-----\n`;
}

/** Total. @returns undefined for anything but a request that its own RSA key has signed with SHA-256 */
export function readRequest(pem: string): CertificateRequest | undefined {
  const body = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  try {
    const [request] = readDer(Buffer.from(body, "base64"));
    const [info, , signature] = childrenOf(request);
    const [, subject, publicKeyInfo] = childrenOf(info);
    if (info === undefined || signature === undefined || subject === undefined || publicKeyInfo === undefined)
      return undefined;
    const publicKey = createPublicKey({ key: Buffer.from(publicKeyInfo.whole), format: "der", type: "spki" });
    if (publicKey.asymmetricKeyType !== "rsa") return undefined;
    if (!verify("sha256", info.whole, publicKey, signature.content.subarray(1))) return undefined;
    const commonName = commonNameOf(subject);
    return commonName === undefined ? undefined : { subject: subject.whole, commonName, publicKey };
  } catch {
    return undefined;
  }
}

const childrenOf = (value: DerValue | undefined): readonly DerValue[] =>
  value === undefined ? [] : readDer(value.content);

function commonNameOf(subject: DerValue): string | undefined {
  for (const attribute of childrenOf(subject).flatMap(childrenOf)) {
    const [type, value] = childrenOf(attribute);
    if (type !== undefined && value !== undefined && COMMON_NAME.equals(type.whole))
      return Buffer.from(value.content).toString("utf8");
  }
  return undefined;
}
