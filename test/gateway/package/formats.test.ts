import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32 } from "../../../emulator/wire/crc32.ts";
import { type EcuPackage, readEcuPackage, writeEcuPackage } from "../../../gateway/package/ecu-package.ts";
import {
  readVehiclePackage,
  type VehiclePackage,
  writeVehiclePackage,
} from "../../../gateway/package/vehicle-package.ts";
import { readZonePackage, writeZonePackage, type ZonePackage } from "../../../gateway/package/zone-package.ts";

const ecu = (name: string, firmware = Uint8Array.of(1, 2, 3)): EcuPackage => ({
  ecu: name,
  version: 0x010203,
  hardwareVersion: 0x010000,
  buildTime: 1_763_164_800,
  versionText: "v1.2.3",
  dependencies: [],
  firmware,
});

const zone = (number: number, ...names: readonly string[]): ZonePackage => ({
  id: `Zone_${number}`,
  number,
  name: `Zone number ${number}`,
  buildTime: 1_763_164_800,
  ecus: names.map((name, priority) => ({ priority, package: ecu(name) })),
});

const vehicle = (...zones: readonly ZonePackage[]): VehiclePackage => ({
  vin: "KMHXX00XXXX000001",
  model: "Genesis GV80",
  modelYear: 2024,
  region: 3,
  masterVersion: 0x020000,
  masterVersionText: "v2.0.0",
  zones,
});

const ZONE_HEADER = 1024;
const VEHICLE_HEADER = 12_288;

/** Changes 32-bit words, little-endian, then makes the CRC of a zone right again. */
function editZone(bytes: Uint8Array, edits: readonly (readonly [offset: number, value: number])[]): Uint8Array {
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of edits) view.setUint32(offset, value, true);
  view.setUint32(32, crc32(bytes.subarray(ZONE_HEADER)), true);
  return bytes;
}

function editVehicle(bytes: Uint8Array, edits: readonly (readonly [offset: number, value: number])[]): Uint8Array {
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of edits) view.setUint32(offset, value, true);
  view.setUint32(144, crc32(bytes.subarray(VEHICLE_HEADER)), true);
  return bytes;
}

const expectRefusal = (decoded: object, code: string, reason: string): void => {
  expect(decoded).toMatchObject({ type: "malformed", code });
  expect((decoded as { reason: string }).reason).toContain(reason);
};

describe("an ECU package", () => {
  it("tells both lengths when its header is not whole", () => {
    expectRefusal(readEcuPackage(new Uint8Array(255)), "PACKAGE_TRUNCATED", "255 of 256 header bytes");
  });

  it("tells both lengths when firmware is missing, and when there is more than it says", () => {
    const bytes = writeEcuPackage(ecu("ECU_011"));
    expectRefusal(readEcuPackage(bytes.subarray(0, -1)), "PACKAGE_TRUNCATED", "2 of 3 firmware bytes");
    const longer = new Uint8Array([...bytes, 0]);
    expectRefusal(readEcuPackage(longer), "PACKAGE_MALFORMED", "4 firmware bytes where the header says 3");
  });

  it("is refused when its firmware is not what the CRC says", () => {
    const bytes = writeEcuPackage(ecu("ECU_011"));
    bytes[256] = 9;
    expectRefusal(readEcuPackage(bytes), "PACKAGE_CHECKSUM_WRONG", "CRC-32");
  });

  it("is refused with more dependencies than the header has room for", () => {
    const bytes = writeEcuPackage(ecu("ECU_011"));
    bytes[72] = 6;
    expectRefusal(readEcuPackage(bytes), "PACKAGE_MALFORMED", "6 dependencies, at most 5");
  });

  it("is refused when a dependency or the ECU has no name, or a version has four parts", () => {
    const nameless = writeEcuPackage(ecu("ECU_011"));
    nameless.fill(0, 4, 20);
    expectRefusal(readEcuPackage(nameless), "PACKAGE_MALFORMED", "no printable name");
    const needy = writeEcuPackage(ecu("ECU_011"));
    needy[72] = 1;
    expectRefusal(readEcuPackage(needy), "PACKAGE_MALFORMED", "dependency 1 of 1 has no printable name");
    const wide = writeEcuPackage(ecu("ECU_011"));
    wide[23] = 1;
    expectRefusal(readEcuPackage(wide), "PACKAGE_MALFORMED", "01010203 is no 00MMmmpp");
  });

  it("is not written with a name, a dependency or a number that does not fit", () => {
    const one = ecu("ECU_011");
    const needed = { ecu: "ECU_012", versionMin: 1 };
    for (const wrong of [
      { ...one, ecu: "ECU_011_IS_TOO_LONG" },
      { ...one, ecu: "ECU_é" },
      { ...one, version: 0x1_00_00_00 },
      { ...one, buildTime: -1 },
      { ...one, firmware: new Uint8Array() },
      { ...one, versionText: "v".repeat(33) },
      { ...one, dependencies: Array.from({ length: 6 }, () => needed) },
    ])
      expect(() => writeEcuPackage(wrong)).toThrow(expect.objectContaining({ code: "PACKAGE_FIELD" }));
  });
});

describe("a zone package", () => {
  const offsetOf = (index: number): number => 256 + 64 * index + 16;

  it("is refused when an ECU package lies in the header", () => {
    const bytes = editZone(writeZonePackage(zone(1, "ECU_011", "ECU_012")), [[offsetOf(0), 512]]);
    expectRefusal(
      readZonePackage(bytes),
      "PACKAGE_MALFORMED",
      "ECU_011 at 512 overlaps the header, which ends at 1024",
    );
  });

  it("is refused when two ECU packages overlap", () => {
    const bytes = editZone(writeZonePackage(zone(1, "ECU_011", "ECU_012")), [[offsetOf(1), 1025]]);
    expectRefusal(readZonePackage(bytes), "PACKAGE_MALFORMED", "ECU_012 at 1025 overlaps ECU_011");
  });

  it("is refused when an ECU package runs past the end, even where 32-bit numbers would wrap around", () => {
    const bytes = editZone(writeZonePackage(zone(1, "ECU_011")), [
      [offsetOf(0), 0xffff_ff00],
      [offsetOf(0) + 4, 0x200],
    ]);
    expectRefusal(readZonePackage(bytes), "PACKAGE_MALFORMED", "ECU_011 ends at 4294967552, the package at 1283");
  });

  it("is refused when table and ECU package say different things", () => {
    const make = (): Uint8Array => writeZonePackage(zone(1, "ECU_011"));
    const version = editZone(make(), [[256 + 32, 0x010204]]);
    expectRefusal(readZonePackage(version), "PACKAGE_MALFORMED", "ECU_011: version 00010204 in the table, 00010203");
    const size = editZone(make(), [[256 + 28, 4]]);
    expectRefusal(readZonePackage(size), "PACKAGE_MALFORMED", "4 firmware bytes in the table, 3 in the package");
    const metadata = editZone(make(), [[256 + 24, 476]]);
    expectRefusal(readZonePackage(metadata), "PACKAGE_MALFORMED", "476 metadata bytes, not 256");
    const name = make();
    name[256 + 6] = 0x32;
    expectRefusal(readZonePackage(name), "PACKAGE_MALFORMED", "the package says it is for ECU_011");
    const crc = editZone(make(), [[256 + 36, 0]]);
    expectRefusal(readZonePackage(crc), "PACKAGE_CHECKSUM_WRONG", "ECU package has CRC-32");
  });

  it("is refused with no ECU or with more than twelve", () => {
    for (const count of [0, 13, 255]) {
      const bytes = writeZonePackage(zone(1, "ECU_011"));
      bytes[29] = count;
      expectRefusal(readZonePackage(bytes), "PACKAGE_MALFORMED", `${count} ECUs, not 1 to 12`);
    }
    const names = Array.from({ length: 13 }, (_, index) => `ECU_${String(index).padStart(3, "0")}`);
    expect(() => writeZonePackage(zone(1, ...names))).toThrow(expect.objectContaining({ code: "PACKAGE_FIELD" }));
    expect(() => writeZonePackage(zone(1))).toThrow(expect.objectContaining({ code: "PACKAGE_FIELD" }));
  });

  it("is refused with a format version that is not known", () => {
    const bytes = editZone(writeZonePackage(zone(1, "ECU_011")), [[4, 0x00020000]]);
    expectRefusal(readZonePackage(bytes), "PACKAGE_MALFORMED", "format version 00020000");
  });

  it("is not read as another dialect", () => {
    const bytes = writeZonePackage(zone(1, "ECU_011"));
    expect(readZonePackage(bytes, "vmg").type).toBe("malformed");
    expect(readZonePackage(bytes, "zgw").type).toBe("malformed");
  });
});

describe("a vehicle package", () => {
  const offsetOf = (index: number): number => 192 + 32 * index + 16;
  const make = (): Uint8Array => writeVehiclePackage(vehicle(zone(1, "ECU_011"), zone(2, "ECU_021", "ECU_022")));

  it("tells both lengths when it is cut in the header or behind it", () => {
    const bytes = make();
    expectRefusal(readVehiclePackage(bytes.subarray(0, 100)), "PACKAGE_TRUNCATED", "100 of 12288 header bytes");
    const cut = bytes.length - 1;
    expectRefusal(readVehiclePackage(bytes.subarray(0, cut)), "PACKAGE_TRUNCATED", `${cut} of ${bytes.length} bytes`);
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expectRefusal(readVehiclePackage(longer), "PACKAGE_MALFORMED", `where the header says ${bytes.length}`);
  });

  it("is refused when zones overlap, lie in the header or run past the end", () => {
    const size = make().length;
    expectRefusal(
      readVehiclePackage(editVehicle(make(), [[offsetOf(1), VEHICLE_HEADER]])),
      "PACKAGE_MALFORMED",
      "zone 2 at 12288 overlaps zone 1",
    );
    expectRefusal(
      readVehiclePackage(editVehicle(make(), [[offsetOf(0), 0]])),
      "PACKAGE_MALFORMED",
      "zone 1 at 0 overlaps the header",
    );
    expectRefusal(
      readVehiclePackage(editVehicle(make(), [[offsetOf(1) + 4, 0xffff_ffff]])),
      "PACKAGE_MALFORMED",
      `the package at ${size}`,
    );
  });

  it("is refused when a reference and its zone say different things", () => {
    const number = make();
    number[192 + 24] = 7;
    expectRefusal(
      readVehiclePackage(number),
      "PACKAGE_MALFORMED",
      "zone 7: referred to as Zone_1, but is Zone_1, number 1",
    );
    const count = make();
    count[192 + 25] = 2;
    expectRefusal(readVehiclePackage(count), "PACKAGE_MALFORMED", "2 ECUs in the reference, 1 in the zone");
  });

  it("is refused when the number of ECUs is wrong or an ECU is there twice", () => {
    const count = make();
    count[129] = 4;
    expectRefusal(readVehiclePackage(count), "PACKAGE_MALFORMED", "4 ECUs in the header, 3 in the zones");
    for (const twice of [
      vehicle(zone(1, "ECU_011"), zone(2, "ECU_011")),
      vehicle(zone(1, "ECU_011"), zone(1, "ECU_012")),
    ])
      expect(() => writeVehiclePackage(twice)).toThrow(/is there twice/);
  });

  it("is refused with no zone or with more than sixteen", () => {
    for (const count of [0, 17]) {
      const bytes = make();
      bytes[128] = count;
      expectRefusal(readVehiclePackage(bytes), "PACKAGE_MALFORMED", `${count} zones, not 1 to 16`);
    }
    expect(() => writeVehiclePackage(vehicle())).toThrow(expect.objectContaining({ code: "PACKAGE_FIELD" }));
  });

  it("does not hold another vehicle package in place of a zone", () => {
    const inner = make();
    const bytes = new Uint8Array(VEHICLE_HEADER + inner.length);
    bytes.set(inner.subarray(0, VEHICLE_HEADER));
    bytes.set(inner, VEHICLE_HEADER);
    bytes[128] = 1;
    bytes[129] = 1;
    editVehicle(bytes, [
      [8, bytes.length],
      [offsetOf(0) + 4, inner.length],
    ]);
    expectRefusal(readVehiclePackage(bytes), "PACKAGE_MALFORMED", "zone 1: magic 5650504b, not 5a4f4e45");
  });
});

describe("readers and writers together", () => {
  const text = (max: number) =>
    fc.string({
      minLength: 1,
      maxLength: max,
      unit: fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789 ".split("")),
    });
  const packed = fc.nat(0xff_ffff);
  const anyEcu = fc.record({
    ecu: text(16),
    version: packed,
    hardwareVersion: packed,
    buildTime: fc.nat(),
    versionText: text(32),
    dependencies: fc.array(fc.record({ ecu: text(16), versionMin: packed }), { maxLength: 5 }),
    firmware: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  });
  const anyZone = fc.record({
    id: text(16),
    number: fc.nat(255),
    name: text(32),
    buildTime: fc.nat(),
    ecus: fc.array(fc.record({ priority: fc.nat(255), package: anyEcu }), { minLength: 1, maxLength: 12 }),
  });

  it("give back every zone package that was written", () => {
    fc.assert(
      fc.property(anyZone, (content) => {
        expect(readZonePackage(writeZonePackage(content))).toMatchObject({ type: "zonePackage", package: content });
      }),
      { numRuns: 60 },
    );
  });

  it("give back every vehicle package that was written", () => {
    const unique = fc.array(anyZone, { minLength: 1, maxLength: 4 }).map((zones) =>
      zones.map((one, number) => ({
        ...one,
        number,
        ecus: one.ecus.map((entry, index) => ({
          ...entry,
          package: { ...entry.package, ecu: `ECU_${number}_${index}` },
        })),
      })),
    );
    fc.assert(
      fc.property(unique, (zones) => {
        const content = vehicle(...zones);
        expect(readVehiclePackage(writeVehiclePackage(content))).toMatchObject({ package: content });
      }),
      { numRuns: 30 },
    );
  });

  it("never throw, whatever the bytes are and whichever of them is changed", () => {
    const whole = writeVehiclePackage(vehicle(zone(1, "ECU_011"), zone(2, "ECU_021")));
    const readers = [
      readVehiclePackage,
      (bytes: Uint8Array) => readZonePackage(bytes),
      (bytes: Uint8Array) => readZonePackage(bytes, "vmg"),
      (bytes: Uint8Array) => readZonePackage(bytes, "zgw"),
      (bytes: Uint8Array) => readEcuPackage(bytes),
    ];
    const places = fc.oneof(fc.nat(255), fc.integer({ min: VEHICLE_HEADER, max: VEHICLE_HEADER + 400 }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), places, fc.nat(255), (noise, at, value) => {
        for (const reader of readers) expect(reader(noise)).toHaveProperty("type");
        const changed = whole.slice();
        changed[at] = value;
        expect(readVehiclePackage(editVehicle(changed, []))).toHaveProperty("type");
        const inner = changed.slice(VEHICLE_HEADER, VEHICLE_HEADER + 1283);
        expect(readZonePackage(editZone(inner, []))).toHaveProperty("type");
      }),
      { numRuns: 300 },
    );
  });
});
