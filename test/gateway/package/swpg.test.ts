import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  readSwpg,
  type SwpgPackage,
  swpgEcu,
  swpgPlain,
  swpgSerial,
  swpgTargetId,
  writeSwpg,
} from "../../../gateway/package/swpg.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";

const PLAIN = Uint8Array.from({ length: 500 }, (_, index) => index % 7);

const swpg = (change: Partial<SwpgPackage> = {}): SwpgPackage => ({
  targetId: 0x0011,
  softwareType: 1,
  compression: 0,
  plainSize: PLAIN.length,
  version: [1, 2, 3, 4],
  buildTime: 1_763_164_800,
  serial: 2_511_150_000,
  sourceId: 0,
  hopCount: 0,
  sequenceNumber: 0,
  payload: PLAIN,
  ...change,
});

/** A package whose bytes were changed after it was written. */
function edited(content: SwpgPackage, edit: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = writeSwpg(content);
  edit(bytes);
  return bytes;
}

describe("an SWPG package", () => {
  it("comes back as it was written", () => {
    const byte = fc.nat(255);
    const any = fc.record({
      targetId: fc.nat(0xffff),
      softwareType: fc.integer({ min: 1, max: 4 }),
      version: fc.tuple(byte, byte, byte, byte),
      buildTime: fc.nat(),
      serial: fc.nat(),
      sourceId: fc.nat(0xffff),
      hopCount: fc.nat(0xffff),
      sequenceNumber: fc.nat(),
      payload: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    });
    fc.assert(
      fc.property(any, (fields) => {
        const content = swpg({ ...fields, plainSize: fields.payload.length });
        expect(readSwpg(writeSwpg(content))).toMatchObject({ type: "swpg", package: content });
      }),
    );
  });

  it("is refused whatever byte of it is cut off, with both lengths told", () => {
    const bytes = writeSwpg(swpg());
    for (let length = 0; length < bytes.length; length++) {
      const decoded = readSwpg(bytes.subarray(0, length));
      const told = length < 64 ? `${length} of 64 header bytes` : `${length - 64} of 500 payload bytes`;
      expect(decoded).toMatchObject({ type: "malformed", code: "PACKAGE_TRUNCATED", reason: told });
    }
  });

  it("is refused with bytes behind its end", () => {
    const longer = new Uint8Array([...writeSwpg(swpg()), 0]);
    expect(readSwpg(longer)).toMatchObject({
      code: "PACKAGE_MALFORMED",
      reason: expect.stringMatching(/501 .* says 500/),
    });
  });

  it("is refused when its payload is empty or larger than 8 MiB, stored or not", () => {
    expect(() => writeSwpg(swpg({ payload: new Uint8Array(), plainSize: 0 }))).toThrow(/0 bytes/);
    const large = new Uint8Array(8 * 1024 * 1024 + 1);
    expect(() => writeSwpg(swpg({ payload: large, plainSize: large.length }))).toThrow(/8388609 bytes/);
    const bomb = edited(swpg({ compression: 1 }), (bytes) =>
      new DataView(bytes.buffer).setUint32(12, 0xffff_ffff, true),
    );
    expect(readSwpg(bomb)).toMatchObject({ type: "malformed", code: "PACKAGE_MALFORMED" });
  });

  it("is refused with a software type, a compression or a plain size that can't be", () => {
    const wrong = [
      edited(swpg(), (bytes) => bytes.fill(0, 6, 7)),
      edited(swpg(), (bytes) => bytes.fill(5, 6, 7)),
      edited(swpg(), (bytes) => bytes.fill(2, 7, 8)),
      edited(swpg(), (bytes) => bytes.fill(9, 12, 13)),
    ];
    for (const bytes of wrong) expect(readSwpg(bytes)).toMatchObject({ type: "malformed", code: "PACKAGE_MALFORMED" });
  });

  it("never makes its reader throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(readSwpg(noise)).toHaveProperty("type");
      }),
    );
  });
});

describe("the payload of an SWPG package", () => {
  const compressed = (payload: Uint8Array, plainSize = PLAIN.length): SwpgPackage =>
    swpg({ compression: 1, payload: new Uint8Array(payload), plainSize });

  it("is inflated from a zlib stream, and from a gzip stream too", () => {
    for (const stream of [deflateSync(PLAIN), gzipSync(PLAIN)])
      expect(swpgPlain(compressed(stream), inflate)).toEqual({ type: "plain", data: PLAIN });
  });

  it("is refused when it inflates to more or less than the header says", () => {
    for (const plainSize of [PLAIN.length - 1, PLAIN.length + 1])
      expect(swpgPlain(compressed(deflateSync(PLAIN), plainSize), inflate)).toMatchObject({
        code: "PACKAGE_MALFORMED",
      });
  });

  it("is refused when it is no stream, is cut, or has bytes behind its end", () => {
    const stream = deflateSync(PLAIN);
    for (const wrong of [Uint8Array.of(1, 2, 3), stream.subarray(0, -1), Buffer.concat([stream, Buffer.of(0)])])
      expect(swpgPlain(compressed(wrong), inflate)).toMatchObject({ type: "malformed", code: "PACKAGE_MALFORMED" });
  });
});

describe("SWPG target ids", () => {
  it("carry the digits of the ECU's name", () => {
    expect(swpgEcu(0x0011)).toBe("ECU_011");
    expect(swpgEcu(0x0100)).toBe("ECU_100");
    expect(swpgEcu(0x0e00)).toBe("VMG");
  });

  it("name no ECU when they are 0, not decimal digits, or all (0xFFFF)", () => {
    for (const id of [0, 0x001a, 0x1000, 0xffff]) expect(swpgEcu(id)).toBeUndefined();
  });

  it("follow from the name and lead back to it, for all hundred ECUs", () => {
    for (let number = 1; number <= 100; number++) {
      const name = `ECU_${String(number).padStart(3, "0")}`;
      expect(swpgEcu(swpgTargetId(name) as number)).toBe(name);
    }
    expect(swpgTargetId("VMG")).toBe(0x0e00);
    expect(swpgTargetId("ECU_11")).toBeUndefined();
    expect(swpgTargetId("ECU_000")).toBeUndefined();
  });
});

describe("the SWPG serial", () => {
  it("is the UTC time in minutes, for every day from 2000 to 2042 that a calendar knows", () => {
    for (let day = 10_957; day < 26_000; day += 1) {
      const unixTime = day * 86_400 + ((day * 7919) % 86_400);
      const digits = new Date(unixTime * 1000).toISOString().replace(/\D/g, "").slice(2, 12);
      expect(swpgSerial(unixTime)).toBe(Number(digits));
    }
  });
});
