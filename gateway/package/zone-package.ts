import { crc32 } from "../../emulator/wire/crc32.ts";
import { readAscii } from "../../emulator/wire/text.ts";
import { ECU_LAYOUT, type EcuLayout, type EcuPackage, readEcuPackage, writeEcuPackage } from "./ecu-package.ts";
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
  UINT32_MAX,
  viewOf,
} from "./fields.ts";
import { isMalformed, type Malformed, malformedBy, within } from "./malformed.ts";

export const ZONE_PACKAGE_MAGIC = 0x5a4f4e45;
const ZONE_NAME_LENGTH = 32;
const ENTRY_LENGTH = 64;

/** Places in an entry of the ECU table; the same in all dialects. */
const Entry = {
  ecu: 0,
  offset: 16,
  size: 20,
  metadataSize: 24,
  firmwareSize: 28,
  version: 32,
  crc: 36,
  priority: 40,
} as const;

interface ZoneLayout {
  readonly headerLength: number;
  readonly size: number;
  readonly id: number;
  /** Where the number of the zone stands; one byte. */
  readonly number: number;
  readonly ecuCount: number;
  readonly crc: number;
  /** The CRC covers the bytes from here to the end. */
  readonly crcFrom: number;
  readonly time: number;
  readonly name: number;
  readonly table: number;
  readonly ecusMax: number;
  readonly ecu: EcuLayout;
}

/**
 * Ours, and two that only other programs of the family write: for the vehicle gateway in C++, and for the zonal gateway
 * in C, which has a package id where the others have the zone's number.
 */
const ZONE_LAYOUTS = {
  simulator: {
    headerLength: 1024,
    size: 8,
    id: 12,
    number: 28,
    ecuCount: 29,
    crc: 32,
    crcFrom: 1024,
    time: 36,
    name: 40,
    table: 256,
    ecusMax: 12,
    ecu: ECU_LAYOUT,
  },
  vmg: {
    headerLength: 1284,
    size: 8,
    id: 12,
    number: 28,
    ecuCount: 29,
    crc: 32,
    crcFrom: 1284,
    time: 36,
    name: 40,
    table: 260,
    ecusMax: 16,
    ecu: { headerLength: 476, dependenciesMax: 8 },
  },
  zgw: {
    headerLength: 1280,
    size: 28,
    id: 12,
    number: 8,
    ecuCount: 32,
    crc: 36,
    crcFrom: 256,
    time: 40,
    name: 44,
    table: 256,
    ecusMax: 16,
    ecu: ECU_LAYOUT,
  },
} as const satisfies Readonly<Record<string, ZoneLayout>>;

export type ZoneDialect = keyof typeof ZONE_LAYOUTS;

/** The packages of the ECUs behind one zonal gateway. (docs/protocols/packages.md, zone package) */
export interface ZonePackage {
  /** "Zone_Front" */
  readonly id: string;
  readonly number: number;
  readonly name: string;
  /** Unix time, seconds. */
  readonly buildTime: number;
  readonly ecus: readonly ZoneEcu[];
}

interface ZoneEcu {
  /** 0 is programmed first. */
  readonly priority: number;
  readonly package: EcuPackage;
}

export type DecodedZonePackage =
  | { readonly type: "zonePackage"; readonly package: ZonePackage; readonly crc: number }
  | Malformed;

const malformed = malformedBy("zone package");

/** Total: any bytes give a package whose checksums are right, or a reason. The firmware shares the memory of `bytes`. */
export function readZonePackage(bytes: Uint8Array, dialect: ZoneDialect = "simulator"): DecodedZonePackage {
  const layout: ZoneLayout = ZONE_LAYOUTS[dialect];
  const refused = checkHeader(bytes, layout);
  if (refused !== undefined) return refused;
  const view = viewOf(bytes);
  const id = readName(bytes, layout.id);
  if (id === undefined) return malformed("PACKAGE_MALFORMED", "the zone has no printable id");
  const entries = readTable(bytes, layout);
  if (isMalformed(entries)) return entries;
  const ecus: ZoneEcu[] = [];
  for (const entry of entries) {
    const read = readEntry(bytes, entry, layout);
    if (isMalformed(read)) return within(entry.name, read);
    ecus.push({ priority: entry.priority, package: read });
  }
  const content: ZonePackage = {
    id,
    number: bytes[layout.number] as number,
    name: readAscii(bytes, layout.name, ZONE_NAME_LENGTH),
    buildTime: view.getUint32(layout.time, true),
    ecus,
  };
  return { type: "zonePackage", package: content, crc: view.getUint32(layout.crc, true) };
}

/** @throws {PackageFieldError} for a field that does not fit into its place */
export function writeZonePackage(content: ZonePackage): Uint8Array {
  const layout: ZoneLayout = ZONE_LAYOUTS.simulator;
  const { ecus } = content;
  if (ecus.length === 0 || ecus.length > layout.ecusMax)
    throw new PackageFieldError(`${ecus.length} ECUs in ${content.id}, not 1 to ${layout.ecusMax}`);
  const packages = ecus.map((ecu) => writeEcuPackage(ecu.package));
  const bytes = new Uint8Array(packages.reduce((size, one) => size + one.length, layout.headerLength));
  const view = viewOf(bytes);
  let offset = layout.headerLength;
  for (const [index, ecu] of ecus.entries()) {
    const packed = packages[index] as Uint8Array;
    const entry = layout.table + ENTRY_LENGTH * index;
    putText(bytes, entry + Entry.ecu, NAME_LENGTH, ecu.package.ecu, "ECU");
    view.setUint32(entry + Entry.offset, offset, true);
    view.setUint32(entry + Entry.size, packed.length, true);
    view.setUint32(entry + Entry.metadataSize, layout.ecu.headerLength, true);
    view.setUint32(entry + Entry.firmwareSize, ecu.package.firmware.length, true);
    view.setUint32(entry + Entry.version, ecu.package.version, true);
    view.setUint32(entry + Entry.crc, crc32(packed), true);
    view.setUint8(entry + Entry.priority, fits(ecu.priority, UINT8_MAX, `priority of ${ecu.package.ecu}`));
    bytes.set(packed, offset);
    offset += packed.length;
  }
  view.setUint32(0, ZONE_PACKAGE_MAGIC, true);
  view.setUint32(4, FORMAT_VERSION, true);
  view.setUint32(layout.size, bytes.length, true);
  putText(bytes, layout.id, NAME_LENGTH, content.id, "zone");
  view.setUint8(layout.number, fits(content.number, UINT8_MAX, "zone number"));
  view.setUint8(layout.ecuCount, ecus.length);
  view.setUint32(layout.crc, crc32(bytes.subarray(layout.crcFrom)), true);
  view.setUint32(layout.time, fits(content.buildTime, UINT32_MAX, "build time"), true);
  putText(bytes, layout.name, ZONE_NAME_LENGTH, content.name, "zone name");
  return bytes;
}

function checkHeader(bytes: Uint8Array, layout: ZoneLayout): Malformed | undefined {
  const { headerLength } = layout;
  if (bytes.length < headerLength)
    return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${headerLength} header bytes`);
  const view = viewOf(bytes);
  const magic = view.getUint32(0, true);
  if (magic !== ZONE_PACKAGE_MAGIC)
    return malformed("PACKAGE_MALFORMED", `magic ${hex32(magic)}, not ${hex32(ZONE_PACKAGE_MAGIC)}`);
  const format = view.getUint32(4, true);
  if (format !== FORMAT_VERSION)
    return malformed("PACKAGE_MALFORMED", `format version ${hex32(format)}, not ${hex32(FORMAT_VERSION)}`);
  const size = view.getUint32(layout.size, true);
  if (bytes.length < size) return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${size} bytes`);
  if (bytes.length > size) return malformed("PACKAGE_MALFORMED", `${bytes.length} bytes where the header says ${size}`);
  const crc = view.getUint32(layout.crc, true);
  const actual = crc32(bytes.subarray(layout.crcFrom));
  if (actual !== crc) return malformed("PACKAGE_CHECKSUM_WRONG", `CRC-32 ${hex32(actual)}, not ${hex32(crc)}`);
  return undefined;
}

interface TableEntry {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly firmwareSize: number;
  readonly version: number;
  readonly crc: number;
  readonly priority: number;
}

function readTable(bytes: Uint8Array, layout: ZoneLayout): readonly TableEntry[] | Malformed {
  const view = viewOf(bytes);
  const count = view.getUint8(layout.ecuCount);
  if (count === 0 || count > layout.ecusMax)
    return malformed("PACKAGE_MALFORMED", `${count} ECUs, not 1 to ${layout.ecusMax}`);
  const entries: TableEntry[] = [];
  for (let index = 0; index < count; index++) {
    const at = layout.table + ENTRY_LENGTH * index;
    const name = readName(bytes, at + Entry.ecu);
    if (name === undefined) return malformed("PACKAGE_MALFORMED", `ECU ${index + 1} of ${count} has no printable name`);
    const metadataSize = view.getUint32(at + Entry.metadataSize, true);
    if (metadataSize !== layout.ecu.headerLength)
      return malformed("PACKAGE_MALFORMED", `${name}: ${metadataSize} metadata bytes, not ${layout.ecu.headerLength}`);
    entries.push({
      name,
      offset: view.getUint32(at + Entry.offset, true),
      size: view.getUint32(at + Entry.size, true),
      firmwareSize: view.getUint32(at + Entry.firmwareSize, true),
      version: view.getUint32(at + Entry.version, true),
      crc: view.getUint32(at + Entry.crc, true),
      priority: view.getUint8(at + Entry.priority),
    });
  }
  const wrong = misplaced(entries, layout.headerLength, bytes.length);
  return wrong === undefined ? entries : malformed("PACKAGE_MALFORMED", wrong);
}

/** The package that a table entry points at, if both say the same. */
function readEntry(bytes: Uint8Array, entry: TableEntry, layout: ZoneLayout): EcuPackage | Malformed {
  const data = bytes.subarray(entry.offset, entry.offset + entry.size);
  const actual = crc32(data);
  if (actual !== entry.crc)
    return malformed("PACKAGE_CHECKSUM_WRONG", `ECU package has CRC-32 ${hex32(actual)}, not ${hex32(entry.crc)}`);
  const read = readEcuPackage(data, layout.ecu);
  if (read.type === "malformed") return read;
  const { ecu, version, firmware } = read.package;
  if (ecu !== entry.name) return malformed("PACKAGE_MALFORMED", `the package says it is for ${ecu}`);
  if (version !== entry.version)
    return malformed(
      "PACKAGE_MALFORMED",
      `version ${hex32(entry.version)} in the table, ${hex32(version)} in the package`,
    );
  if (firmware.length !== entry.firmwareSize)
    return malformed(
      "PACKAGE_MALFORMED",
      `${entry.firmwareSize} firmware bytes in the table, ${firmware.length} in the package`,
    );
  return read.package;
}
