import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32 } from "../../../emulator/wire/crc32.ts";
import { openPackage, type PackagePolicy } from "../../../gateway/package/open-package.ts";
import { readSwpg, writeSwpg } from "../../../gateway/package/swpg.ts";
import { PackageError } from "../../../gateway/package/verified-package.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { signWith } from "../../../hil/crypto/signing-key.ts";
import { buildImage } from "../../../hil/release/build-image.ts";
import { packRelease, type ReleaseContents, signRelease } from "../../../hil/release/build-release.ts";

const KEYS = makeKeys("open-package");
const OTHER_KEYS = makeKeys("somebody else");
const VIN = "KMHXX00XXXX000001";
const BUILD_TIME = 1_763_164_800;

const imageOf = (ecu: string, version: string, code = Uint8Array.of(1, 2, 3, 4)): Uint8Array =>
  buildImage({ ecu, version, hardwareVersion: "1.0.0", buildTime: BUILD_TIME, code }, KEYS.image);

type Ecu = ReleaseContents["zones"][number]["ecus"][number];

const ecuOf = (ecu: string, version: string, change: Partial<Ecu> = {}): Ecu => ({
  ecu,
  version,
  hardwareVersion: "1.0.0",
  image: imageOf(ecu, version),
  ...change,
});

const contentsOf = (change: Partial<ReleaseContents> = {}, ...ecus: readonly Ecu[]): ReleaseContents => ({
  format: "vehicle",
  vin: VIN,
  model: "Genesis GV80",
  modelYear: 2024,
  version: "2.0.0",
  buildTime: BUILD_TIME,
  zones: [{ id: "Zone_Front", number: 1, ecus: ecus.length > 0 ? ecus : [ecuOf("ECU_011", "2.0.0")] }],
  ...change,
});

const POLICY: PackagePolicy = {
  trusted: [{ algorithm: KEYS.package.algorithm, publicKey: KEYS.package.publicKey }],
  vin: VIN,
  installed: [
    { id: "ECU_011", version: "1.0.0" },
    { id: "ECU_012", version: "1.5.0" },
    { id: "ECU_021", version: "" },
  ],
  sizeMax: 1_000_000,
};

const TOOLS = { crypto: nodeCrypto, inflate };

/** Opens bytes that were signed as they are. */
const open = (bytes: Uint8Array, change: Partial<PackagePolicy> = {}) =>
  openPackage(bytes, { ...POLICY, signature: signRelease(bytes, KEYS.package), ...change }, TOOLS);

const openContents = (contents: ReleaseContents, change: Partial<PackagePolicy> = {}) =>
  open(packRelease(contents), change);

function expectRefusal(run: () => unknown, code: string, reason: string | RegExp): void {
  let error: unknown;
  try {
    run();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(PackageError);
  expect(error).toMatchObject({ code, clause: expect.stringMatching(/^docs\/protocols\/packages\.md, /) });
  expect((error as PackageError).message).toMatch(reason);
}

describe("opening a vehicle package", () => {
  it("hands out the image of each ECU, with priority and dependencies", () => {
    const needed = [{ ecu: "ECU_012", versionMin: "1.5.0" }];
    const first = ecuOf("ECU_011", "2.0.0", { priority: 4, dependencies: needed });
    const second = ecuOf("ECU_021", "0.0.1");
    expect(openContents(contentsOf({}, first, second))).toEqual({
      format: "vehicle",
      images: [
        { ecu: "ECU_011", version: "2.0.0", priority: 4, payload: first.image, dependencies: needed },
        { ecu: "ECU_021", version: "0.0.1", priority: 1, payload: second.image, dependencies: [] },
      ],
    });
  });

  it("leaves out an image that its ECU has already, after having checked it", () => {
    const same = ecuOf("ECU_012", "1.5.0");
    const verified = openContents(contentsOf({}, ecuOf("ECU_011", "1.0.1"), same));
    expect(verified.images.map((image) => image.ecu)).toEqual(["ECU_011"]);
    expect(openContents(contentsOf({}, same)).images).toEqual([]);
    const broken = { ...same, image: imageOf("ECU_011", "1.5.0") };
    expectRefusal(() => openContents(contentsOf({}, broken)), "PACKAGE_TARGET_WRONG", "the image is for ECU_011");
  });

  it("refuses the whole package when one image is older than what is installed", () => {
    const older = contentsOf({}, ecuOf("ECU_011", "2.0.0"), ecuOf("ECU_012", "1.4.255"));
    expectRefusal(() => openContents(older), "PACKAGE_VERSION_OLDER", "ECU_012: 1.4.255 is older than 1.5.0");
  });

  it("takes any version for an ECU whose version nobody could read", () => {
    expect(openContents(contentsOf({}, ecuOf("ECU_021", "0.0.0"))).images).toHaveLength(1);
  });

  it("refuses a package for another vehicle or with an ECU that this one does not have", () => {
    expectRefusal(
      () => openContents(contentsOf({ vin: "KMHXX00XXXX000002" })),
      "PACKAGE_TARGET_WRONG",
      /KMHXX00XXXX000002, this is KMHXX00XXXX000001/,
    );
    const unknown = contentsOf({}, ecuOf("ECU_011", "2.0.0"), ecuOf("ECU_099", "2.0.0"));
    expectRefusal(() => openContents(unknown), "PACKAGE_TARGET_WRONG", "this vehicle has no ECU_099");
  });

  it("refuses a package that is larger than allowed before it looks at anything else", () => {
    const bytes = packRelease(contentsOf());
    const unsigned = { ...POLICY, sizeMax: bytes.length - 1 };
    expectRefusal(() => openPackage(bytes, unsigned, TOOLS), "PACKAGE_TOO_LARGE", `at most ${bytes.length - 1}`);
    expect(open(bytes, { sizeMax: bytes.length }).images).toHaveLength(1);
  });
});

describe("the signature of a package", () => {
  const bytes = packRelease(contentsOf());

  it("must be there", () => {
    expectRefusal(() => openPackage(bytes, POLICY, TOOLS), "PACKAGE_SIGNATURE_MISSING", "no signature");
  });

  it("must come from somebody trusted", () => {
    const signature = signRelease(bytes, OTHER_KEYS.package);
    expectRefusal(() => open(bytes, { signature }), "PACKAGE_SIGNATURE_WRONG", "none of the 1 trusted signers");
    expectRefusal(() => open(bytes, { trusted: [] }), "PACKAGE_SIGNATURE_WRONG", "none of the 0 trusted signers");
    const both = [
      ...POLICY.trusted,
      { algorithm: "RSA-PKCS1-SHA256", publicKey: OTHER_KEYS.package.publicKey } as const,
    ];
    expect(open(bytes, { signature, trusted: both }).images).toHaveLength(1);
  });

  it("is not accepted from a key that is trusted for something else", () => {
    const signature = { algorithm: "RSA-PKCS1-SHA256", signature: signWith(KEYS.image, bytes) } as const;
    const trusted = [{ algorithm: KEYS.image.algorithm, publicKey: KEYS.image.publicKey }];
    expectRefusal(() => open(bytes, { signature, trusted }), "PACKAGE_SIGNATURE_WRONG", "signers");
  });

  it("covers every byte: one flipped bit anywhere is told as a wrong signature, whatever else it breaks", () => {
    const signature = signRelease(bytes, KEYS.package);
    for (const at of [0, 7, 12, 200, 704, 12_287, 12_288, 13_400, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ 0x10;
      expectRefusal(() => open(changed, { signature }), "PACKAGE_SIGNATURE_WRONG", "signers");
    }
  });

  it("is told as a truncated file where the header says that the file is longer", () => {
    const signature = signRelease(bytes, KEYS.package);
    for (const length of [12, 5_000, bytes.length - 1]) {
      const reason = `${bytes.length - length} bytes longer`;
      expectRefusal(() => open(bytes.subarray(0, length), { signature }), "PACKAGE_TRUNCATED", reason);
    }
    expectRefusal(() => open(bytes.subarray(0, 11), { signature }), "PACKAGE_SIGNATURE_WRONG", "signers");
  });

  it("does not make up for a package that is broken inside", () => {
    expectRefusal(() => open(bytes.subarray(0, -1)), "PACKAGE_TRUNCATED", /\d+ of \d+ bytes/);
    const flipped = bytes.slice();
    flipped[bytes.length - 1] = 0xee;
    expectRefusal(() => open(flipped), "PACKAGE_CHECKSUM_WRONG", "CRC-32");
    expectRefusal(() => open(new Uint8Array()), "PACKAGE_TRUNCATED", "0 of 4 bytes");
    expectRefusal(() => open(Uint8Array.of(1, 2, 3, 4)), "PACKAGE_MALFORMED", "magic 04030201 is of no known format");
  });
});

describe("the image inside a package", () => {
  it("must be for the ECU that the package names, in the same version and for the same hardware", () => {
    const cases = [
      [{ image: imageOf("ECU_012", "2.0.0") }, "PACKAGE_TARGET_WRONG", "ECU_011: the image is for ECU_012"],
      [{ image: imageOf("ECU_011", "3.0.0") }, "PACKAGE_MALFORMED", "2.0.0 in the package, 3.0.0 in the image"],
      [{ hardwareVersion: "1.0.1" }, "PACKAGE_MALFORMED", "hardware 1.0.1 in the package, 1.0.0 in the image"],
    ] as const;
    for (const [change, code, reason] of cases)
      expectRefusal(() => openContents(contentsOf({}, ecuOf("ECU_011", "2.0.0", change))), code, reason);
  });

  it("must have the size, the CRC and the digest that its header says", () => {
    const image = imageOf("ECU_011", "2.0.0");
    const longer = new Uint8Array([...image, 0]);
    const wrongCode = image.slice();
    wrongCode[4096] = 9;
    const wrongDigest = wrongCode.slice();
    new DataView(wrongDigest.buffer).setUint32(12, crc32(wrongDigest.subarray(4096)), true);
    const cases = [
      [image.subarray(0, -1), "PACKAGE_TRUNCATED", "3 of 4 bytes of code"],
      [longer, "PACKAGE_MALFORMED", "5 bytes of code where the image says 4"],
      [wrongCode, "PACKAGE_CHECKSUM_WRONG", "CRC-32"],
      [wrongDigest, "PACKAGE_CHECKSUM_WRONG", "SHA-256"],
      [image.subarray(0, 100), "PACKAGE_MALFORMED", "no image: 100 of 4096 header bytes"],
    ] as const;
    for (const [payload, code, reason] of cases)
      expectRefusal(() => openContents(contentsOf({}, ecuOf("ECU_011", "2.0.0", { image: payload }))), code, reason);
  });

  it("may be signed by anybody: the ECU decides about that", () => {
    const code = Uint8Array.of(5);
    const description = { ecu: "ECU_011", version: "2.0.0", hardwareVersion: "1.0.0", buildTime: BUILD_TIME, code };
    const image = buildImage(description, OTHER_KEYS.image);
    expect(openContents(contentsOf({}, ecuOf("ECU_011", "2.0.0", { image }))).images).toHaveLength(1);
  });
});

describe("the dependencies of an image", () => {
  const needs = (ecu: string, versionMin: string): Ecu =>
    ecuOf("ECU_011", "2.0.0", { dependencies: [{ ecu, versionMin }] });

  it("are met by what is installed or by what comes in the same package", () => {
    expect(openContents(contentsOf({}, needs("ECU_012", "1.5.0"))).images).toHaveLength(1);
    expect(openContents(contentsOf({}, needs("ECU_012", "1.6.0"), ecuOf("ECU_012", "1.6.0"))).images).toHaveLength(2);
  });

  it("are not met by an older version, by an unknown one, or by an ECU that is not there", () => {
    const cases = [
      [[needs("ECU_012", "1.5.1")], "needs ECU_012 in 1.5.1 at least; it would have 1.5.0"],
      [[needs("ECU_012", "1.6.1"), ecuOf("ECU_012", "1.6.0")], "it would have 1.6.0"],
      [[needs("ECU_021", "0.0.0")], "it has none"],
      [[needs("ECU_077", "0.0.0")], "it has none"],
    ] as const;
    for (const [ecus, reason] of cases)
      expectRefusal(() => openContents(contentsOf({}, ...ecus)), "PACKAGE_DEPENDENCY_MISSING", reason);
  });
});

describe("opening an SWPG package", () => {
  it("finds the ECU by its id and hands out the payload, compressed or not", () => {
    for (const compression of ["none", "zlib"] as const) {
      const verified = openContents(contentsOf({ format: "swpg", compression }));
      expect(verified).toEqual({
        format: "swpg",
        images: [
          { ecu: "ECU_011", version: "2.0.0", priority: 0, payload: imageOf("ECU_011", "2.0.0"), dependencies: [] },
        ],
      });
    }
  });

  it("refuses another software type, an id without a name, and a payload that inflates to another length", () => {
    const read = readSwpg(packRelease(contentsOf({ format: "swpg" })));
    if (read.type !== "swpg") throw new Error("not an SWPG");
    const { payload } = read.package;
    const deflated = new Uint8Array(deflateSync(payload));
    const cases = [
      [{ softwareType: 2 }, "PACKAGE_MALFORMED", "software type 2"],
      [{ targetId: 0xffff }, "PACKAGE_TARGET_WRONG", "target id ffff names no ECU"],
      [{ targetId: 0x0091 }, "PACKAGE_TARGET_WRONG", "this vehicle has no ECU_091"],
      [{ version: [2, 0, 1, 0] }, "PACKAGE_MALFORMED", "2.0.1 in the package, 2.0.0 in the image"],
      [{ compression: 1, payload: deflated, plainSize: payload.length + 1 }, "PACKAGE_MALFORMED", "inflates to"],
    ] as const;
    for (const [change, code, reason] of cases)
      expectRefusal(() => open(writeSwpg({ ...read.package, ...change })), code, reason);
  });
});

describe("opening an image without a package", () => {
  const image = imageOf("ECU_011", "2.0.0");

  it("takes it for the configured ECU, in the version it says itself", () => {
    expect(open(image, { raw: { ecu: "ECU_011" } })).toEqual({
      format: "raw",
      images: [{ ecu: "ECU_011", version: "2.0.0", priority: 0, payload: image, dependencies: [] }],
    });
  });

  it("refuses it for another ECU, when none is configured, and when it is cut", () => {
    expectRefusal(() => open(image, { raw: { ecu: "ECU_012" } }), "PACKAGE_TARGET_WRONG", "the image is for ECU_011");
    expectRefusal(() => open(image), "PACKAGE_TARGET_WRONG", "no ECU is configured");
    const raw = { ecu: "ECU_011" };
    expectRefusal(() => open(image.subarray(0, 4000), { raw }), "PACKAGE_TRUNCATED", "4000 of 4096 header bytes");
    expectRefusal(() => open(image.subarray(0, -1), { raw }), "PACKAGE_TRUNCATED", "3 of 4 bytes of code");
  });

  it("refuses a zone or ECU package by itself", () => {
    const vehicle = packRelease(contentsOf());
    expectRefusal(() => open(vehicle.slice(12_288)), "PACKAGE_MALFORMED", "a part of a vehicle package by itself");
    expectRefusal(() => open(vehicle.slice(13_312)), "PACKAGE_MALFORMED", "a part of a vehicle package by itself");
  });
});
