import type { SignatureAlgorithm } from "../kernel/crypto.ts";
import { crc32 } from "./crc32.ts";
import { readAscii, toHex, writeAscii } from "./text.ts";
import type { PackedVersion } from "./version.ts";

/**
 * The page in front of the code in an ECU's flash: which software it is, for which ECU, and its signature.
 *
 * The places of magic, version, size, CRC-32 and build time are the family's image metadata; what the family has no
 * place for stands in its reserved bytes, and the signature behind it. (docs/protocols/image-header.md)
 */
export const IMAGE_HEADER_LENGTH = 4096;
export const IMAGE_MAGIC = 0xa5a5a5a5;
/** The signature is made over bytes 0 to 524 of the header; the digest of the code is among them. */
const SIGNED_LENGTH = 524;
const ECU_LENGTH = 16;
const DIGEST_LENGTH = 32;
const SIGNATURE_MAX = IMAGE_HEADER_LENGTH - SIGNED_LENGTH - 4;

/** How an image may be signed, and the code for that in its header; 0 is no signature at all. */
export const IMAGE_SIGNATURES = {
  ecdsaP256: { code: 1, algorithm: "ECDSA-P256-SHA256" },
  ed25519: { code: 2, algorithm: "Ed25519" },
  mlDsa65: { code: 3, algorithm: "ML-DSA-65" },
} as const satisfies Readonly<Record<string, { readonly code: number; readonly algorithm: SignatureAlgorithm }>>;
export type ImageSignatureName = keyof typeof IMAGE_SIGNATURES;

const Offset = {
  magic: 0,
  version: 4,
  size: 8,
  crc: 12,
  buildTime: 272,
  securityCounter: 284,
  ecu: 288,
  hardwareVersion: 304,
  digest: 308,
  signatureAlgorithm: 340,
  kind: 341,
  signatureLength: 524,
  signature: 528,
} as const;

export interface ImageHeader {
  readonly version: PackedVersion;
  /** Length of the code behind the header page, bytes. */
  readonly size: number;
  /** CRC-32 of the code. */
  readonly crc: number;
  /** Unix time, seconds. */
  readonly buildTime: number;
  /** What the anti-rollback counter of the ECU is compared with. */
  readonly securityCounter: number;
  /** The only ECU it is meant for. */
  readonly ecu: string;
  /** The hardware that it needs. */
  readonly hardwareVersion: PackedVersion;
  /** SHA-256 of the code. */
  readonly digest: Uint8Array;
  /** A code of {@link IMAGE_SIGNATURES}, or any other byte. */
  readonly signatureAlgorithm: number;
  /** 0 an application, 1 a bootloader. */
  readonly kind: number;
  readonly signature: Uint8Array;
}

export type DecodedImageHeader =
  | { readonly type: "imageHeader"; readonly header: ImageHeader; readonly signed: Uint8Array }
  | { readonly type: "malformed"; readonly reason: string };

/**
 * Total: any bytes give a header or a reason. Nothing but the layout is checked here.
 * @param page at least the first 4096 bytes of the image; the views in the result share its memory
 */
export function decodeImageHeader(page: Uint8Array): DecodedImageHeader {
  const malformed = (reason: string): DecodedImageHeader => ({ type: "malformed", reason });
  if (page.length < IMAGE_HEADER_LENGTH) return malformed(`${page.length} of ${IMAGE_HEADER_LENGTH} header bytes`);
  const view = new DataView(page.buffer, page.byteOffset, IMAGE_HEADER_LENGTH);
  const magic = view.getUint32(Offset.magic, true);
  if (magic !== IMAGE_MAGIC) return malformed(`magic ${magic.toString(16)}, not ${IMAGE_MAGIC.toString(16)}`);
  const signatureLength = view.getUint32(Offset.signatureLength, true);
  if (signatureLength > SIGNATURE_MAX)
    return malformed(`signature of ${signatureLength} bytes, at most ${SIGNATURE_MAX}`);
  const header: ImageHeader = {
    version: view.getUint32(Offset.version, true),
    size: view.getUint32(Offset.size, true),
    crc: view.getUint32(Offset.crc, true),
    buildTime: view.getUint32(Offset.buildTime, true),
    securityCounter: view.getUint32(Offset.securityCounter, true),
    ecu: readAscii(page, Offset.ecu, ECU_LENGTH),
    hardwareVersion: view.getUint32(Offset.hardwareVersion, true),
    digest: page.subarray(Offset.digest, Offset.digest + DIGEST_LENGTH),
    signatureAlgorithm: page[Offset.signatureAlgorithm] as number,
    kind: page[Offset.kind] as number,
    signature: page.subarray(Offset.signature, Offset.signature + signatureLength),
  };
  return { type: "imageHeader", header, signed: page.subarray(0, SIGNED_LENGTH) };
}

/**
 * The header page without its signature, and the part of it that is to be signed; {@link signImageHeader} adds the rest.
 * @returns undefined when the name of the ECU does not fit into 16 ASCII characters
 */
export function encodeImageHeader(
  fields: Omit<ImageHeader, "signature" | "size" | "crc" | "kind"> & { readonly kind?: number },
  code: Uint8Array,
): { readonly page: Uint8Array; readonly signed: Uint8Array } | undefined {
  const page = new Uint8Array(IMAGE_HEADER_LENGTH);
  const view = new DataView(page.buffer);
  view.setUint32(Offset.magic, IMAGE_MAGIC, true);
  view.setUint32(Offset.version, fields.version, true);
  view.setUint32(Offset.size, code.length, true);
  view.setUint32(Offset.crc, crc32(code), true);
  view.setUint32(Offset.buildTime, fields.buildTime, true);
  view.setUint32(Offset.securityCounter, fields.securityCounter, true);
  if (!writeAscii(page, Offset.ecu, ECU_LENGTH, fields.ecu)) return undefined;
  view.setUint32(Offset.hardwareVersion, fields.hardwareVersion, true);
  page.set(fields.digest.subarray(0, DIGEST_LENGTH), Offset.digest);
  page[Offset.signatureAlgorithm] = fields.signatureAlgorithm;
  page[Offset.kind] = fields.kind ?? 0;
  return { page, signed: page.subarray(0, SIGNED_LENGTH) };
}

/** Puts the signature into a page made by {@link encodeImageHeader}. @param signature at most 3568 bytes */
export function signImageHeader(page: Uint8Array, signature: Uint8Array): void {
  new DataView(page.buffer, page.byteOffset).setUint32(Offset.signatureLength, signature.length, true);
  page.set(signature, Offset.signature);
}

/** Why an image is not what its header says, or "ok". The signature is checked apart, over `signed`. */
export function checkImage(
  header: ImageHeader,
  code: Uint8Array,
  sha256: (data: Uint8Array) => Uint8Array,
): "ok" | "sizeWrong" | "crcWrong" | "digestWrong" {
  if (code.length !== header.size) return "sizeWrong";
  if (crc32(code) !== header.crc) return "crcWrong";
  return toHex(sha256(code)) === toHex(header.digest) ? "ok" : "digestWrong";
}
