import { describe, expect, it } from "vitest";
import { LAYOUTS, type SrupType } from "../../../../gateway/source/srup/message-types.ts";
import { signSrup, verifySrup } from "../../../../gateway/source/srup/signed.ts";
import {
  decodeSrup,
  decodeSrupHeader,
  encodeSrup,
  SRUP_LENGTH_MIN,
  type SrupMessage,
  signedBytes,
} from "../../../../gateway/source/srup/srup-message.ts";
import { decodeSrupValue, encodeSrupValue, type SrupValueType } from "../../../../gateway/source/srup/values.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { bytesOf, hexOf, pemOf, type SrupVector, VECTORS } from "./vectors.ts";

const crypto = nodeSrupCrypto();
const named = (vector: SrupVector): [string, SrupVector] => [vector.name, vector];
const isMessage = ({ type_code: code }: SrupVector): boolean => code !== undefined && code !== 0;

const VALID = VECTORS.filter((vector) => isMessage(vector) && vector.valid && vector.category !== "negative");
const NEGATIVE = VECTORS.filter((vector) => isMessage(vector) && vector.category === "negative");

/** The vectors name fields as the original does; bytes have "_hex" behind their names. */
const originalName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function fieldOf(fields: SrupVector["fields"], name: string, kind: string): unknown {
  const original = originalName(name);
  if (kind === "lv") return bytesOf(fields[`${original}_hex`]);
  return kind === "u64" ? BigInt(String(fields[original])) : fields[original];
}

function messageOf({ type, fields }: SrupVector): SrupMessage {
  const body = Object.entries(LAYOUTS[type as SrupType]).map(([name, kind]) => [name, fieldOf(fields, name, kind)]);
  return {
    type,
    sequence: BigInt(String(fields.sequence_id)),
    sender: BigInt(String(fields.sender_id)),
    token: bytesOf(fields.token_hex),
    ...Object.fromEntries(body),
  } as SrupMessage;
}

const read = (vector: SrupVector) => decodeSrup(bytesOf(vector.hex), vector.category === "legacy" ? "all" : "current");

/** What the codec refuses by itself, by the ends of the vectors' names. */
const FAULTS: readonly [end: RegExp, fault: string][] = [
  [/neg-truncated|neg-siglen-65535/, "truncated"],
  [/neg-version/, "version"],
  [/^unknown\//, "type"],
];

describe("the original's messages", () => {
  it("are all here", () => {
    expect([VALID.length, NEGATIVE.length]).toEqual([216, 163]);
  });

  it.each(VALID.map(named))("decode to their fields, verify and encode to their bytes again: %s", (_, vector) => {
    const decoded = read(vector);
    const message = messageOf(vector);
    expect(decoded).toEqual({ type: "message", message, signature: bytesOf(vector.fields.signature_hex) });
    expect(hexOf(signedBytes(message))).toBe(vector.signed_hex);
    if (decoded.type === "message") expect(hexOf(encodeSrup(decoded))).toBe(vector.hex);
    expect(verifySrup(decoded, pemOf(vector.keyfiles.verify as string), crypto)).toBe(true);
  });

  it.each(VALID.filter(({ keyfiles }) => keyfiles.sign !== undefined).map(named))(
    "are signed alike by the same key: %s",
    (_, vector) => {
      const signed = signSrup(messageOf(vector), pemOf(vector.keyfiles.sign as string), crypto);
      expect(signed && hexOf(encodeSrup(signed))).toBe(vector.hex);
    },
  );

  it.each(NEGATIVE.filter(({ valid }) => !valid).map(named))("are refused when they are wrong: %s", (name, vector) => {
    const decoded = read(vector);
    const fault = FAULTS.find(([end]) => end.test(name))?.[1];
    if (fault === undefined) {
      expect(decoded.type).toBe("message");
      expect(verifySrup(decoded, pemOf(vector.keyfiles.verify as string), crypto)).toBe(false);
    } else {
      expect(decoded).toMatchObject({ type: "malformed", fault });
    }
  });

  it.each(NEGATIVE.filter(({ valid }) => valid).map(named))("are borne with when they are odd: %s", (_, vector) => {
    const decoded = read(vector);
    expect(verifySrup(decoded, pemOf(vector.keyfiles.verify as string), crypto)).toBe(true);
    if (decoded.type !== "message") throw new Error(decoded.reason);
    for (const [name, value] of Object.entries(vector.fields)) {
      expect(decoded.message).toHaveProperty(name, value);
    }
  });

  it.each(VECTORS.filter(({ type }) => type === "GENERIC").map(named))(
    "of type 0x00 are a header only and no message: %s",
    (_, vector) => {
      const header = decodeSrupHeader(bytesOf(vector.hex));
      expect(header).toMatchObject({ type: "header", code: 0 });
      if (vector.valid && header.type === "header") {
        expect(header.token).toEqual(bytesOf(vector.fields.token_hex));
        expect(header.sequence).toBe(BigInt(String(vector.fields.sequence_id)));
        expect(header.sender).toBe(BigInt(String(vector.fields.sender_id)));
      }
      expect(read(vector)).toMatchObject({ type: "malformed", fault: "type" });
    },
  );

  it.each(VECTORS.filter(({ category }) => category === "legacy").map(named))(
    "of withdrawn types are read on demand only: %s",
    (_, vector) => {
      expect(decodeSrup(bytesOf(vector.hex))).toMatchObject({ type: "malformed", fault: "type" });
    },
  );

  it.each(VECTORS.filter(({ fields }) => fields.api_type !== undefined).map(named))(
    "carry values as the original writes them: %s",
    (_, { fields }) => {
      const type = (fields.api_type === "bytes" ? "text" : fields.api_type) as SrupValueType;
      const given = fields.api_value as string | number;
      const value = type.endsWith("int64") ? BigInt(given) : given;
      expect(hexOf(encodeSrupValue(type, value))).toBe(fields.data_hex);
      expect(decodeSrupValue(type, bytesOf(fields.data_hex))).toBe(value);
    },
  );
});

describe("srup message", () => {
  const message: SrupMessage = { type: "ACTIVATE", sequence: 1n, sender: 2n, token: new Uint8Array(0) };
  const signature = new Uint8Array(0);

  it("is refused at every length below that of its fields", () => {
    for (const vector of VALID.filter(({ name, category }) => name.endsWith("/typical-1") && category !== "legacy")) {
      const whole = bytesOf(vector.hex);
      const end = whole.length - (vector.type === "SYNDICATED_C2_REQUEST" ? 2 : 0);
      for (let length = 0; length < end; length++) {
        expect(decodeSrup(whole.subarray(0, length)), `${vector.name}, ${length} bytes`).toMatchObject({
          type: "malformed",
          fault: "truncated",
        });
      }
      expect(decodeSrup(whole.subarray(0, end)).type).toBe("message");
    }
  });

  it("has 22 bytes when nothing is in it", () => {
    expect(encodeSrup({ message, signature }).length).toBe(SRUP_LENGTH_MIN);
    expect(decodeSrup(encodeSrup({ message, signature }))).toEqual({ type: "message", message, signature });
  });

  it("holds 65535 bytes in a field and not one more", () => {
    const token = new Uint8Array(65_535).fill(0x61);
    const long = encodeSrup({ message: { ...message, token }, signature });
    expect(decodeSrup(long)).toMatchObject({ message: { token } });
    const longer = { ...message, token: new Uint8Array(65_536) };
    expect(() => encodeSrup({ message: longer, signature })).toThrow(expect.objectContaining({ code: "SRUP_FIELD" }));
  });

  it.each([
    { ...message, sequence: -1n },
    { ...message, sequence: 1n << 64n },
    { ...message, sender: 1n << 64n },
    { ...message, type: "ACTION", actionId: 256 },
    { ...message, type: "RESPONSE", status: 0.5 },
    { ...message, type: "SYNDICATED_DEVICE_COUNT", count: 2 ** 32 },
  ] as readonly SrupMessage[])("is not written with a number that its place can't hold: %o", (wrong) => {
    expect(() => signedBytes(wrong)).toThrow(expect.objectContaining({ code: "SRUP_FIELD" }));
  });

  it("is not signed with a public key, with a key of another kind or with none", () => {
    for (const key of [
      pemOf("keys/server.pub.pem"),
      "",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ]) {
      expect(signSrup(message, key, crypto)).toBeUndefined();
    }
  });

  it("does not verify with a key that can't be read", () => {
    const signed = signSrup(message, pemOf("keys/server.pem"), crypto);
    expect(verifySrup({ type: "message", ...(signed as NonNullable<typeof signed>) }, "no key", crypto)).toBe(false);
  });

  it("values are refused where their type can't hold them, and undefined where bytes are missing", () => {
    for (const [type, value] of [
      ["int8", 128],
      ["uint8", -1],
      ["int32", 2 ** 31],
      ["int16", 1.5],
      ["uint64", 1n << 64n],
    ] as const) {
      expect(() => encodeSrupValue(type, value)).toThrow(expect.objectContaining({ code: "SRUP_FIELD" }));
    }
    expect(decodeSrupValue("int32", new Uint8Array(3))).toBeUndefined();
    expect(decodeSrupValue("double", new Uint8Array(7))).toBeUndefined();
    expect(decodeSrupValue("text", Uint8Array.of(0xff))).toBeUndefined();
    expect(decodeSrupValue("int8", Uint8Array.of(0xff, 1))).toBe(-1);
  });
});

describe("messages of protocol version 6", () => {
  const samples = VALID.map(({ hex }) => bytesOf(hex));

  it("differ from the original's in their first byte only", () => {
    for (const sample of samples) {
      const decoded = decodeSrup(sample, "all");
      if (decoded.type === "malformed") throw new Error(decoded.reason);
      const before = encodeSrup(decoded);
      const after = encodeSrup(decoded, 6);
      expect(after[0]).toBe(6);
      expect(after.subarray(1)).toEqual(before.subarray(1));
      expect(decodeSrup(after, "all", 6)).toEqual(decodeSrup(before, "all"));
    }
  });

  it("are none of version 5, and the other way round", () => {
    for (const sample of samples) {
      const newer = Uint8Array.of(6, ...sample.subarray(1));
      expect(decodeSrup(newer)).toMatchObject({ type: "malformed", fault: "version" });
      expect(decodeSrup(sample, "current", 6)).toMatchObject({ type: "malformed", fault: "version" });
    }
  });
});
