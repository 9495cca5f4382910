import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkImage, decodeImageHeader } from "../../../emulator/wire/image-header.ts";
import { openPackage } from "../../../gateway/package/open-package.ts";
import { readVehiclePackage } from "../../../gateway/package/vehicle-package.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { buildImage } from "../../../hil/release/build-image.ts";
import { buildRelease, packRelease, type ReleaseDescription, signRelease } from "../../../hil/release/build-release.ts";

const KEYS = makeKeys("7");
const FIRMWARE = new URL("../../../fixtures/firmware/", import.meta.url).pathname;
const code = (name: string) => expect.objectContaining({ code: name });

const DESCRIPTION: ReleaseDescription = {
  format: "vehicle",
  vin: "KMHXX00XXXX000001",
  model: "Genesis GV80",
  modelYear: 2024,
  version: "2.0.0",
  buildTime: 1_763_164_800,
  zones: [
    {
      id: "Zone_Front",
      number: 1,
      ecus: [
        { ecu: "ECU_011", version: "2.0.0", hardwareVersion: "1.0.0", firmware: "pybricks-movehub.bin" },
        { ecu: "ECU_012", version: "2.0.0", hardwareVersion: "1.0.0", firmware: "avrgirl-leonardo-firmata.hex" },
      ],
    },
    {
      id: "Zone_Rear",
      number: 2,
      name: "Zone_Rear_Left",
      ecus: [
        {
          ecu: "ECU_021",
          version: "2.1.0",
          hardwareVersion: "1.0.0",
          firmware: "tomu-toboot.s19",
          priority: 3,
          securityCounter: 5,
          dependencies: [{ ecu: "ECU_022", versionMin: "2.0.0" }],
        },
        { ecu: "ECU_022", version: "2.0.0", hardwareVersion: "1.0.0", firmware: "hackrf-one-usb.bin" },
      ],
    },
  ],
};

const only = (index: number, change: Partial<ReleaseDescription>): ReleaseDescription => ({
  ...DESCRIPTION,
  ...change,
  zones: [{ id: "Zone", number: 1, ecus: [DESCRIPTION.zones[0]?.ecus[index] as never] }],
});

describe("a release", () => {
  it("opens in the vehicle that it is for", () => {
    const { bytes, signature } = buildRelease(DESCRIPTION, KEYS, FIRMWARE);
    const installed = ["011", "012", "021", "022"].map((digits) => ({ id: `ECU_${digits}`, version: "1.0.0" }));
    const policy = { trusted: [KEYS.package], signature, vin: DESCRIPTION.vin, installed, sizeMax: bytes.length };
    const { images } = openPackage(bytes, policy, { crypto: nodeCrypto, inflate });
    expect(images.map(({ ecu, version, priority, payload }) => [ecu, version, priority, payload.length])).toEqual([
      ["ECU_011", "2.0.0", 0, 4096 + 102_432],
      ["ECU_012", "2.0.0", 1, 4096 + 15_894],
      ["ECU_021", "2.1.0", 3, 4096 + 5664],
      ["ECU_022", "2.0.0", 1, 4096 + 44_848],
    ]);
  });

  it("is the same to the last byte on every machine, signature included", () => {
    const { bytes, signature } = buildRelease(DESCRIPTION, KEYS, FIRMWARE);
    const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
    expect(digest(bytes)).toBe("215e82e2590e8f6d60f967327a5e94b2583ba4707003d42cbdc155b98a366832");
    expect(digest(signature.signature)).toBe("4d3f1d7bd176075d7bc2f8cfa971819fc58bb28814d496fdeb5783af75235e45");
  });

  it("names vehicle, zones and build time as described", () => {
    const read = readVehiclePackage(buildRelease(DESCRIPTION, KEYS, FIRMWARE).bytes);
    expect(read).toMatchObject({
      package: {
        model: "Genesis GV80",
        modelYear: 2024,
        region: 3,
        masterVersion: 0x020000,
        masterVersionText: "v2.0.0",
        zones: [
          { id: "Zone_Front", name: "Zone_Front", number: 1, buildTime: 1_763_164_800 },
          { id: "Zone_Rear", name: "Zone_Rear_Left", number: 2, buildTime: 1_763_164_800 },
        ],
      },
    });
  });

  it("of format swpg or raw has exactly one ECU", () => {
    for (const format of ["swpg", "raw"] as const) {
      expect(() => buildRelease({ ...DESCRIPTION, format }, KEYS, FIRMWARE)).toThrow(code("RELEASE_FORMAT"));
      expect(buildRelease(only(0, { format }), KEYS, FIRMWARE).bytes.length).toBeGreaterThan(4096 + 102_432 - 1);
    }
    const small = buildRelease(only(1, { format: "swpg", compression: "zlib" }), KEYS, FIRMWARE);
    expect(small.bytes.length).toBeLessThan(4096 + 15_894);
  });

  it("is not made from fields that don't fit, files that are not there, or keys of the wrong kind", () => {
    const build = (change: Partial<ReleaseDescription>) => () =>
      buildRelease({ ...DESCRIPTION, ...change }, KEYS, FIRMWARE);
    expect(build({ vin: "KMHXX00XXXX0000012" })).toThrow(code("PACKAGE_FIELD"));
    expect(build({ version: "2.0" })).toThrow(code("RELEASE_FIELD"));
    expect(build({ buildTime: 1.5 })).toThrow(code("RELEASE_FIELD"));
    expect(build({ zones: [] })).toThrow(code("PACKAGE_FIELD"));
    expect(() => buildRelease(DESCRIPTION, KEYS, "/nowhere")).toThrow(code("FIRMWARE_UNREADABLE"));
    expect(() => buildRelease(DESCRIPTION, { ...KEYS, image: KEYS.package }, FIRMWARE)).toThrow(code("RELEASE_KEY"));
    expect(() => signRelease(Uint8Array.of(1), KEYS.image)).toThrow(code("RELEASE_KEY"));
    const named = { ...only(0, { format: "swpg" }) };
    const odd = {
      id: "Z",
      number: 1,
      ecus: [{ ecu: "BCM", version: "1.0.0", hardwareVersion: "1.0.0", image: new Uint8Array(1) }],
    };
    expect(() => packRelease({ ...named, zones: [odd] })).toThrow(code("RELEASE_FIELD"));
  });
});

describe("an image", () => {
  const description = {
    ecu: "ECU_011",
    version: "1.2.3",
    hardwareVersion: "4.5.6",
    securityCounter: 7,
    buildTime: 1_763_164_800,
    code: Uint8Array.of(1, 2, 3),
  };

  it("has a header that fits its code and a signature that its key verifies", () => {
    const image = buildImage(description, KEYS.image);
    const decoded = decodeImageHeader(image);
    if (decoded.type !== "imageHeader") throw new Error(decoded.reason);
    const { header, signed } = decoded;
    expect(header).toMatchObject({
      ecu: "ECU_011",
      version: 0x010203,
      hardwareVersion: 0x040506,
      securityCounter: 7,
      buildTime: 1_763_164_800,
      size: 3,
    });
    expect(checkImage(header, image.subarray(4096), (data) => nodeCrypto.sha256(data))).toBe("ok");
    expect(nodeCrypto.verify("ECDSA-P256-SHA256", KEYS.image.publicKey, signed, header.signature)).toBe(true);
  });

  it("is the same when it is made again", () => {
    expect(buildImage(description, KEYS.image)).toEqual(buildImage(description, KEYS.image));
  });

  it("is not made without code, or from fields that don't fit", () => {
    for (const wrong of [
      { code: new Uint8Array() },
      { ecu: "ECU_011_IS_TOO_LONG" },
      { version: "1.2.256" },
      { hardwareVersion: "" },
      { securityCounter: -1 },
      { buildTime: 2 ** 32 },
    ])
      expect(() => buildImage({ ...description, ...wrong }, KEYS.image)).toThrow(code("RELEASE_FIELD"));
  });
});
