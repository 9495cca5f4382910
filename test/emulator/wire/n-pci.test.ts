import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ms, us } from "../../../emulator/kernel/time.ts";
import {
  consecutiveFrameDataLength,
  decodeNPdu,
  decodeStMin,
  encodeConsecutiveFrame,
  encodeFirstFrame,
  encodeFlowControl,
  encodeSingleFrame,
  encodeStMin,
  firstFrameDataLength,
  type NPduShape,
  singleFrameMax,
} from "../../../emulator/wire/n-pci.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";

const TX_DLS = [8, 12, 16, 20, 24, 32, 48, 64] as const;
const bytes = (hex: string): Uint8Array => fromHex(hex) as Uint8Array;
const padded = (hex: string, length: number): Uint8Array => {
  const payload = new Uint8Array(length).fill(0xcc);
  payload.set(bytes(hex));
  return payload;
};
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index);

function frames(message: Uint8Array, shape: NPduShape): string[] {
  if (message.length <= singleFrameMax(shape.txDl)) return [toHex(encodeSingleFrame(message, shape))];
  const list = [toHex(encodeFirstFrame(message, shape))];
  const step = consecutiveFrameDataLength(shape.txDl);
  for (let offset = firstFrameDataLength(message.length, shape.txDl); offset < message.length; offset += step) {
    list.push(toHex(encodeConsecutiveFrame(message, offset, list.length & 0x0f, shape)));
  }
  return list;
}

describe("encoding N_PDUs", () => {
  it("cuts messages as scapy does", () => {
    const path = new URL("../../../fixtures/isotp/scapy.json", import.meta.url);
    const rows = JSON.parse(readFileSync(path, "utf8")) as {
      length: number;
      count: number;
      first: string[];
      last: string;
    }[];
    for (const { length, count, first, last } of rows) {
      const message = Uint8Array.from({ length }, (_, index) => 7 * index + 3);
      const ours = frames(message, { txDl: 8 });
      expect({ length, count: ours.length, first: ours.slice(0, 3), last: ours.at(-1) }).toEqual({
        length,
        count,
        first,
        last,
      });
    }
  });

  it.each([
    ["SF of 7 bytes in 8", 7, { txDl: 64 }, "0700010203040506"],
    ["SF of 8 bytes: escape, next DLC filled", 8, { txDl: 64 }, "00080001020304050607cccc"],
    ["SF of 10 bytes in 12", 10, { txDl: 64, padding: 0 }, "000a00010203040506070809"],
    ["SF of 2 bytes padded to 8 and not to TX_DL", 2, { txDl: 64, padding: 0xaa }, "020001aaaaaaaaaa"],
    ["SF of 11 bytes padded to 16", 11, { txDl: 16, padding: 0x55 }, "000b000102030405060708090a555555"],
  ] as const)("CAN FD: %s", (_, length, shape, hex) => {
    expect(toHex(encodeSingleFrame(counting(length), shape))).toBe(hex);
  });

  it("CAN FD: the first frame has full TX_DL, the last consecutive frame the next DLC", () => {
    const list = frames(counting(130), { txDl: 64 });
    expect(list.map((frame) => frame.length / 2)).toEqual([64, 64, 6]);
    expect(list[0]?.slice(0, 8)).toBe("10820001");
    expect(list[1]?.slice(0, 6)).toBe("213e3f");
    expect(list[2]).toBe("227d7e7f8081");
  });

  it("pads flow control to 8 bytes, or not at all", () => {
    expect(toHex(encodeFlowControl(0, 8, 0xf5, { txDl: 8 }))).toBe("3008f5");
    expect(toHex(encodeFlowControl(1, 0, 0, { txDl: 64, padding: 0xcc }))).toBe("310000cccccccccc");
  });

  it("uses the escape from 4096 bytes on", () => {
    expect(frames(counting(4095), { txDl: 8 })[0]?.slice(0, 4)).toBe("1fff");
    expect(frames(counting(4096), { txDl: 8 })[0]).toBe("1000000010000001");
  });
});

describe("decoding N_PDUs", () => {
  it.each([
    ["SF, exact", bytes("03220102"), { type: "SF", start: 1, length: 3 }],
    ["SF, padded", padded("023e80", 8), { type: "SF", start: 1, length: 2 }],
    ["SF with escape", padded("0008", 12), { type: "SF", start: 2, length: 8 }],
    ["SF with escape, the longest", padded("003e", 64), { type: "SF", start: 2, length: 62 }],
    ["FF of 8 bytes", padded("1008", 8), { type: "FF", start: 2, length: 8 }],
    ["FF of 4095 bytes", padded("1fff", 8), { type: "FF", start: 2, length: 4095 }],
    ["FF with escape", padded("100000001000", 8), { type: "FF", start: 6, length: 4096 }],
    ["FF of 2^32 - 1 bytes", padded("1000ffffffff", 64), { type: "FF", start: 6, length: 0xffff_ffff }],
    ["FF of 63 bytes in 64", padded("103f", 64), { type: "FF", start: 2, length: 63 }],
    ["CF", bytes("2f01"), { type: "CF", start: 1, sn: 15 }],
    ["FC, exact", bytes("300814"), { type: "FC", flowStatus: 0, blockSize: 8, stMin: ms(20) }],
    ["FC, padded, wait", padded("3100f3", 8), { type: "FC", flowStatus: 1, blockSize: 0, stMin: us(300) }],
    ["FC with a reserved FS, which is the transfer's to judge", bytes("3f0000"), { type: "FC", flowStatus: 15 }],
  ] as const)("reads %s", (_, payload, pdu) => {
    expect(decodeNPdu(payload)).toMatchObject(pdu);
  });

  it.each([
    ["nothing", bytes("")],
    ["SF_DL 0", padded("00", 8)],
    ["SF_DL 8 in 8 bytes", padded("08", 8)],
    ["SF_DL over the frame", bytes("0322")],
    ["SF neither padded to 8 nor exact", padded("0222", 5)],
    ["SF without escape in 12 bytes", padded("07", 12)],
    ["SF with escape that fits 8 bytes", padded("0007", 12)],
    ["SF with escape in a longer frame than it needs", padded("000a", 16)],
    ["SF with escape over the frame", padded("000b", 12)],
    ["SF with an SF_DL over all frames", padded("00ff", 64)],
    ["FF of 7 bytes on CAN", bytes("10080102030405")],
    ["FF_DL 7", padded("1007", 8)],
    ["FF_DL 62 in 64 bytes, which a single frame holds", padded("103e", 64)],
    ["FF with escape for 4095", padded("100000000fff", 8)],
    ["CF without data", bytes("21")],
    ["FC of 2 bytes", bytes("3000")],
    ["a reserved N_PCI type", padded("40", 8)],
  ])("ignores %s", (_, payload) => {
    expect(decodeNPdu(payload)).toMatchObject({ type: "malformed" });
  });

  // With N_TA or N_AE in the first byte every limit is one byte lower. (Tables 11, 12 and 14)
  it.each([
    ["SF, exact", bytes("f103220102"), { type: "SF", start: 2, length: 3 }],
    ["SF of 6 bytes, the longest without escape", padded("f106", 8), { type: "SF", start: 2, length: 6 }],
    ["SF of 7 bytes, which needs the escape", padded("f10007", 12), { type: "SF", start: 3, length: 7 }],
    ["SF with escape, the longest in 12", padded("f10009", 12), { type: "SF", start: 3, length: 9 }],
    ["SF with escape, the longest", padded("f1003d", 64), { type: "SF", start: 3, length: 61 }],
    ["FF of 7 bytes", padded("f11007", 8), { type: "FF", start: 3, length: 7 }],
    ["FF of 62 bytes in 64", padded("f1103e", 64), { type: "FF", start: 3, length: 62 }],
    ["FF with escape", padded("f1100000001000", 8), { type: "FF", start: 7, length: 4096 }],
    ["CF", bytes("f12f01"), { type: "CF", start: 2, sn: 15 }],
    ["FC", bytes("f1300814"), { type: "FC", flowStatus: 0, blockSize: 8, stMin: ms(20) }],
  ] as const)("reads %s behind an address byte", (_, payload, pdu) => {
    expect(decodeNPdu(payload, 1)).toMatchObject(pdu);
  });

  it.each([
    ["nothing but the address", bytes("f1")],
    ["SF_DL 7 in 8 bytes", padded("f107", 8)],
    ["SF_DL over the frame", bytes("f10322")],
    ["SF with escape that fits 8 bytes", padded("f10006", 12)],
    ["SF with escape over the frame", padded("f1000a", 12)],
    ["FF_DL 6", padded("f11006", 8)],
    ["FF_DL 61 in 64 bytes", padded("f1103d", 64)],
    ["FF with escape for 4095", padded("f1100000000fff", 8)],
    ["CF without data", bytes("f121")],
    ["FC of 2 bytes", bytes("f13000")],
  ])("ignores %s behind an address byte", (_, payload) => {
    expect(decodeNPdu(payload, 1)).toMatchObject({ type: "malformed" });
  });

  it("gives a value that stays within the payload for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0, 1), (payload, addressLength) => {
        const pdu = decodeNPdu(payload, addressLength);
        if (pdu.type === "SF") expect(pdu.start + pdu.length).toBeLessThanOrEqual(payload.length);
        if (pdu.type === "FF" || pdu.type === "CF") expect(pdu.start).toBeLessThan(payload.length);
        if (pdu.type === "FF") expect(pdu.length).toBeGreaterThan(payload.length - pdu.start);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each(TX_DLS.flatMap((txDl) => [{ txDl }, { txDl, padding: 0 }]))(
    "reads back every single frame and every first frame: %j",
    (shape) => {
      for (let length = 1; length <= 70; length++) {
        const single = length <= singleFrameMax(shape.txDl);
        const payload = (single ? encodeSingleFrame : encodeFirstFrame)(counting(length), shape);
        expect(decodeNPdu(payload)).toMatchObject({ type: single ? "SF" : "FF", length });
      }
    },
  );
});

describe("STmin", () => {
  it("means what the standard's table says, for all 256 codes", () => {
    for (let code = 0; code < 256; code++) {
      const expected = code <= 0x7f ? ms(code) : code >= 0xf1 && code <= 0xf9 ? us(100 * (code - 0xf0)) : ms(127);
      expect(decodeStMin(code)).toBe(expected);
    }
  });

  it("is encoded as the shortest time that is not shorter", () => {
    for (let code = 0; code < 256; code++) {
      const reserved = (code > 0x7f && code < 0xf1) || code > 0xf9;
      expect(encodeStMin(decodeStMin(code))).toBe(reserved ? 0x7f : code);
    }
    expect(encodeStMin(us(150))).toBe(0xf2);
    expect(encodeStMin(us(901))).toBe(0x01);
    expect(encodeStMin(us(1001))).toBe(0x02);
    expect(encodeStMin(ms(500))).toBe(0x7f);
  });
});
