import { resolve } from "node:path";
import { deflateSync } from "node:zlib";
import type { ImageSignatureName } from "../../emulator/wire/image-header.ts";
import { SwpgCompression, SwpgSoftware, swpgSerial, swpgTargetId, writeSwpg } from "../../gateway/package/swpg.ts";
import { writeVehiclePackage } from "../../gateway/package/vehicle-package.ts";
import type { DetachedSignature } from "../../gateway/source/update-source.ts";
import { type ImageKeys, imageKey, type KeySet } from "../crypto/keys.ts";
import { type SigningKey, signWith } from "../crypto/signing-key.ts";
import { buildImage, ReleaseError, versionField } from "./build-image.ts";
import type { FirmwareFormat } from "./firmware.ts";
import { readFirmwareFile } from "./firmware-file.ts";

/** What a release says about itself, whatever is in it. */
interface ReleaseFrame {
  /** "swpg" and "raw" hold exactly one ECU. */
  readonly format: "vehicle" | "swpg" | "raw";
  readonly vin: string;
  readonly model: string;
  readonly modelYear: number;
  /** Left out: 3 (Korea). */
  readonly region?: number;
  /** x.y.z of the whole release. */
  readonly version: string;
  /** Unix time, seconds; the same release built again is the same to the last byte. */
  readonly buildTime: number;
  /** For "swpg" only. What zlib makes may differ from one Node to another. Left out: not compressed. */
  readonly compression?: "none" | "zlib";
}

/** One ECU of a release, without its software. */
interface ReleaseEcuFrame {
  readonly ecu: string;
  /** x.y.z */
  readonly version: string;
  /** x.y.z */
  readonly hardwareVersion: string;
  /** 0 is programmed first. Left out: its place in the zone. */
  readonly priority?: number;
  readonly dependencies?: readonly { readonly ecu: string; readonly versionMin: string }[];
}

interface ReleaseZone<Ecu> {
  /** "Zone_Front"; at most 16 ASCII characters. */
  readonly id: string;
  readonly number: number;
  /** Left out: the id. */
  readonly name?: string;
  readonly ecus: readonly Ecu[];
}

/** A release as a person writes it down: firmware files and what is to become of them. */
export interface ReleaseDescription extends ReleaseFrame {
  readonly zones: readonly ReleaseZone<DescribedEcu>[];
}

interface DescribedEcu extends ReleaseEcuFrame {
  /** Path of the firmware file. */
  readonly firmware: string;
  /** Left out: by the first line of the file. */
  readonly firmwareFormat?: FirmwareFormat;
  /** Left out: 1. */
  readonly securityCounter?: number;
  /** How the image is signed. Left out: ECDSA P-256. */
  readonly signature?: ImageSignatureName;
}

/** A release whose images have been made already. */
export interface ReleaseContents extends ReleaseFrame {
  readonly zones: readonly ReleaseZone<PackedEcu>[];
}

interface PackedEcu extends ReleaseEcuFrame {
  /** Header page and code; see {@link buildImage}. */
  readonly image: Uint8Array;
}

/** What is put on an update server. @internal for tests */
export interface Release {
  readonly bytes: Uint8Array;
  readonly signature: DetachedSignature;
}

/**
 * Firmware files to a signed release: {@link buildImages}, {@link packRelease}, {@link signRelease}. A release that is to
 * be refused is made from these three, each given what is wrong.
 * @param folder where relative paths of firmware files begin
 * @throws {FirmwareError} for a file, {@link ReleaseError} for the description, {@link PackageFieldError} for a field
 * @public
 */
export function buildRelease(description: ReleaseDescription, keys: KeySet, folder = "."): Release {
  const bytes = packRelease(buildImages(description, keys, folder));
  return { bytes, signature: signRelease(bytes, keys.package) };
}

/** Reads the firmware file of every ECU and makes its image, each signed as that ECU wants it. */
export function buildImages(description: ReleaseDescription, keys: ImageKeys, folder = "."): ReleaseContents {
  const image = (ecu: DescribedEcu): Uint8Array => {
    const { firmwareFormat: format } = ecu;
    const firmware = readFirmwareFile(resolve(folder, ecu.firmware), format === undefined ? {} : { format });
    return buildImage(
      { ...ecu, buildTime: description.buildTime, code: firmware.data },
      imageKey(keys, ecu.signature ?? "ecdsaP256"),
    );
  };
  const zones = description.zones.map((zone) => ({
    ...zone,
    ecus: zone.ecus.map((ecu) => ({ ...ecu, image: image(ecu) })),
  }));
  return { ...description, zones };
}

/** Puts images into a package of the format asked for. Nothing is checked that the format itself does not ask for. */
export function packRelease(contents: ReleaseContents): Uint8Array {
  switch (contents.format) {
    case "vehicle":
      return packVehicle(contents);
    case "swpg":
      return packSwpg(contents);
    case "raw":
      return onlyEcu(contents).image;
  }
}

/** A detached signature over every byte of the package. @param key RSA */
export function signRelease(bytes: Uint8Array, key: SigningKey): DetachedSignature {
  if (key.algorithm !== "RSA-PKCS1-SHA256")
    throw new ReleaseError("RELEASE_KEY", `packages are not signed by ${key.algorithm}`);
  return { algorithm: key.algorithm, signature: signWith(key, bytes) };
}

function packVehicle(contents: ReleaseContents): Uint8Array {
  return writeVehiclePackage({
    vin: contents.vin,
    model: contents.model,
    modelYear: contents.modelYear,
    region: contents.region ?? 3,
    masterVersion: versionField(contents.version, "the release"),
    masterVersionText: `v${contents.version}`,
    zones: contents.zones.map((zone) => ({
      id: zone.id,
      number: zone.number,
      name: zone.name ?? zone.id,
      buildTime: contents.buildTime,
      ecus: zone.ecus.map((ecu, index) => ({
        priority: ecu.priority ?? index,
        package: {
          ecu: ecu.ecu,
          version: versionField(ecu.version, ecu.ecu),
          hardwareVersion: versionField(ecu.hardwareVersion, ecu.ecu),
          buildTime: contents.buildTime,
          versionText: `v${ecu.version}`,
          dependencies: (ecu.dependencies ?? []).map((needed) => ({
            ecu: needed.ecu,
            versionMin: versionField(needed.versionMin, `a dependency of ${ecu.ecu}`),
          })),
          firmware: ecu.image,
        },
      })),
    })),
  });
}

function packSwpg(contents: ReleaseContents): Uint8Array {
  const { ecu, image, version } = onlyEcu(contents);
  const targetId = swpgTargetId(ecu);
  if (targetId === undefined)
    throw new ReleaseError("RELEASE_FIELD", `${ecu} has no SWPG id: it is not ECU_ and 3 digits`);
  const packed = versionField(version, ecu);
  const compressed = contents.compression === "zlib";
  return writeSwpg({
    targetId,
    softwareType: SwpgSoftware.Application,
    compression: compressed ? SwpgCompression.Zlib : SwpgCompression.None,
    plainSize: image.length,
    version: [packed >>> 16, (packed >>> 8) & 0xff, packed & 0xff, 0],
    buildTime: contents.buildTime,
    serial: swpgSerial(contents.buildTime),
    sourceId: 0,
    hopCount: 0,
    sequenceNumber: 0,
    payload: compressed ? new Uint8Array(deflateSync(image, { level: 9 })) : image,
  });
}

function onlyEcu(contents: ReleaseContents): PackedEcu {
  const ecus = contents.zones.flatMap((zone) => zone.ecus);
  const [only] = ecus;
  if (only === undefined || ecus.length > 1)
    throw new ReleaseError("RELEASE_FORMAT", `a release of format ${contents.format} has one ECU, not ${ecus.length}`);
  return only;
}
