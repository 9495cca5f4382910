import { crc32 } from "../../emulator/wire/crc32.ts";
import { fits, hex32, PackageFieldError, UINT8_MAX, UINT16_MAX, UINT32_MAX, viewOf } from "./fields.ts";
import { type Malformed, malformedBy } from "./malformed.ts";

/** "SWPG" as a number; little-endian on disk, so that a file begins with 47 50 57 53. */
export const SWPG_MAGIC = 0x53575047;
export const SWPG_HEADER_LENGTH = 64;
/** The zonal gateway of the family takes no more, and nothing that is empty. */
const PAYLOAD_MAX = 8 * 1024 * 1024;

export const SwpgSoftware = { Application: 1, Bootloader: 2, Calibration: 3, Configuration: 4 } as const;
export const SwpgCompression = { None: 0, Zlib: 1 } as const;

const Offset = {
  magic: 0,
  targetId: 4,
  softwareType: 6,
  compression: 7,
  payloadSize: 8,
  plainSize: 12,
  version: 16,
  buildTime: 20,
  serial: 24,
  crc: 28,
  sourceId: 44,
  hopCount: 46,
  sequenceNumber: 48,
} as const;

/** A package for one ECU. (docs/protocols/packages.md, SWPG) */
export interface SwpgPackage {
  /** The digits of the ECU's name as hexadecimal digits; see {@link swpgEcu}. */
  readonly targetId: number;
  readonly softwareType: number;
  readonly compression: number;
  /** Length of the payload when it is not compressed. */
  readonly plainSize: number;
  readonly version: readonly [major: number, minor: number, patch: number, build: number];
  /** Unix time, seconds. */
  readonly buildTime: number;
  /** YYMMDDhhmm as a decimal number; see {@link swpgSerial}. */
  readonly serial: number;
  /** 0 is the server. */
  readonly sourceId: number;
  readonly hopCount: number;
  readonly sequenceNumber: number;
  /** As it is stored, compressed or not. */
  readonly payload: Uint8Array;
}

export type DecodedSwpg = { readonly type: "swpg"; readonly package: SwpgPackage; readonly crc: number } | Malformed;

const malformed = malformedBy("SWPG");

/** Total: any bytes give a package whose checksum is right, or a reason. The payload shares the memory of `bytes`. */
export function readSwpg(bytes: Uint8Array): DecodedSwpg {
  if (bytes.length < SWPG_HEADER_LENGTH)
    return malformed("PACKAGE_TRUNCATED", `${bytes.length} of ${SWPG_HEADER_LENGTH} header bytes`);
  const view = viewOf(bytes);
  if (view.getUint32(Offset.magic, false) === SWPG_MAGIC)
    return malformed("PACKAGE_MALFORMED", "magic 53 57 50 47: the fields are big-endian");
  const magic = view.getUint32(Offset.magic, true);
  if (magic !== SWPG_MAGIC) return malformed("PACKAGE_MALFORMED", `magic ${hex32(magic)}, not ${hex32(SWPG_MAGIC)}`);
  const size = view.getUint32(Offset.payloadSize, true);
  const present = bytes.length - SWPG_HEADER_LENGTH;
  if (present < size) return malformed("PACKAGE_TRUNCATED", `${present} of ${size} payload bytes`);
  if (present > size) return malformed("PACKAGE_MALFORMED", `${present} payload bytes where the header says ${size}`);
  const payload = bytes.subarray(SWPG_HEADER_LENGTH);
  const crc = view.getUint32(Offset.crc, true);
  const actual = crc32(payload);
  if (actual !== crc)
    return malformed("PACKAGE_CHECKSUM_WRONG", `payload has CRC-32 ${hex32(actual)}, not ${hex32(crc)}`);
  const decoded: SwpgPackage = {
    targetId: view.getUint16(Offset.targetId, true),
    softwareType: view.getUint8(Offset.softwareType),
    compression: view.getUint8(Offset.compression),
    plainSize: view.getUint32(Offset.plainSize, true),
    version: [0, 1, 2, 3].map((part) => view.getUint8(Offset.version + part)) as unknown as SwpgPackage["version"],
    buildTime: view.getUint32(Offset.buildTime, true),
    serial: view.getUint32(Offset.serial, true),
    sourceId: view.getUint16(Offset.sourceId, true),
    hopCount: view.getUint16(Offset.hopCount, true),
    sequenceNumber: view.getUint32(Offset.sequenceNumber, true),
    payload,
  };
  const wrong = inconsistency(decoded);
  return wrong === undefined ? { type: "swpg", package: decoded, crc } : malformed("PACKAGE_MALFORMED", wrong);
}

/** @throws {PackageFieldError} for a package that {@link readSwpg} would refuse */
export function writeSwpg(content: SwpgPackage): Uint8Array {
  const wrong = inconsistency(content);
  if (wrong !== undefined) throw new PackageFieldError(wrong);
  const bytes = new Uint8Array(SWPG_HEADER_LENGTH + content.payload.length);
  const view = viewOf(bytes);
  view.setUint32(Offset.magic, SWPG_MAGIC, true);
  view.setUint16(Offset.targetId, fits(content.targetId, UINT16_MAX, "target id"), true);
  view.setUint8(Offset.softwareType, content.softwareType);
  view.setUint8(Offset.compression, content.compression);
  view.setUint32(Offset.payloadSize, content.payload.length, true);
  view.setUint32(Offset.plainSize, content.plainSize, true);
  for (const [index, part] of content.version.entries())
    view.setUint8(Offset.version + index, fits(part, UINT8_MAX, "part of the version"));
  view.setUint32(Offset.buildTime, fits(content.buildTime, UINT32_MAX, "build time"), true);
  view.setUint32(Offset.serial, fits(content.serial, UINT32_MAX, "serial"), true);
  view.setUint32(Offset.crc, crc32(content.payload), true);
  view.setUint16(Offset.sourceId, fits(content.sourceId, UINT16_MAX, "source id"), true);
  view.setUint16(Offset.hopCount, fits(content.hopCount, UINT16_MAX, "hop count"), true);
  view.setUint32(Offset.sequenceNumber, fits(content.sequenceNumber, UINT32_MAX, "sequence number"), true);
  bytes.set(content.payload, SWPG_HEADER_LENGTH);
  return bytes;
}

/**
 * The payload as the ECU gets it.
 * @param inflate undoes a zlib or gzip stream; undefined when it is none, or gives more than `lengthMax` bytes
 */
export function swpgPlain(
  content: SwpgPackage,
  inflate: (data: Uint8Array, lengthMax: number) => Uint8Array | undefined,
): { readonly type: "plain"; readonly data: Uint8Array } | Malformed {
  if (content.compression === SwpgCompression.None) return { type: "plain", data: content.payload };
  const data = inflate(content.payload, content.plainSize);
  if (data === undefined)
    return malformed("PACKAGE_MALFORMED", `payload is no zlib stream of ${content.plainSize} bytes at most`);
  if (data.length !== content.plainSize)
    return malformed("PACKAGE_MALFORMED", `payload inflates to ${data.length} bytes, not ${content.plainSize}`);
  return { type: "plain", data };
}

/** The vehicle gateway has an id that does not follow from its name. */
const VMG_ID = 0x0e00;

/** "ECU_011" for 0x0011. @returns undefined when the id names no ECU, such as 0xFFFF (all) */
export function swpgEcu(id: number): string | undefined {
  if (id === VMG_ID) return "VMG";
  const digits = id.toString(16).padStart(3, "0");
  return id > 0 && /^\d{3}$/.test(digits) ? `ECU_${digits}` : undefined;
}

/** The reverse of {@link swpgEcu}. */
export function swpgTargetId(ecu: string): number | undefined {
  const id = ecu === "VMG" ? VMG_ID : Number.parseInt(/^ECU_(\d{3})$/.exec(ecu)?.[1] ?? "0", 16);
  return id === 0 ? undefined : id;
}

/** YYMMDDhhmm in UTC: good until 2042, when it no longer fits into 32 bits. @param unixTime seconds, from 2000 on */
export function swpgSerial(unixTime: number): number {
  const minutes = Math.floor(unixTime / 60);
  const { year, month, day } = civilDate(Math.floor(minutes / 1440));
  const clock = Math.floor((minutes % 1440) / 60) * 100 + (minutes % 60);
  return (((year - 2000) * 100 + month) * 100 + day) * 10_000 + clock;
}

/** The date of a day counted from 1970-01-01, by years that begin in March, so that the leap day comes last. */
function civilDate(days: number): { year: number; month: number; day: number } {
  const sinceMarch0000 = days + 719_468;
  const era = Math.floor(sinceMarch0000 / 146_097);
  const dayOfEra = sinceMarch0000 - era * 146_097;
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  return { year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day };
}

/** Why the fields don't go together; undefined when they do. */
function inconsistency(content: SwpgPackage): string | undefined {
  const { compression, softwareType, plainSize, payload } = content;
  if (softwareType < SwpgSoftware.Application || softwareType > SwpgSoftware.Configuration)
    return `software type ${softwareType}, not 1 to 4`;
  if (compression !== SwpgCompression.None && compression !== SwpgCompression.Zlib)
    return `compression ${compression}, not 0 or 1`;
  for (const [name, size] of [
    ["payload", payload.length],
    ["plain payload", plainSize],
  ] as const)
    if (size === 0 || size > PAYLOAD_MAX) return `${name} of ${size} bytes, not 1 to ${PAYLOAD_MAX}`;
  if (compression === SwpgCompression.None && plainSize !== payload.length)
    return `${payload.length} bytes are stored without compression, but ${plainSize} are said to come out`;
  return undefined;
}
