import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DoipMessage, decodeDoip, encodeDoip } from "../../../emulator/wire/doip.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import { answerIdentification } from "../../../gateway/doip/identification.ts";

const EID = Uint8Array.of(2, 0, 192, 168, 1, 10);
const GID = Uint8Array.of(2, 0, 192, 168, 1, 100);
const IDENTITY = { vin: "KMHXX00XXXX000001", address: 0x0100, eid: EID, gid: GID };
const ANNOUNCEMENT = {
  type: "vehicleAnnouncement",
  vin: "KMHXX00XXXX000001",
  address: 0x0100,
  eid: EID,
  gid: GID,
  furtherAction: 0,
  syncStatus: 0,
};

const answer = (message: DoipMessage, version = 2) => {
  const bytes = answerIdentification(encodeDoip(message, version), IDENTITY);
  return bytes === undefined ? undefined : { version: bytes[0], message: decodeDoip(bytes) };
};
const other = (length: number) => new Uint8Array(length).fill(7);

describe("vehicle identification over UDP", () => {
  it("answers who asks for any vehicle with VIN, address, EID and GID", () => {
    expect(answer({ type: "vehicleIdentificationRequest" })).toEqual({ version: 2, message: ANNOUNCEMENT });
  });

  it("answers in the protocol version of the question, and in its own to the default version FF", () => {
    expect(answer({ type: "vehicleIdentificationRequest" }, 3)?.version).toBe(3);
    expect(answer({ type: "vehicleIdentificationRequest" }, 0xff)?.version).toBe(2);
  });

  it("answers a question with its own EID, and none with another's", () => {
    expect(answer({ type: "vehicleIdentificationRequestEid", eid: EID })?.message).toEqual(ANNOUNCEMENT);
    expect(answer({ type: "vehicleIdentificationRequestEid", eid: other(6) })).toBeUndefined();
  });

  it("answers a question with its own VIN, and none with another's", () => {
    expect(answer({ type: "vehicleIdentificationRequestVin", vin: IDENTITY.vin })?.message).toEqual(ANNOUNCEMENT);
    expect(answer({ type: "vehicleIdentificationRequestVin", vin: "KMHXX00XXXX000002" })).toBeUndefined();
  });

  it("says nothing to what is no question", () => {
    expect(answer({ type: "vehicleAnnouncement", ...IDENTITY, furtherAction: 0 })).toBeUndefined();
    expect(answer({ type: "headerNack", code: 0 })).toBeUndefined();
    expect(answer({ type: "routingActivationRequest", source: 0xe00, activationType: 0 })).toBeUndefined();
  });

  for (const [hex, code] of [
    ["02fc000100000000", 0],
    ["02fd123400000000", 1],
    ["02fd000100001000", 2],
    ["02fd00030000000100", 4],
    ["02fd00020000000611", 4],
  ] as const) {
    it(`refuses ${hex} with header NACK ${code}`, () => {
      const bytes = answerIdentification(fromHex(hex) as Uint8Array, IDENTITY) as Uint8Array;
      expect(toHex(bytes)).toBe(`02fd000000000001${code.toString(16).padStart(2, "0")}`);
    });
  }

  it("says nothing to less than a header, and takes any bytes", () => {
    expect(answerIdentification(new Uint8Array(7), IDENTITY)).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void answerIdentification(bytes, IDENTITY)));
  });
});
