import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareDotted, isDotted } from "../../../../gateway/source/rsu/dotted-version.ts";
import {
  decodeError,
  decodeOffer,
  decodeTerms,
  encodeError,
  encodeOffer,
  encodeTerms,
} from "../../../../gateway/source/rsu/extensions.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const of = "ab".repeat(32);

describe("the extensions of RSU", () => {
  it("come back as they were written", () => {
    const offer = {
      capabilities: ["coalesce", "error"],
      target: "ECU_011",
      resume: { from: 7, of },
      wait: 30,
    } as const;
    expect(decodeOffer(encodeOffer(offer))).toEqual(offer);
    expect(decodeOffer(encodeOffer({ capabilities: [] }))).toEqual({ capabilities: [] });
    const terms = { capabilities: ["sha256"], size: 9, sha256: of, signature: bytes("signed"), from: 7 } as const;
    expect(decodeTerms(encodeTerms(terms))).toEqual(terms);
    expect(decodeError(encodeError("BUSY", "later"))).toEqual({ code: "BUSY", reason: "later" });
  });

  it("of a later version are read as far as they are known", () => {
    const later = bytes(`{"rsu":2,"caps":["error","teleport"],"size":9,"sha256":"${of}","colour":"blue"}`);
    expect(decodeOffer(later)).toEqual({ capabilities: ["error"] });
    expect(decodeTerms(later)).toEqual({ capabilities: ["error"], size: 9, sha256: of, from: 0 });
  });

  it.each(["", "{}", "[]", "null", "nonsense", '{"rsu":0}', '{"rsu":"1"}', '{"rsu":1.5}'])(
    "%j is what a peer says that has none",
    (payload) => {
      expect(decodeOffer(bytes(payload))).toBeUndefined();
      expect(decodeTerms(bytes(payload))).toBeUndefined();
    },
  );

  it("leave out what makes no sense", () => {
    const odd = `{"rsu":1,"caps":"all","target":${JSON.stringify("x".repeat(65))},"from":-1,"of":"${of}","wait":1e9}`;
    expect(decodeOffer(bytes(odd))).toEqual({ capabilities: [], wait: 3_600 });
    expect(decodeOffer(bytes('{"rsu":1,"from":5,"of":"AB"}'))).toEqual({ capabilities: [] });
    expect(decodeTerms(bytes(`{"rsu":1,"size":5,"sha256":"${of}","from":6}`))).toBeUndefined();
    expect(decodeTerms(bytes(`{"rsu":1,"size":5,"sha256":"${of}","signature":"?"}`))).not.toHaveProperty("signature");
  });

  it("never make a decoder throw, and keep an unknown error printable", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(bytes)), (payload) => {
        decodeOffer(payload);
        decodeTerms(payload);
        const { reason } = decodeError(payload);
        expect(reason).toMatch(/^[\x20-\x7e]{0,200}$/);
      }),
    );
    expect(decodeError(bytes("Version mismatch\u0007"))).toEqual({ code: "UNKNOWN", reason: "Version mismatch?" });
  });
});

describe("versions with dots", () => {
  it.each([
    ["10.0.0", "2.0.0", 1],
    ["2.0.0", "10.0.0", -1],
    ["2.0", "2.0.0", 0],
    ["1.0.10", "1.0.9", 1],
    ["0.0.0", "0.0.1", -1],
  ])("%s and %s are compared number by number", (a, b, order) => {
    expect(Math.sign(compareDotted(a, b))).toBe(order);
  });

  it.each(["", "1.", ".1", "1.a", "v1.0.0", "1.0.0.0.0", "1234567890", "-1", " 1"])("%j is none", (version) => {
    expect(isDotted(version)).toBe(false);
  });
});
