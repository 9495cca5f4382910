import { crc32 } from "../../emulator/wire/crc32.ts";
import { readAscii } from "../../emulator/wire/text.ts";
import type { PackedVersion } from "../../emulator/wire/version.ts";
import {
  FORMAT_VERSION,
  fits,
  hex32,
  misplaced,
  NAME_LENGTH,
  PackageFieldError,
  putText,
  readName,
  UINT8_MAX,
  UINT16_MAX,
  UINT32_MAX,
  viewOf,
} from "./fields.ts";
import { isMalformed, type Malformed, malformedBy, within } from "./malformed.ts";
import { readZonePackage, writeZonePackage, type ZonePackage } from "./zone-package.ts";

export const VEHICLE_PACKAGE_MAGIC = 0x5650504b;
const HEADER_LENGTH = 12_288;
const ZONES_MAX = 16;
const REFERENCE_LENGTH = 32;
const VIN_LENGTH = 17;
const MODEL_LENGTH = 32;
const VERSION_TEXT_LENGTH = 32;

const Offset = {
  magic: 0,
  formatVersion: 4,
  size: 8,
  vin: 12,
  model: 29,
  modelYear: 61,
  region: 63,
  masterVersion: 76,
  masterVersionText: 80,
  zoneCount: 128,
  ecuCount: 129,
  crc: 144,
  zones: 192,
} as const;

/** Places in a zone reference. */
const Reference = { id: 0, offset: 16, size: 20, number: 24, ecuCount: 25 } as const;

/** Everything for one vehicle. (docs/protocols/packages.md, vehicle package) */
export interface VehiclePackage {
  readonly vin: string;
  readonly model: string;
  readonly modelYear: number;
  /** 3 is Korea. */
  readonly region: number;
  readonly masterVersion: PackedVersion;
  /** For people. */
  readonly masterVersionText: string;
  readonly zones: readonly ZonePackage[];
}

export type DecodedVehiclePackage =
  | { readonly type: "vehiclePackage"; readonly package: VehiclePackage; readonly crc: number }
  | Malformed;

const malformed = malformedBy("vehicle package");

/** Total: any bytes give a package whose checksums are all right, or a reason. The firmware shares the memory of `bytes`. */
export function readVehiclePackage(bytes: Uint8Array): DecodedVehiclePackage {
  const refused = checkHeader(bytes);
  if (refused !== undefined) return refused;
  const view = viewOf(bytes);
  const vin = readName(bytes, Offset.vin, VIN_LENGTH);
  if (vin === undefined) return malformed("PACKAGE_MALFORMED", "no printable VIN");
  const references = readReferences(bytes);
  if (isMalformed(references)) return references;
  const zones: ZonePackage[] = [];
  for (const reference of references) {
    const zone = readReference(bytes, reference);
    if (isMalformed(zone)) return within(reference.name, zone);
    zones.push(zone);
  }
  const wrong = miscounted(zones, view.getUint8(Offset.ecuCount));
  if (wrong !== undefined) return malformed("PACKAGE_MALFORMED", wrong);
  const content: VehiclePackage = {
    vin,
    model: readAscii(bytes, Offset.model, MODEL_LENGTH),
    modelYear: view.getUint16(Offset.modelYear, true),
    region: view.getUint8(Offset.region),
    masterVersion: view.getUint32(Offset.masterVersion, true),
    masterVersionText: readAscii(bytes, Offset.masterVersionText, VERSION_TEXT_LENGTH),
    zones,
  };
  return { type: "vehiclePackage", package: content, crc: view.getUint32(Offset.crc, true) };
}

/** @throws {PackageFieldError} for a field that does not fit into its place */
export function writeVehiclePackage(content: VehiclePackage): Uint8Array {
  const { zones } = content;
  if (zones.length === 0 || zones.length > ZONES_MAX)
    throw new PackageFieldError(`${zones.length} zones, not 1 to ${ZONES_MAX}`);
  const ecuCount = zones.reduce((count, zone) => count + zone.ecus.length, 0);
  const wrong = miscounted(zones, ecuCount);
  if (wrong !== undefined) throw new PackageFieldError(wrong);
  const packages = zones.map(writeZonePackage);
  const bytes = new Uint8Array(packages.reduce((size, one) => size + one.length, HEADER_LENGTH));
  const view = viewOf(bytes);
  let offset = HEADER_LENGTH;
  for (const [index, zone] of zones.entries()) {
    const packed = packages[index] as Uint8Array;
    const at = Offset.zones + REFERENCE_LENGTH * index;
    putText(bytes, at + Reference.id, NAME_LENGTH, zone.id, "zone");
    view.setUint32(at + Reference.offset, offset, true);
    view.setUint32(at + Reference.size, packed.length, true);
    view.setUint8(at + Reference.number, zone.number);
    view.setUint8(at + Reference.ecuCount, zone.ecus.length);
    bytes.set(packed, offset);
    offset += packed.length;
  }
  view.setUint32(Offset.magic, VEHICLE_PACKAGE_MAGIC, true);
  view.setUint32(Offset.formatVersion, FORMAT_VERSION, true);
  view.setUint32(Offset.size, bytes.length, true);
  putText(bytes, Offset.vin, VIN_LENGTH, content.vin, "VIN");
  putText(bytes, Offset.model, MODEL_LENGTH, content.model, "model");
  view.setUint16(Offset.modelYear, fits(content.modelYear, UINT16_MAX, "model year"), true);
  view.setUint8(Offset.region, fits(content.region, UINT8_MAX, "region"));
  view.setUint32(Offset.masterVersion, fits(content.masterVersion, UINT32_MAX, "master version"), true);
  putText(bytes, Offset.masterVersionText, VERSION_TEXT_LENGTH, content.masterVersionText, "master version text");
  view.setUint8(Offset.zoneCount, zones.length);
  view.setUint8(Offset.ecuCount, ecuCount);
  view.setUint32(Offset.crc, crc32(bytes.subarray(HEADER_LENGTH)), true);
  return bytes;
}

function checkHeader(bytes: Uint8Array): Malformed | undefined {
  if (bytes.length < HEADER_LENGTH)
    return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${HEADER_LENGTH} header bytes`);
  const view = viewOf(bytes);
  const magic = view.getUint32(Offset.magic, true);
  if (magic !== VEHICLE_PACKAGE_MAGIC)
    return malformed("PACKAGE_MALFORMED", `magic ${hex32(magic)}, not ${hex32(VEHICLE_PACKAGE_MAGIC)}`);
  const format = view.getUint32(Offset.formatVersion, true);
  if (format !== FORMAT_VERSION)
    return malformed("PACKAGE_MALFORMED", `format version ${hex32(format)}, not ${hex32(FORMAT_VERSION)}`);
  const size = view.getUint32(Offset.size, true);
  if (bytes.length < size) return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${size} bytes`);
  if (bytes.length > size) return malformed("PACKAGE_MALFORMED", `${bytes.length} bytes where the header says ${size}`);
  const crc = view.getUint32(Offset.crc, true);
  const actual = crc32(bytes.subarray(HEADER_LENGTH));
  if (actual !== crc) return malformed("PACKAGE_CHECKSUM_WRONG", `CRC-32 ${hex32(actual)}, not ${hex32(crc)}`);
  return undefined;
}

interface ZoneReference {
  /** "zone 1", for reasons. */
  readonly name: string;
  readonly id: string;
  readonly offset: number;
  readonly size: number;
  readonly number: number;
  readonly ecuCount: number;
}

function readReferences(bytes: Uint8Array): readonly ZoneReference[] | Malformed {
  const view = viewOf(bytes);
  const count = view.getUint8(Offset.zoneCount);
  if (count === 0 || count > ZONES_MAX) return malformed("PACKAGE_MALFORMED", `${count} zones, not 1 to ${ZONES_MAX}`);
  const references: ZoneReference[] = [];
  for (let index = 0; index < count; index++) {
    const at = Offset.zones + REFERENCE_LENGTH * index;
    const id = readName(bytes, at + Reference.id);
    if (id === undefined) return malformed("PACKAGE_MALFORMED", `zone ${index + 1} of ${count} has no printable id`);
    const number = view.getUint8(at + Reference.number);
    references.push({
      name: `zone ${number}`,
      id,
      offset: view.getUint32(at + Reference.offset, true),
      size: view.getUint32(at + Reference.size, true),
      number,
      ecuCount: view.getUint8(at + Reference.ecuCount),
    });
  }
  const wrong = misplaced(references, HEADER_LENGTH, bytes.length);
  return wrong === undefined ? references : malformed("PACKAGE_MALFORMED", wrong);
}

/** The zone package that a reference points at, if both say the same. */
function readReference(bytes: Uint8Array, reference: ZoneReference): ZonePackage | Malformed {
  const read = readZonePackage(bytes.subarray(reference.offset, reference.offset + reference.size));
  if (read.type === "malformed") return read;
  const zone = read.package;
  if (zone.id !== reference.id || zone.number !== reference.number)
    return malformed("PACKAGE_MALFORMED", `referred to as ${reference.id}, but is ${zone.id}, number ${zone.number}`);
  if (zone.ecus.length !== reference.ecuCount)
    return malformed(
      "PACKAGE_MALFORMED",
      `${reference.ecuCount} ECUs in the reference, ${zone.ecus.length} in the zone`,
    );
  return zone;
}

/** Why zones and ECUs are not each there once, as many as said; undefined when they are. */
function miscounted(zones: readonly ZonePackage[], ecuCount: number): string | undefined {
  const ecus = zones.flatMap((zone) => zone.ecus.map((ecu) => ecu.package.ecu));
  if (ecus.length !== ecuCount) return `${ecuCount} ECUs in the header, ${ecus.length} in the zones`;
  const twice =
    ecus.find((ecu, index) => ecus.indexOf(ecu) !== index) ??
    zones.find((zone, index) => zones.findIndex((other) => other.number === zone.number) !== index)?.id;
  return twice === undefined ? undefined : `${twice} is there twice`;
}
