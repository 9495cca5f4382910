import { decodeBase64, encodeBase64 } from "../../../emulator/wire/base64.ts";

/**
 * What the two sides can do beyond the original's dialect. It travels as JSON in the payload of VERSION_EXCHANGE and
 * VERSION_ACK, which the original decodes and drops; so a peer that sends none is spoken to as the original is.
 */
export const RSU_CAPABILITIES = ["coalesce", "error", "resume", "sha256", "signature", "target", "announce"] as const;
type RsuCapability = (typeof RSU_CAPABILITIES)[number];

/** The version of these extensions that is spoken here. */
const EXTENSIONS = 1;
const TARGET_LENGTH_MAX = 64;
const WAIT_MAX_S = 3_600;

/** What a client says in VERSION_EXCHANGE. */
export interface RsuOffer {
  readonly capabilities: readonly RsuCapability[];
  /** Which firmware is asked for; the server's only, or first, one if left out. */
  readonly target?: string;
  /** The byte that is missing first, of the content with that SHA-256 (hexadecimal). */
  readonly resume?: { readonly from: number; readonly of: string };
  /** How long the server may wait for something newer, seconds. */
  readonly wait?: number;
}

/** What a server says in VERSION_ACK. */
export interface RsuTerms {
  readonly capabilities: readonly RsuCapability[];
  /** Of the whole content, bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** RSA PKCS#1 v1.5 over SHA-256, of the whole content. */
  readonly signature?: Uint8Array;
  /** The byte that the data begin with. */
  readonly from: number;
}

/** Why a server ends an exchange: what is in the payload of ERROR. */
export type RsuErrorCode =
  | "VERSION_UNKNOWN"
  | "NOT_NEWER"
  | "TARGET_UNKNOWN"
  | "MALFORMED"
  | "BUSY"
  | "TIMEOUT"
  | "UNKNOWN";

const ERROR_CODES: ReadonlySet<string> = new Set([
  "VERSION_UNKNOWN",
  "NOT_NEWER",
  "TARGET_UNKNOWN",
  "MALFORMED",
  "BUSY",
  "TIMEOUT",
] satisfies RsuErrorCode[]);
const REASON_LENGTH_MAX = 200;

export function encodeOffer({ capabilities, target, resume, wait }: RsuOffer): Uint8Array {
  return json({ rsu: EXTENSIONS, caps: capabilities, target, from: resume?.from, of: resume?.of, wait });
}

/** @returns undefined for anything that is no such offer: the peer is spoken to as the original is then */
export function decodeOffer(payload: Uint8Array): RsuOffer | undefined {
  const fields = parse(payload);
  if (fields === undefined) return undefined;
  const { target, from, of, wait } = fields;
  const hasResume = isCount(from) && isDigest(of);
  return {
    capabilities: capabilitiesOf(fields),
    ...(typeof target === "string" && target.length <= TARGET_LENGTH_MAX && { target }),
    ...(hasResume && { resume: { from, of } }),
    ...(isCount(wait) && { wait: Math.min(wait, WAIT_MAX_S) }),
  };
}

export function encodeTerms({ capabilities, size, sha256, signature, from }: RsuTerms): Uint8Array {
  const signed = signature === undefined ? undefined : encodeBase64(signature);
  return json({ rsu: EXTENSIONS, caps: capabilities, size, sha256, signature: signed, from });
}

/** @returns undefined for anything that is no such terms: the peer is taken for the original then */
export function decodeTerms(payload: Uint8Array): RsuTerms | undefined {
  const fields = parse(payload);
  if (fields === undefined) return undefined;
  const { size, sha256, signature, from = 0 } = fields;
  if (!isCount(size) || !isDigest(sha256) || !isCount(from) || from > size) return undefined;
  const signed = typeof signature === "string" ? decodeBase64(signature) : undefined;
  return {
    capabilities: capabilitiesOf(fields),
    size,
    sha256,
    from,
    ...(signed !== undefined && { signature: signed }),
  };
}

export const encodeError = (code: RsuErrorCode, reason: string): Uint8Array => json({ code, reason });

/** Total: an error of somebody else's making is "UNKNOWN", with its text, as far as that is printable, for a reason. */
export function decodeError(payload: Uint8Array): { code: RsuErrorCode; reason: string } {
  const text = new TextDecoder().decode(payload.subarray(0, 4 * REASON_LENGTH_MAX));
  const fields = parseJson(text);
  const { code, reason } = fields ?? {};
  const isOurs = typeof code === "string" && ERROR_CODES.has(code);
  const said = isOurs && typeof reason === "string" ? reason : text;
  return {
    code: isOurs ? (code as RsuErrorCode) : "UNKNOWN",
    reason: said.replace(/[^\x20-\x7e]/g, "?").slice(0, REASON_LENGTH_MAX),
  };
}

function capabilitiesOf({ caps }: Readonly<Record<string, unknown>>): readonly RsuCapability[] {
  return Array.isArray(caps) ? RSU_CAPABILITIES.filter((name) => caps.includes(name)) : [];
}

function json(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(fields));
}

/** A later version of the extensions has this one in it: what is new in it is not known here, and not used. */
function parse(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  const fields = parseJson(new TextDecoder().decode(payload));
  return isCount(fields?.rsu) && fields.rsu >= EXTENSIONS ? fields : undefined;
}

function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isDigest = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
