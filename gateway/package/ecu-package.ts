import { crc32 } from "../../emulator/wire/crc32.ts";
import { readAscii } from "../../emulator/wire/text.ts";
import type { PackedVersion } from "../../emulator/wire/version.ts";
import { fits, hex32, NAME_LENGTH, PackageFieldError, putText, readName, UINT32_MAX, viewOf } from "./fields.ts";
import { type Malformed, malformedBy } from "./malformed.ts";

export const ECU_PACKAGE_MAGIC = 0x4543554d;
const VERSION_TEXT_LENGTH = 32;
const DEPENDENCY_LENGTH = 32;
/** Versions are 0x00MMmmpp. */
const VERSION_MAX = 0xff_ffff;

/** The length of the header is what differs between the dialects, and with it the room for dependencies. */
export interface EcuLayout {
  readonly headerLength: number;
  readonly dependenciesMax: number;
}
export const ECU_LAYOUT: EcuLayout = { headerLength: 256, dependenciesMax: 5 };

const Offset = {
  magic: 0,
  ecu: 4,
  version: 20,
  hardwareVersion: 24,
  firmwareSize: 28,
  crc: 32,
  buildTime: 36,
  versionText: 40,
  dependencyCount: 72,
  dependencies: 76,
} as const;

/** The software of one ECU inside a zone package. (docs/protocols/packages.md, ECU package) */
export interface EcuPackage {
  /** "ECU_011" */
  readonly ecu: string;
  readonly version: PackedVersion;
  readonly hardwareVersion: PackedVersion;
  /** Unix time, seconds. */
  readonly buildTime: number;
  /** For people; {@link version} is what counts. */
  readonly versionText: string;
  readonly dependencies: readonly { readonly ecu: string; readonly versionMin: PackedVersion }[];
  readonly firmware: Uint8Array;
}

export type DecodedEcuPackage =
  | { readonly type: "ecuPackage"; readonly package: EcuPackage; readonly crc: number }
  | Malformed;

const malformed = malformedBy("ECU package");

/** Total: any bytes give a package whose checksum is right, or a reason. The firmware shares the memory of `bytes`. */
export function readEcuPackage(bytes: Uint8Array, layout = ECU_LAYOUT): DecodedEcuPackage {
  const { headerLength } = layout;
  if (bytes.length < headerLength)
    return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${headerLength} header bytes`);
  const view = viewOf(bytes);
  const magic = view.getUint32(Offset.magic, true);
  if (magic !== ECU_PACKAGE_MAGIC)
    return malformed("PACKAGE_MALFORMED", `magic ${hex32(magic)}, not ${hex32(ECU_PACKAGE_MAGIC)}`);
  const size = view.getUint32(Offset.firmwareSize, true);
  const present = bytes.length - headerLength;
  if (present < size) return malformed("PACKAGE_TRUNCATED", `${present} of ${size} firmware bytes`);
  if (present > size) return malformed("PACKAGE_MALFORMED", `${present} firmware bytes where the header says ${size}`);
  if (size === 0) return malformed("PACKAGE_MALFORMED", "no firmware");
  const firmware = bytes.subarray(headerLength);
  const crc = view.getUint32(Offset.crc, true);
  const actual = crc32(firmware);
  if (actual !== crc)
    return malformed("PACKAGE_CHECKSUM_WRONG", `firmware has CRC-32 ${hex32(actual)}, not ${hex32(crc)}`);
  const ecu = readName(bytes, Offset.ecu);
  if (ecu === undefined) return malformed("PACKAGE_MALFORMED", "the ECU has no printable name");
  const dependencies = readDependencies(bytes, view, layout.dependenciesMax);
  if (typeof dependencies === "string") return malformed("PACKAGE_MALFORMED", dependencies);
  const versions = [Offset.version, Offset.hardwareVersion].map((offset) => view.getUint32(offset, true));
  const unread = [...versions, ...dependencies.map((dependency) => dependency.versionMin)].find(
    (one) => one > VERSION_MAX,
  );
  if (unread !== undefined) return malformed("PACKAGE_MALFORMED", `version ${hex32(unread)} is no 00MMmmpp`);
  const content: EcuPackage = {
    ecu,
    version: view.getUint32(Offset.version, true),
    hardwareVersion: view.getUint32(Offset.hardwareVersion, true),
    buildTime: view.getUint32(Offset.buildTime, true),
    versionText: readAscii(bytes, Offset.versionText, VERSION_TEXT_LENGTH),
    dependencies,
    firmware,
  };
  return { type: "ecuPackage", package: content, crc };
}

/** @throws {PackageFieldError} for a field that does not fit into its place */
export function writeEcuPackage(content: EcuPackage): Uint8Array {
  const { dependencies, firmware } = content;
  if (dependencies.length > ECU_LAYOUT.dependenciesMax)
    throw new PackageFieldError(
      `${dependencies.length} dependencies of ${content.ecu}, at most ${ECU_LAYOUT.dependenciesMax}`,
    );
  if (firmware.length === 0) throw new PackageFieldError(`no firmware for ${content.ecu}`);
  const bytes = new Uint8Array(ECU_LAYOUT.headerLength + firmware.length);
  const view = viewOf(bytes);
  view.setUint32(Offset.magic, ECU_PACKAGE_MAGIC, true);
  putText(bytes, Offset.ecu, NAME_LENGTH, content.ecu, "ECU");
  view.setUint32(Offset.version, fits(content.version, VERSION_MAX, "version"), true);
  view.setUint32(Offset.hardwareVersion, fits(content.hardwareVersion, VERSION_MAX, "hardware version"), true);
  view.setUint32(Offset.firmwareSize, firmware.length, true);
  view.setUint32(Offset.crc, crc32(firmware), true);
  view.setUint32(Offset.buildTime, fits(content.buildTime, UINT32_MAX, "build time"), true);
  putText(bytes, Offset.versionText, VERSION_TEXT_LENGTH, content.versionText, "version text");
  view.setUint8(Offset.dependencyCount, dependencies.length);
  for (const [index, dependency] of dependencies.entries()) {
    const offset = Offset.dependencies + DEPENDENCY_LENGTH * index;
    putText(bytes, offset, NAME_LENGTH, dependency.ecu, "dependency");
    view.setUint32(offset + NAME_LENGTH, fits(dependency.versionMin, VERSION_MAX, "least version"), true);
  }
  bytes.set(firmware, ECU_LAYOUT.headerLength);
  return bytes;
}

/** The dependencies, or why they can't be read. */
function readDependencies(bytes: Uint8Array, view: DataView, max: number): EcuPackage["dependencies"] | string {
  const count = view.getUint8(Offset.dependencyCount);
  if (count > max) return `${count} dependencies, at most ${max}`;
  const dependencies: { ecu: string; versionMin: PackedVersion }[] = [];
  for (let index = 0; index < count; index++) {
    const offset = Offset.dependencies + DEPENDENCY_LENGTH * index;
    const ecu = readName(bytes, offset);
    if (ecu === undefined) return `dependency ${index + 1} of ${count} has no printable name`;
    dependencies.push({ ecu, versionMin: view.getUint32(offset + NAME_LENGTH, true) });
  }
  return dependencies;
}
