import type { Crypto, SignatureAlgorithm } from "../../emulator/kernel/crypto.ts";
import { checkImage, decodeImageHeader, IMAGE_HEADER_LENGTH, IMAGE_MAGIC } from "../../emulator/wire/image-header.ts";
import { compareVersions, packVersion, versionText } from "../../emulator/wire/version.ts";
import type { DetachedSignature } from "../source/update-source.ts";
import { ECU_PACKAGE_MAGIC } from "./ecu-package.ts";
import { hex32, viewOf } from "./fields.ts";
import type { Malformed } from "./malformed.ts";
import { readSwpg, SWPG_HEADER_LENGTH, SWPG_MAGIC, SwpgSoftware, swpgEcu, swpgPlain } from "./swpg.ts";
import { readVehiclePackage, VEHICLE_PACKAGE_MAGIC } from "./vehicle-package.ts";
import { type EcuImage, PackageError, type PackageErrorCode, type VerifiedPackage } from "./verified-package.ts";
import { ZONE_PACKAGE_MAGIC } from "./zone-package.ts";

/** Whose packages this vehicle takes, and what it has. Plain data. */
export interface PackagePolicy {
  /** Whoever may sign packages. With none, every package is refused. */
  readonly trusted: readonly {
    readonly algorithm: SignatureAlgorithm;
    /** SubjectPublicKeyInfo, DER. */
    readonly publicKey: Uint8Array;
  }[];
  /** What came with the package; left out when nothing came. */
  readonly signature?: DetachedSignature;
  readonly vin: string;
  /** Every ECU of the vehicle. A version that is no x.y.z is older than any. */
  readonly installed: readonly { readonly id: string; readonly version: string }[];
  /** Whom an image without a package around it is for. Left out: such an image is refused. */
  readonly raw?: { readonly ecu: string };
  /** Of the whole package, bytes. */
  readonly sizeMax: number;
}

export interface PackageTools {
  readonly crypto: Crypto;
  /** Undoes a zlib or gzip stream. @returns undefined when it is none, or gives more than `lengthMax` bytes */
  readonly inflate: (data: Uint8Array, lengthMax: number) => Uint8Array | undefined;
}

/**
 * Checks a package from the outside in: size, signature over every byte, format, checksums, vehicle, ECUs, versions, the
 * image header inside each payload, dependencies. Nothing of it is handed out before all of it has been checked. An image
 * that an ECU has already is checked and left out. Whether the image itself is signed is for the ECU to say, which has
 * the key for it.
 * @throws {PackageError} with the code of the first thing that is wrong
 */
export function openPackage(bytes: Uint8Array, policy: PackagePolicy, tools: PackageTools): VerifiedPackage {
  if (bytes.length > policy.sizeMax)
    refuse("PACKAGE_TOO_LARGE", `${bytes.length} bytes, at most ${policy.sizeMax}`, "size");
  checkSignature(bytes, policy, tools.crypto);
  const { format, images } = readImages(bytes, policy, tools);
  for (const image of images) checkTarget(image, policy);
  const offered = images.filter((image) => isNewer(image, policy));
  for (const image of images) checkImageHeader(image, tools.crypto);
  checkDependencies(offered, images, policy);
  return {
    format,
    images: offered.map(({ ecu, version, priority, payload, dependencies }) => ({
      ecu,
      version,
      priority,
      payload,
      dependencies,
    })),
  };
}

/** An image, and what the package around it says beyond that. */
interface PackedImage extends EcuImage {
  /** x.y.z; left out when the format has no place for it. */
  readonly hardwareVersion?: string;
}

interface Unpacked {
  readonly format: VerifiedPackage["format"];
  readonly images: readonly PackedImage[];
}

function checkSignature(bytes: Uint8Array, policy: PackagePolicy, crypto: Crypto): void {
  const { signature, trusted } = policy;
  if (signature === undefined) refuse("PACKAGE_SIGNATURE_MISSING", "no signature came with the package", "signature");
  const good = trusted.some(
    (signer) =>
      signer.algorithm === signature.algorithm &&
      crypto.verify(signer.algorithm, signer.publicKey, bytes, signature.signature),
  );
  if (!good) {
    const missing = missingBytes(bytes);
    if (missing > 0) {
      const reason = `the package says that it is ${missing} bytes longer, and its signature does not fit`;
      refuse("PACKAGE_TRUNCATED", reason, "signature");
    }
    const reason = `the ${signature.algorithm} signature is from none of the ${trusted.length} trusted signers`;
    refuse("PACKAGE_SIGNATURE_WRONG", reason, "signature");
  }
}

/** Only to name what is wrong with bytes that are refused already: how many are missing, by what their header says. */
function missingBytes(bytes: Uint8Array): number {
  if (bytes.length < 12) return 0;
  const view = viewOf(bytes);
  switch (view.getUint32(0, true)) {
    case VEHICLE_PACKAGE_MAGIC:
      return view.getUint32(8, true) - bytes.length;
    case SWPG_MAGIC:
      return SWPG_HEADER_LENGTH + view.getUint32(8, true) - bytes.length;
    default:
      return 0;
  }
}

function readImages(bytes: Uint8Array, policy: PackagePolicy, tools: PackageTools): Unpacked {
  if (bytes.length < 4) refuse("PACKAGE_TRUNCATED", `${bytes.length} of 4 bytes that tell the format`, "formats");
  const magic = viewOf(bytes).getUint32(0, true);
  switch (magic) {
    case VEHICLE_PACKAGE_MAGIC:
      return readVehicle(bytes, policy);
    case SWPG_MAGIC:
      return readSingle(bytes, tools);
    case IMAGE_MAGIC:
      return readRaw(bytes, policy);
    case ZONE_PACKAGE_MAGIC:
    case ECU_PACKAGE_MAGIC:
      return refuse("PACKAGE_MALFORMED", "a part of a vehicle package by itself names no vehicle", "formats");
    default:
      return refuse("PACKAGE_MALFORMED", `magic ${hex32(magic)} is of no known format`, "formats");
  }
}

function readVehicle(bytes: Uint8Array, policy: PackagePolicy): Unpacked {
  const read = readVehiclePackage(bytes);
  if (read.type === "malformed") refuseMalformed(read);
  const { vin, zones } = read.package;
  if (vin !== policy.vin)
    refuse("PACKAGE_TARGET_WRONG", `the package is for vehicle ${vin}, this is ${policy.vin}`, "vehicle package");
  const images = zones.flatMap((zone) =>
    zone.ecus.map((entry) => ({
      ecu: entry.package.ecu,
      version: versionText(entry.package.version),
      hardwareVersion: versionText(entry.package.hardwareVersion),
      priority: entry.priority,
      payload: entry.package.firmware,
      dependencies: entry.package.dependencies.map((dependency) => ({
        ecu: dependency.ecu,
        versionMin: versionText(dependency.versionMin),
      })),
    })),
  );
  return { format: "vehicle", images };
}

function readSingle(bytes: Uint8Array, tools: PackageTools): Unpacked {
  const read = readSwpg(bytes);
  if (read.type === "malformed") refuseMalformed(read);
  const { targetId, softwareType, version } = read.package;
  const ecu = swpgEcu(targetId);
  if (ecu === undefined)
    refuse("PACKAGE_TARGET_WRONG", `target id ${targetId.toString(16).padStart(4, "0")} names no ECU`, "SWPG");
  if (softwareType !== SwpgSoftware.Application)
    refuse("PACKAGE_MALFORMED", `software type ${softwareType} can't be installed, only 1 (application)`, "SWPG");
  const plain = swpgPlain(read.package, tools.inflate);
  if (plain.type === "malformed") refuseMalformed(plain);
  const image = { ecu, version: version.slice(0, 3).join("."), priority: 0, payload: plain.data, dependencies: [] };
  return { format: "swpg", images: [image] };
}

/** An image with nothing around it says itself which version it is; for whom is configured, and must be the same. */
function readRaw(bytes: Uint8Array, policy: PackagePolicy): Unpacked {
  if (policy.raw === undefined)
    refuse("PACKAGE_TARGET_WRONG", "an image without a package, and no ECU is configured for such", "raw image");
  const decoded = decodeImageHeader(bytes);
  if (decoded.type === "malformed") refuse("PACKAGE_TRUNCATED", decoded.reason, "raw image");
  const version = versionText(decoded.header.version);
  return {
    format: "raw",
    images: [{ ecu: policy.raw.ecu, version, priority: 0, payload: bytes, dependencies: [] }],
  };
}

function checkTarget(image: PackedImage, policy: PackagePolicy): void {
  if (!policy.installed.some((ecu) => ecu.id === image.ecu))
    refuse("PACKAGE_TARGET_WRONG", `this vehicle has no ${image.ecu}`, "targets");
}

/** The image header and the package around it must say the same, and the code must be what the header says. */
function checkImageHeader(image: PackedImage, crypto: Crypto): void {
  const { ecu, payload } = image;
  const decoded = decodeImageHeader(payload);
  if (decoded.type === "malformed") refuse("PACKAGE_MALFORMED", `${ecu}: no image: ${decoded.reason}`, "images");
  const { header } = decoded;
  if (header.ecu !== ecu)
    refuse("PACKAGE_TARGET_WRONG", `${ecu}: the image is for ${header.ecu || "no ECU"}`, "images");
  const version = versionText(header.version);
  if (version !== image.version || packVersion(version) !== header.version)
    refuse("PACKAGE_MALFORMED", `${ecu}: version ${image.version} in the package, ${version} in the image`, "images");
  const hardware = versionText(header.hardwareVersion);
  if (image.hardwareVersion !== undefined && image.hardwareVersion !== hardware) {
    const reason = `${ecu}: hardware ${image.hardwareVersion} in the package, ${hardware} in the image`;
    refuse("PACKAGE_MALFORMED", reason, "images");
  }
  const code = payload.subarray(IMAGE_HEADER_LENGTH);
  if (code.length < header.size)
    refuse("PACKAGE_TRUNCATED", `${ecu}: ${code.length} of ${header.size} bytes of code`, "images");
  const check = checkImage(header, code, (data) => crypto.sha256(data));
  if (check === "sizeWrong")
    refuse("PACKAGE_MALFORMED", `${ecu}: ${code.length} bytes of code where the image says ${header.size}`, "images");
  if (check !== "ok") {
    const what = check === "crcWrong" ? "CRC-32" : "SHA-256";
    refuse("PACKAGE_CHECKSUM_WRONG", `${ecu}: the code does not have the ${what} that the image says`, "images");
  }
}

/** @returns false when the ECU has this very version */
function isNewer(image: PackedImage, policy: PackagePolicy): boolean {
  const installed = versionOf(image.ecu, policy);
  const order = compareVersions(image.version, installed);
  if (order < 0)
    refuse("PACKAGE_VERSION_OLDER", `${image.ecu}: ${image.version} is older than ${installed}`, "versions");
  return order > 0;
}

/** Every ECU that an offered image needs must have the version it needs once the package has been installed. */
function checkDependencies(
  offered: readonly PackedImage[],
  images: readonly PackedImage[],
  policy: PackagePolicy,
): void {
  for (const { ecu, dependencies } of offered) {
    for (const needed of dependencies) {
      const version = images.find((other) => other.ecu === needed.ecu)?.version ?? versionOf(needed.ecu, policy);
      if (compareVersions(version, needed.versionMin) >= 0) continue;
      const found = version === "" ? "it has none" : `it would have ${version}`;
      const reason = `${ecu} needs ${needed.ecu} in ${needed.versionMin} at least; ${found}`;
      refuse("PACKAGE_DEPENDENCY_MISSING", reason, "dependencies");
    }
  }
}

const versionOf = (ecu: string, policy: PackagePolicy): string =>
  policy.installed.find((one) => one.id === ecu)?.version ?? "";

function refuse(code: PackageErrorCode, reason: string, section: string): never {
  throw new PackageError(code, reason, `docs/protocols/packages.md, ${section}`);
}

function refuseMalformed(malformed: Malformed): never {
  throw new PackageError(malformed.code, malformed.reason, malformed.clause);
}
