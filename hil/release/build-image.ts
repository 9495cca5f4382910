import { createHash } from "node:crypto";
import { IMAGE_KINDS, type ImageKind } from "../../emulator/ecu/image-check.ts";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { encodeImageHeader, IMAGE_SIGNATURES, signImageHeader } from "../../emulator/wire/image-header.ts";
import { type PackedVersion, packVersion } from "../../emulator/wire/version.ts";
import { type SigningKey, signWith } from "../crypto/signing-key.ts";

/** What an ECU is given: the code, and what its image header says about it. */
export interface ImageDescription {
  /** "ECU_011"; at most 16 ASCII characters. */
  readonly ecu: string;
  /** x.y.z */
  readonly version: string;
  /** x.y.z */
  readonly hardwareVersion: string;
  /** Compared with the anti-rollback counter of the ECU. Left out: 1. */
  readonly securityCounter?: number;
  /** Unix time, seconds. */
  readonly buildTime: number;
  readonly code: Uint8Array;
  /** Left out: an application. */
  readonly kind?: ImageKind;
}

/**
 * Header page and code, signed: what is written into a bank of the ECU's flash.
 * @param key ECDSA P-256, Ed25519 or ML-DSA-65
 * @throws {ReleaseError} RELEASE_FIELD for a field that does not fit into the header
 */
export function buildImage(description: ImageDescription, key: SigningKey): Uint8Array {
  const { ecu, code, buildTime, securityCounter = 1 } = description;
  const signature = Object.values(IMAGE_SIGNATURES).find(({ algorithm }) => algorithm === key.algorithm);
  if (signature === undefined) throw new ReleaseError("RELEASE_KEY", `images are not signed by ${key.algorithm}`);
  if (code.length === 0) throw new ReleaseError("RELEASE_FIELD", `the image for ${ecu} has no code`);
  const header = encodeImageHeader(
    {
      version: versionField(description.version, ecu),
      buildTime: uint32Field(buildTime, `build time of ${ecu}`),
      securityCounter: uint32Field(securityCounter, `security counter of ${ecu}`),
      ecu,
      hardwareVersion: versionField(description.hardwareVersion, ecu),
      digest: createHash("sha256").update(code).digest(),
      signatureAlgorithm: signature.code,
      kind: IMAGE_KINDS[description.kind ?? "application"],
    },
    code,
  );
  if (header === undefined)
    throw new ReleaseError("RELEASE_FIELD", `"${ecu}" is no name of 16 ASCII characters at most`);
  signImageHeader(header.page, signWith(key, header.signed));
  const image = new Uint8Array(header.page.length + code.length);
  image.set(header.page);
  image.set(code, header.page.length);
  return image;
}

type ReleaseErrorCode = "RELEASE_FIELD" | "RELEASE_FORMAT" | "RELEASE_KEY";

/** A release that can't be made as it is described. */
export class ReleaseError extends UsageError {
  override readonly code: ReleaseErrorCode;

  constructor(code: ReleaseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @throws {ReleaseError} RELEASE_FIELD */
export function versionField(text: string, of: string): PackedVersion {
  const version = packVersion(text);
  if (version === undefined) throw new ReleaseError("RELEASE_FIELD", `"${text}" of ${of} is no version x.y.z`);
  return version;
}

function uint32Field(value: number, name: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new ReleaseError("RELEASE_FIELD", `${value} is no ${name}: an integer from 0 to 2^32 - 1`);
  return value;
}
