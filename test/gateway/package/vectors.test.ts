import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { packVersion, versionText } from "../../../emulator/wire/version.ts";
import { readEcuPackage, writeEcuPackage } from "../../../gateway/package/ecu-package.ts";
import type { Malformed } from "../../../gateway/package/malformed.ts";
import { readSwpg, swpgEcu, swpgPlain, swpgSerial, writeSwpg } from "../../../gateway/package/swpg.ts";
import { readVehiclePackage, writeVehiclePackage } from "../../../gateway/package/vehicle-package.ts";
import {
  readZonePackage,
  writeZonePackage,
  type ZoneDialect,
  type ZonePackage,
} from "../../../gateway/package/zone-package.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";

const FOLDER = new URL("../../../fixtures/vectors/ota/", import.meta.url);

interface Vector {
  readonly id: string;
  readonly kind: string;
  readonly file: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly expect: Record<string, unknown>;
}

const VECTORS: readonly Vector[] = JSON.parse(readFileSync(new URL("vectors.json", FOLDER), "utf8")).vectors;

/** Rows that are no packages; the suites of their protocols read them. */
const OTHER_KINDS = [
  "udp-vci",
  "udp-readiness",
  "uds-bootloader",
  "uds-zgw",
  "vmg-client-capture",
  "doip-frames",
  "seed-key",
];

/** What a row calls the error, as our codes. */
const ERROR_CODES: Readonly<Record<string, string>> = {
  crc32: "PACKAGE_CHECKSUM_WRONG",
  "zone-crc32": "PACKAGE_CHECKSUM_WRONG",
  length: "PACKAGE_TRUNCATED",
  magic: "PACKAGE_MALFORMED",
};

const fileOf = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, FOLDER)));
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hex = (value: number, digits: number): string => `0x${value.toString(16).toUpperCase().padStart(digits, "0")}`;

/** @throws {Error} with the reason, when it is malformed */
function good<Decoded extends { readonly type: string }>(decoded: Decoded | Malformed): Exclude<Decoded, Malformed> {
  if (decoded.type === "malformed") throw new Error((decoded as Malformed).reason);
  return decoded as Exclude<Decoded, Malformed>;
}

/** A zone in the words of the rows. */
const zoneFields = (zone: ZonePackage) => ({
  zone_id: zone.id,
  zone_name: zone.name,
  zone_number: zone.number,
  ecus: zone.ecus.map(({ priority, package: ecu }) => ({
    ecu_id: ecu.ecu,
    version: `v${versionText(ecu.version)}`,
    hw: `v${versionText(ecu.hardwareVersion)}`,
    priority,
    firmware_size: ecu.firmware.length,
  })),
});

function checkSwpg(vector: Vector): void {
  const bytes = fileOf(vector.file);
  const { package: content, crc } = good(readSwpg(bytes));
  const plain = good(swpgPlain(content, inflate)).data;
  expect({
    magic: "0x53575047",
    target_ecu_id: hex(content.targetId, 4),
    software_type: content.softwareType,
    compression: content.compression,
    payload_size: content.payload.length,
    uncompressed_size: content.plainSize,
    version: content.version,
    timestamp: content.buildTime,
    version_serial: content.serial,
    crc32: hex(crc, 8),
    source_ecu_id: content.sourceId,
    hop_count: content.hopCount,
    sequence_number: content.sequenceNumber,
  }).toEqual(vector.expect.fields);
  expect(sha256(plain)).toBe(vector.expect.plain_payload_sha256);
  expect(content.serial).toBe(swpgSerial(content.buildTime));
  expect(writeSwpg(content)).toEqual(bytes);
}

function checkCampaign(vector: Vector): void {
  const metadata = JSON.parse(readFileSync(new URL(`${vector.file}/campaign_metadata.json`, FOLDER), "utf8"));
  const rows = vector.expect.packages as readonly Record<string, unknown>[];
  expect(metadata.packages).toMatchObject(rows);
  for (const row of rows) {
    const folder = row.target_ecu === "VMG" ? "vmg_package" : "zone1_package";
    const bytes = fileOf(`${vector.file}/${folder}/${String(row.file_name)}`);
    const { package: content, crc } = good(readSwpg(bytes));
    const [major, minor, patch, build] = content.version;
    expect({
      ecu_id: hex(content.targetId, 4),
      version: `${major}.${minor}.${patch}-${build}`,
      size_bytes: bytes.length,
      payload_size_bytes: content.payload.length,
      crc32: hex(crc, 8),
      sha256: sha256(bytes),
    }).toEqual(
      Object.fromEntries(
        ["ecu_id", "version", "size_bytes", "payload_size_bytes", "crc32", "sha256"].map((key) => [key, row[key]]),
      ),
    );
    expect(swpgEcu(content.targetId)).toBe(row.target_ecu === "ZGW" ? "ECU_091" : row.target_ecu);
    expect(writeSwpg(content)).toEqual(bytes);
  }
}

function checkVehicle(vector: Vector): void {
  const bytes = fileOf(vector.file);
  const { package: content, crc } = good(readVehiclePackage(bytes));
  expect({
    valid: true,
    vin: content.vin,
    model: content.model,
    model_year: content.modelYear,
    region: content.region,
    master_sw: content.masterVersionText,
    total_size: bytes.length,
    vehicle_crc32: hex(crc, 8),
    zones: content.zones.map(zoneFields),
    timestamp: content.zones[0]?.buildTime,
  }).toEqual(vector.expect);
  expect(packVersion(content.masterVersionText)).toBe(content.masterVersion);
  expect(writeVehiclePackage(content)).toEqual(bytes);
}

function checkZone(vector: Vector): void {
  const bytes = fileOf(vector.file);
  const { package: content, crc } = good(readZonePackage(bytes));
  expect({
    valid: true,
    zone: zoneFields(content),
    total_size: bytes.length,
    zone_crc32: hex(crc, 8),
    timestamp: content.buildTime,
  }).toEqual(vector.expect);
  expect(writeZonePackage(content)).toEqual(bytes);
}

/** Our writer does not write these dialects; what is in them is the same all the same. */
function checkForeignZone(vector: Vector, dialect: ZoneDialect): void {
  const { package: content, crc } = good(readZonePackage(fileOf(vector.file), dialect));
  expect(content.ecus.map((ecu) => ecu.package.ecu)).toEqual(vector.expect.ecus);
  expect(hex(crc, 8)).toBe(vector.expect.zone_crc32);
  expect(content.number).toBe(1);
  expect(content.name).toBe("Zone_Front_Left");
  const needed = dialect === "vmg" ? [{ ecu: "ECU_091", versionMin: 0x010000 }] : [];
  expect(content.ecus[0]?.package.dependencies).toEqual(needed);
  for (const { package: ecu } of content.ecus) {
    expect(ecu.versionText).toContain(versionText(ecu.version));
    expect([...ecu.firmware]).toEqual(Array.from({ length: ecu.firmware.length }, (_, index) => index & 0xff));
  }
}

function checkEcu(vector: Vector): void {
  const bytes = fileOf(vector.file);
  const { package: content, crc } = good(readEcuPackage(bytes));
  expect({
    valid: true,
    ecu_id: content.ecu,
    sw_version: hex(content.version, 8),
    hw_version: hex(content.hardwareVersion, 8),
    firmware_size: content.firmware.length,
    firmware_crc32: hex(crc, 8),
    version_string: content.versionText,
    build_timestamp: content.buildTime,
    dependency_count: content.dependencies.length,
  }).toEqual(vector.expect);
  expect(writeEcuPackage(content)).toEqual(bytes);
}

const READERS: Readonly<Record<string, (bytes: Uint8Array) => { readonly type: string } | Malformed>> = {
  swpg: readSwpg,
  "swpg-be": readSwpg,
  "vehicle-sim": readVehiclePackage,
  "zone-sim": readZonePackage,
  "ecu-sim": readEcuPackage,
};

const CHECKS: Readonly<Record<string, (vector: Vector) => void>> = {
  swpg: checkSwpg,
  "campaign-dir": checkCampaign,
  "vehicle-sim": checkVehicle,
  "zone-sim": checkZone,
  "zone-cpp": (vector) => checkForeignZone(vector, "vmg"),
  "zone-zgw": (vector) => checkForeignZone(vector, "zgw"),
  "ecu-sim": checkEcu,
};

function checkRefused(vector: Vector): void {
  const reader = READERS[vector.kind];
  if (reader === undefined) throw new Error(`no reader for ${vector.kind}`);
  const decoded = reader(fileOf(vector.file));
  expect(decoded).toMatchObject({ type: "malformed", code: ERROR_CODES[vector.expect.error as string] });
  const { reason } = decoded as Malformed;
  expect(reason).toMatch(/\w/);
  if (vector.expect.zone_number !== undefined) expect(reason).toContain(`zone ${Number(vector.expect.zone_number)}`);
}

describe("the package vectors of the OTA family", () => {
  it("are all covered, or belong to another protocol", () => {
    const uncovered = VECTORS.filter(
      (vector) => !OTHER_KINDS.includes(vector.kind) && !(vector.kind in CHECKS) && !(vector.kind in READERS),
    );
    expect(uncovered).toEqual([]);
  });

  for (const vector of VECTORS.filter((row) => !OTHER_KINDS.includes(row.kind))) {
    it(`${vector.id} ${vector.expect.valid === true ? "decodes as its row says" : "is refused with a reason"}`, () => {
      if (vector.sha256 !== undefined) expect(sha256(fileOf(vector.file))).toBe(vector.sha256);
      if (vector.expect.valid !== true) checkRefused(vector);
      else (CHECKS[vector.kind] as (vector: Vector) => void)(vector);
    });
  }
});
