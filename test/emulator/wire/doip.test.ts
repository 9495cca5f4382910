import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DOIP_PAYLOAD_MAX,
  type DoipMessage,
  decodeDoip,
  decodeDoipHeader,
  encodeDoip,
  HeaderNack,
} from "../../../emulator/wire/doip.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";

const load = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../fixtures/vectors/doip/${file}.json`, import.meta.url), "utf8"));
const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;

/** Byte fields as hex, so that messages compare with the rows of a JSON file. */
const plain = (message: object): unknown =>
  JSON.parse(JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? toHex(value) : value)));

const BYTE_FIELDS = new Set(["eid", "gid", "oem", "data", "previous"]);
const toMessage = (row: Record<string, unknown>): DoipMessage =>
  Object.fromEntries(
    Object.entries(row).map(([field, value]) => [field, BYTE_FIELDS.has(field) ? bytes(value as string) : value]),
  ) as unknown as DoipMessage;

describe("DoIP messages made by scapy", () => {
  const rows = load("scapy") as { name: string; hex: string; message: Record<string, unknown> }[];

  it.each(rows)("reads $name", ({ hex, message }) => {
    expect(plain(decodeDoip(bytes(hex)))).toEqual(message);
  });

  it.each(rows)("writes $name byte for byte", ({ hex, message }) => {
    expect(toHex(encodeDoip(toMessage(message)))).toBe(hex);
  });
});

describe("DoIP messages of the family", () => {
  const transfer = (file: string) =>
    (load(file) as { frames: { dir: string; hex: string }[] }).frames.map(({ hex }) => decodeDoip(bytes(hex)));
  const types = (file: string) => transfer(file).map(({ type }) => type);

  it("reads the transfer that its vehicle gateway makes", () => {
    expect(types("doip-01-vmg-transfer")).toEqual([
      "routingActivationRequest",
      "routingActivationResponse",
      ...Array.from({ length: 8 }, () => "diagnosticMessage"),
    ]);
    const [request, response, first] = transfer("doip-01-vmg-transfer");
    expect(request).toMatchObject({ source: 0x0200, activationType: 0 });
    expect(response).toMatchObject({ tester: 0x0200, entity: 0x0100, code: 0x10 });
    expect(plain(first as object)).toEqual({
      type: "diagnosticMessage",
      source: 0x0200,
      target: 0x0100,
      data: "343400000500",
    });
  });

  it("reads an acknowledge that repeats nothing", () => {
    expect(plain(transfer("doip-02-vmg-transfer-ack")[3] as object)).toEqual({
      type: "diagnosticAck",
      source: 0x0100,
      target: 0x0200,
      code: 0,
      previous: "",
    });
  });

  it.each(["doip-03-vmg-vci", "doip-04-vmg-vci-zgworder"])("does not know payload type 9000 (%s)", (file) => {
    const unknown = transfer(file).filter(({ type }) => type === "malformed");
    expect(unknown).toEqual([{ type: "malformed", nack: HeaderNack.UnknownPayloadType, reason: "payload type 9000" }]);
  });

  it("writes the frames of its MCU code byte for byte", () => {
    const frames = load("doip-10-mcus-frames") as Record<string, string>;
    const activation = { type: "routingActivationRequest", activationType: 0 } as const;
    const message = { type: "diagnosticMessage" } as const;
    const ours: Record<string, DoipMessage> = {
      routing_activation_0E00: { ...activation, source: 0x0e00 },
      routing_activation_0201: { ...activation, source: 0x0201 },
      vehicle_id_request: { type: "vehicleIdentificationRequest" },
      diag_0E00_0201_22F190: { ...message, source: 0x0e00, target: 0x0201, data: bytes("22f190") },
      diag_0201_0100_3E00: { ...message, source: 0x0201, target: 0x0100, data: bytes("3e00") },
      alive_check_request: { type: "aliveCheckRequest" },
    };
    expect(Object.fromEntries(Object.entries(ours).map(([name, each]) => [name, toHex(encodeDoip(each))]))).toEqual(
      frames,
    );
  });

  it.each([
    "uds-10-zgw113-basic",
    "uds-11-zgw113-zone-ota",
    "uds-13-zgw113-doubled-sid",
    "uds-20-zgw100-swpg",
    "uds-21-zgw100-bigendian-rejected",
  ])("reads every answer of its zonal gateway as a diagnostic message for the tester (%s)", (file) => {
    const { steps } = load(file) as { steps: { req: string; rsp: string }[] };
    for (const { req, rsp } of steps) {
      const answer = decodeDoip(bytes(rsp));
      expect(answer).toMatchObject({ type: "diagnosticMessage", source: 0x0100, target: 0x0200 });
      if (answer.type !== "diagnosticMessage") continue;
      const sid = bytes(req)[0] as number;
      expect([sid + 0x40, 0x7f]).toContain(answer.data[0]);
      expect(toHex(encodeDoip(answer))).toBe(rsp);
    }
  });
});

describe("the generic header", () => {
  const header = (hex: string, payloadMax = DOIP_PAYLOAD_MAX) => decodeDoipHeader(bytes(hex), payloadMax);

  it("takes versions 02 and 03, and FF only to ask which vehicle it is", () => {
    const taken: string[] = [];
    for (let version = 0; version <= 0xff; version++) {
      for (let inverse = 0; inverse <= 0xff; inverse++) {
        for (const payloadType of [0x0001, 0x0007]) {
          const bytes = Uint8Array.of(version, inverse, 0, payloadType, 0, 0, 0, 0);
          const found = decodeDoipHeader(bytes, DOIP_PAYLOAD_MAX);
          if (found.type === "header") taken.push(`${toHex(bytes.subarray(0, 2))} ${payloadType}`);
          else expect(found.nack).toBe(HeaderNack.IncorrectPatternFormat);
        }
      }
    }
    expect(taken).toEqual(["02fd 1", "02fd 7", "03fc 1", "03fc 7", "ff00 1"]);
  });

  it("knows twelve payload types and no others", () => {
    const known: number[] = [];
    for (let payloadType = 0; payloadType <= 0xffff; payloadType++) {
      const found = decodeDoipHeader(
        Uint8Array.of(2, 0xfd, payloadType >> 8, payloadType & 0xff, 0, 0, 0, 0),
        DOIP_PAYLOAD_MAX,
      );
      if (found.type === "malformed" && found.nack === HeaderNack.UnknownPayloadType) continue;
      known.push(payloadType);
    }
    expect(known).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 0x8001, 0x8002, 0x8003]);
  });

  it("complains of the pattern before the type, of the type before the length, of the length before its fitness", () => {
    expect(header("02fc 9000 ffffffff")).toMatchObject({ nack: HeaderNack.IncorrectPatternFormat });
    expect(header("02fd 9000 ffffffff")).toMatchObject({ nack: HeaderNack.UnknownPayloadType });
    expect(header("02fd 0007 ffffffff")).toMatchObject({ nack: HeaderNack.MessageTooLarge });
    expect(header("02fd 0007 00000001")).toMatchObject({ nack: HeaderNack.InvalidPayloadLength });
  });

  it("takes a payload of just the limit", () => {
    expect(header("02fd 8001 00001003")).toMatchObject({ type: "header", payloadLength: DOIP_PAYLOAD_MAX });
    expect(header("02fd 8001 00001004")).toMatchObject({ nack: HeaderNack.MessageTooLarge });
  });

  it.each([
    ["0000", [1]],
    ["0001", [0]],
    ["0002", [6]],
    ["0003", [17]],
    ["0004", [32, 33]],
    ["0005", [7, 11]],
    ["0006", [9, 13]],
    ["0007", [0]],
    ["0008", [2]],
  ])("takes type %s with %j bytes only", (type, lengths) => {
    const taken = Array.from({ length: 64 }, (_, length) => length).filter(
      (length) => header(`02fd ${type} ${length.toString(16).padStart(8, "0")}`).type === "header",
    );
    expect(taken).toEqual(lengths);
  });

  it.each(["8001", "8002", "8003"])("wants at least one byte behind the addresses of %s", (type) => {
    expect(header(`02fd ${type} 00000004`)).toMatchObject({ nack: HeaderNack.InvalidPayloadLength });
    expect(header(`02fd ${type} 00000005`).type).toBe("header");
  });
});

describe("the codec", () => {
  it("answers any bytes with a message or a reason", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        decodeDoip(data);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 40 }), (type, payload) => {
        const head = Uint8Array.of(2, 0xfd, type >> 8, type & 0xff, 0, 0, 0, payload.length);
        const found = decodeDoip(Uint8Array.of(...head, ...payload));
        if (
          found.type !== "malformed" &&
          found.type !== "routingActivationRequest" &&
          found.type !== "routingActivationResponse"
        ) {
          const again = decodeDoip(encodeDoip(asEncodable(found)));
          expect(plain(again)).toEqual(plain(asEncodable(found)));
        }
      }),
    );
  });

  it("refuses a message that is shorter or longer than its header says", () => {
    expect(decodeDoip(bytes("02fd 8001 00000007 0e80 1015 22f1"))).toMatchObject({
      type: "malformed",
      reason: "6 bytes of payload, 7 announced",
    });
    expect(decodeDoip(bytes("02fd 8001 00000005 0e80 1015 22f1"))).toMatchObject({ type: "malformed" });
    expect(decodeDoip(bytes("02fd 80"))).toMatchObject({ type: "malformed", reason: "3 of 8 header bytes" });
  });

  it("writes version 03 when it is told to", () => {
    expect(toHex(encodeDoip({ type: "aliveCheckRequest" }, 3))).toBe("03fc000700000000");
  });

  it("writes no field of a wrong length", () => {
    expect(() => encodeDoip({ type: "vehicleIdentificationRequestVin", vin: "KMH" })).toThrow('VIN "KMH"');
    expect(() => encodeDoip({ type: "vehicleIdentificationRequestEid", eid: new Uint8Array(5) })).toThrow("field of 6");
    expect(() =>
      encodeDoip({ type: "routingActivationRequest", source: 1, activationType: 0, oem: new Uint8Array(3) }),
    ).toThrow("field of 4");
  });
});

/** A VIN that came with NUL or octets over 7F is read as text that can't be written back; take a whole one instead. */
function asEncodable(message: DoipMessage): DoipMessage {
  const whole = "KMHXX00XXXX000001";
  return message.type === "vehicleAnnouncement" || message.type === "vehicleIdentificationRequestVin"
    ? { ...message, vin: whole }
    : message;
}
