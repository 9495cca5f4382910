import { constants, createPrivateKey, type KeyObject, sign, verify, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { UsageError } from "../../emulator/kernel/errors.ts";
import type { AlertName } from "../../gateway/source/ssu/alerts.ts";
import { SignatureScheme, type SsuIdentity, type SsuTrust } from "../../gateway/source/ssu/credentials.ts";
import { CHAIN_MAX } from "../../gateway/source/ssu/handshake-messages.ts";
import { type DerValue, identifierOf, inside, readDer } from "./der-reader.ts";
import { isSignedBy, type RevocationList, serialText } from "./revocation.ts";

/** The server's side of the certificates: who it is. @param certificates PEM, its own first @param privateKey PEM, PKCS#8 */
export function ssuIdentity(certificates: string, privateKey: string): SsuIdentity {
  const chain = pemCertificates(certificates);
  const [own] = chain;
  const key = createPrivateKey(privateKey);
  if (own === undefined || !own.checkPrivateKey(key))
    throw new UsageError("ssu: the key is not that of the certificate");
  const scheme = schemeOf(key);
  return {
    chain: chain.map(({ raw }) => new Uint8Array(raw)),
    scheme,
    sign: (message) => new Uint8Array(sign(digestOf(scheme), message, { key, ...PARAMETERS[scheme] })),
  };
}

export interface SsuTrustOptions {
  /** Certificates that the server's must lead to, PEM. Nothing else is trusted. */
  readonly ca: string;
  /** With them, every certificate on the way to the CA must be vouched for by a list of its issuer. */
  readonly revocation?: readonly RevocationList[];
  /** Unix time, seconds; the machine's if not given. */
  readonly now?: () => number;
}

/** The client's side: whom it believes. @throws {UsageError} when the CA can't be read */
export function ssuTrust({ ca, revocation, now = () => Date.now() / 1000 }: SsuTrustOptions): SsuTrust {
  const anchors = pemCertificates(ca);
  if (anchors.length === 0) throw new UsageError("ssu: there is no certificate of a CA");
  return {
    now,
    check(chain, name) {
      try {
        checkChain(chain.map(parsed), name, { anchors, revocation, now: now() });
        return undefined;
      } catch (error) {
        if (error instanceof Fault) return { alert: error.alert, reason: error.message };
        return { alert: "badCertificate", reason: (error as Error).message };
      }
    },
    verify(certificate, scheme, message, signature) {
      try {
        const key = new X509Certificate(certificate).publicKey;
        if (!isScheme(scheme) || schemeOf(key) !== scheme) return false;
        return verify(digestOf(scheme), message, { key, ...PARAMETERS[scheme] }, signature);
      } catch {
        return false;
      }
    },
  };
}

const PARAMETERS: Readonly<Record<SignatureScheme, { padding?: number; saltLength?: number; dsaEncoding?: "der" }>> = {
  [SignatureScheme.EcdsaP256Sha256]: { dsaEncoding: "der" },
  [SignatureScheme.RsaPssSha256]: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  [SignatureScheme.Ed25519]: {},
};

const RSA_MODULUS_BITS_MIN = 2048;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const DIGITAL_SIGNATURE = 0x80;
/** Critical extensions that are looked at, here or by node:crypto: names, uses and constraints of use. */
const UNDERSTOOD: readonly string[] = [BASIC_CONSTRAINTS, KEY_USAGE, "2.5.29.17", "2.5.29.37"];

/** Why a chain is not believed. */
class Fault extends Error {
  readonly alert: AlertName;

  constructor(alert: AlertName, reason: string) {
    super(reason);
    this.alert = alert;
  }
}

interface ChainRules {
  readonly anchors: readonly X509Certificate[];
  readonly revocation: readonly RevocationList[] | undefined;
  readonly now: number;
}

/** (RFC 5280, 6.1, without policies and name constraints: a certificate that has them as critical is refused) */
function checkChain(chain: readonly X509Certificate[], name: string, rules: ChainRules): void {
  const [own] = chain;
  if (own === undefined || chain.length > CHAIN_MAX) throw new Fault("badCertificate", `${chain.length} certificates`);
  checkOne(own, rules);
  if (own.keyUsage !== undefined && !own.keyUsage.includes(SERVER_AUTH)) {
    throw new Fault("unsupportedCertificate", "the certificate is not one of a server");
  }
  if (!maySign(own)) throw new Fault("unsupportedCertificate", "the key of the certificate is not for signatures");
  let current = own;
  for (const [index, next] of [...chain.slice(1), undefined].entries()) {
    const anchor = rules.anchors.find((each) => each.raw.equals(current.raw) || isIssuedBy(current, each));
    const issuer = anchor ?? next;
    checkStep(current, issuer, index, rules);
    if (issuer === undefined || anchor !== undefined) break;
    current = issuer;
  }
  checkName(own, name);
}

/** From one certificate to the one above it. @param issuer an anchor, or what the server says @param below CAs below it */
function checkStep(
  certificate: X509Certificate,
  issuer: X509Certificate | undefined,
  below: number,
  rules: ChainRules,
): asserts issuer {
  const isItself = issuer?.raw.equals(certificate.raw) === true;
  if (issuer === undefined || !(isItself || isIssuedBy(certificate, issuer))) {
    throw new Fault("unknownCa", "the certificate does not lead to the CA");
  }
  checkOne(issuer, rules);
  if (pathLengthOf(issuer) < below) throw new Fault("unknownCa", "a CA has more CAs below it than it may");
  if (!isItself) checkRevocation(certificate, issuer, rules);
}

function checkOne(certificate: X509Certificate, { now }: ChainRules): void {
  if (now * 1000 < certificate.validFromDate.getTime() || now * 1000 > certificate.validToDate.getTime()) {
    throw new Fault(
      "certificateExpired",
      `the certificate is good from ${certificate.validFrom} to ${certificate.validTo}`,
    );
  }
  for (const { identifier, critical } of extensionsOf(certificate)) {
    if (critical && !UNDERSTOOD.includes(identifier)) {
      throw new Fault("unsupportedCertificate", `critical extension ${identifier}`);
    }
  }
}

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/** subjectAltName only; the common name is no name of a server. (RFC 9525, 2) */
function checkName(certificate: X509Certificate, name: string): void {
  const matched = isIP(name) === 0 ? certificate.checkHost(name, { subject: "never" }) : certificate.checkIP(name);
  if (matched === undefined) throw new Fault("unrecognizedName", `the certificate is not for "${name.slice(0, 100)}"`);
}

function checkRevocation(certificate: X509Certificate, issuer: X509Certificate, { revocation, now }: ChainRules): void {
  if (revocation === undefined) return;
  const name = Buffer.from(issuerNameOf(certificate));
  const lists = revocation.filter((each) => name.equals(each.issuer) && isSignedBy(each, issuer.publicKey));
  const list = lists.find(({ thisUpdate, nextUpdate }) => thisUpdate <= now && (nextUpdate ?? now) >= now);
  if (list === undefined) {
    throw new Fault("revocationUnknown", "there is no revocation list of the issuer that is good now");
  }
  if (lists.some(({ revoked }) => revoked.has(serialText(certificate.serialNumber)))) {
    throw new Fault(
      "certificateRevoked",
      `the certificate with the serial number ${certificate.serialNumber} is revoked`,
    );
  }
}

interface Extension {
  readonly identifier: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const fieldsOf = ({ raw }: X509Certificate): DerValue[] => inside(inside(readDer(raw)[0], 0x30)[0], 0x30);

/** Behind version, serial number and algorithm. (RFC 5280, 4.1) */
function issuerNameOf(certificate: X509Certificate): Uint8Array {
  const fields = fieldsOf(certificate);
  const issuer = fields[fields[0]?.tag === 0xa0 ? 3 : 2];
  if (issuer === undefined) throw new Fault("badCertificate", "a certificate without an issuer");
  return issuer.whole;
}

function extensionsOf(certificate: X509Certificate): Extension[] {
  const found = fieldsOf(certificate).find(({ tag }) => tag === 0xa3);
  if (found === undefined) return [];
  return inside(readDer(found.content)[0], 0x30).map((extension) => {
    const parts = inside(extension, 0x30);
    const critical = parts[1]?.tag === 0x01 && parts[1].content[0] !== 0;
    return {
      identifier: identifierOf(parts[0] as DerValue),
      critical,
      value: parts.at(-1)?.content ?? new Uint8Array(0),
    };
  });
}

/** How many CAs may stand between it and the server's certificate. (RFC 5280, 4.2.1.9) */
function pathLengthOf(certificate: X509Certificate): number {
  const constraints = extensionsOf(certificate).find(({ identifier }) => identifier === BASIC_CONSTRAINTS);
  if (constraints === undefined) return Number.POSITIVE_INFINITY;
  const length = inside(readDer(constraints.value)[0], 0x30).find(({ tag }) => tag === 0x02);
  return length === undefined ? Number.POSITIVE_INFINITY : length.content.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** (RFC 5280, 4.2.1.3) A BIT STRING: how many bits of its end do not count, and the bits. */
function maySign(certificate: X509Certificate): boolean {
  const usage = extensionsOf(certificate).find(({ identifier }) => identifier === KEY_USAGE);
  if (usage === undefined) return true;
  const [bits] = readDer(usage.value);
  return bits?.tag === 0x03 && ((bits.content[1] ?? 0) & DIGITAL_SIGNATURE) !== 0;
}

function parsed(data: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(data);
  } catch (cause) {
    throw new Fault("badCertificate", `a certificate can't be read: ${(cause as Error).message}`);
  }
}

function pemCertificates(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new UsageError("ssu: a certificate can't be read", { cause });
  }
}

function schemeOf(key: KeyObject): SignatureScheme {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return SignatureScheme.Ed25519;
  if (type === "ec" && details?.namedCurve === "prime256v1") return SignatureScheme.EcdsaP256Sha256;
  if (type === "rsa" && (details?.modulusLength ?? 0) >= RSA_MODULUS_BITS_MIN) return SignatureScheme.RsaPssSha256;
  throw new UsageError("ssu: a server's key is RSA of 2048 bits or more, ECDSA P-256 or Ed25519");
}

const isScheme = (scheme: number): scheme is SignatureScheme => Object.values<number>(SignatureScheme).includes(scheme);

const digestOf = (scheme: SignatureScheme): "sha256" | null => (scheme === SignatureScheme.Ed25519 ? null : "sha256");
