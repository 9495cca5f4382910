import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePdu, encodePdu, PDU_LENGTH_MAX, type RsuPdu, RsuType } from "../../../../gateway/source/rsu/pdu.ts";
import { isBetweenPdus, SPLITTER_START, splitPdus } from "../../../../gateway/source/rsu/pdu-splitter.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);
const NONE = new Uint8Array(0);

const anyPdu: fc.Arbitrary<RsuPdu> = fc.record({
  type: fc.constantFrom(...Object.values(RsuType)),
  payload: fc.uint8Array({ maxLength: 600 }),
  protocolVersion: fc.string({ maxLength: 20 }),
  firmwareVersion: fc.string({ unit: "binary", maxLength: 20 }),
});

describe("a PDU of RSU", () => {
  it("is written as the original writes it", () => {
    const version = { type: RsuType.VersionExchange, protocolVersion: "2.0.0", firmwareVersion: "1.0.0" };
    expect(text(encodePdu(version))).toBe(
      '{"mtype": 0, "payload": "", "protocol_ver": "2.0.0", "firmware_ver": "1.0.0", "size": 0}',
    );
    const segment = encodePdu({ type: RsuType.StartSndData, payload: new Uint8Array(512) });
    expect(segment).toHaveLength(764);
    expect(text(segment)).toMatch(
      /^\{"mtype": 6, "payload": "A{683}=", "protocol_ver": "", "firmware_ver": "", "size": 684\}$/,
    );
  });

  it("comes back as it was written, whatever is in it", () => {
    fc.assert(
      fc.property(anyPdu, (pdu) => {
        expect(decodePdu(encodePdu(pdu))).toEqual(pdu);
      }),
    );
  });

  it.each([
    '{"mtype":5,"payload":""}',
    ' {"payload" : "" , "mtype" : 5 } ',
    '{"size":0,"firmware_ver":"","protocol_ver":"","payload":"","mtype":5}',
  ])("is taken in any order of keys, with any white space, without versions and size: %j", (given) => {
    expect(decodePdu(bytes(given))).toEqual({ type: 5, payload: NONE, protocolVersion: "", firmwareVersion: "" });
  });

  it.each([
    ["", "no JSON object"],
    ["[]", "no JSON object"],
    ["null", "no JSON object"],
    ['{"mtype":5,"payload":""', "no JSON object"],
    ['{"mtype":5,"payload":"","extra":1}', 'unknown key "extra"'],
    ['{"payload":""}', "mtype is no number"],
    ['{"mtype":10,"payload":""}', "mtype is no number"],
    ['{"mtype":1.5,"payload":""}', "mtype is no number"],
    ['{"mtype":"5","payload":""}', "mtype is no number"],
    ['{"mtype":5}', "payload is no text"],
    ['{"mtype":5,"payload":"Zg"}', "payload is no base64"],
    ['{"mtype":5,"payload":"Zg==","size":3}', "size is 3, the payload has 4 characters"],
    ['{"mtype":5,"payload":"","protocol_ver":2}', "a version is no text"],
    [`{"mtype":5,"payload":"","firmware_ver":"${"1".repeat(65)}"}`, "a version is no text"],
  ])("is refused with a reason: %j", (given, reason) => {
    expect(decodePdu(bytes(given))).toMatchObject({ type: "malformed", reason: expect.stringContaining(reason) });
  });

  it("never makes the decoder throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (data) => void decodePdu(data)));
    fc.assert(fc.property(fc.json(), (json) => void decodePdu(bytes(json))));
  });
});

/** All objects of a stream that came in these parts. */
function split(parts: readonly Uint8Array[]) {
  let state = SPLITTER_START;
  const objects: string[] = [];
  for (const part of parts) {
    const cut = splitPdus(state, part);
    objects.push(...cut.objects.map(text));
    if (cut.error !== undefined) return { objects, error: cut.error, state };
    state = cut.state;
  }
  return { objects, error: undefined, state };
}

describe("the splitter of PDUs", () => {
  it("gives the same objects, wherever the stream was cut and whatever white space is in between", () => {
    const parts = fc.array(fc.tuple(anyPdu, fc.constantFrom("", " ", "\n", "\t\r\n ")), { maxLength: 6 });
    fc.assert(
      fc.property(parts, fc.array(fc.nat(5000), { maxLength: 12 }), (pdus, cuts) => {
        const objects = pdus.map(([pdu]) => text(encodePdu(pdu)));
        const stream = bytes(pdus.map(([, space], index) => space + objects[index]).join(""));
        const places = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
        const given = places.slice(1).map((end, index) => stream.subarray(places[index], end));
        const cut = split(given);
        expect(cut).toMatchObject({ objects, error: undefined });
        expect(isBetweenPdus(cut.state)).toBe(true);
      }),
    );
  });

  it("is not misled by braces, quotes and escapes inside of strings", () => {
    const tricky = '{"a":"}{\\"}\\\\","b":{"c":{}}}';
    expect(split([...bytes(tricky + tricky)].map((byte) => Uint8Array.of(byte))).objects).toEqual([tricky, tricky]);
  });

  it("stops at a byte that belongs nowhere, behind the objects before it", () => {
    expect(split([bytes('{"a":1},{"b":2}')])).toMatchObject({
      objects: ['{"a":1}'],
      error: "byte 0x2c between two PDUs",
    });
    expect(split([bytes("[")]).error).toContain("0x5b");
  });

  it("takes a PDU of 65536 bytes, and not one of 65537", () => {
    const long = (length: number): Uint8Array => bytes(`{"a":"${"x".repeat(length - 8)}"}`);
    expect(split([long(PDU_LENGTH_MAX)]).objects[0]).toHaveLength(PDU_LENGTH_MAX);
    expect(split([long(PDU_LENGTH_MAX + 1)]).error).toContain("longer than 65536");
    expect(split([long(PDU_LENGTH_MAX + 1).subarray(0, 40_000), new Uint8Array(30_000).fill(0x61)]).error).toContain(
      "longer",
    );
  });

  it("holds no more than one PDU", () => {
    const { state } = split([bytes('{"a":"'), new Uint8Array(60_000).fill(0x61)]);
    expect(state.held).toHaveLength(60_006);
    expect(isBetweenPdus(state)).toBe(false);
  });
});
