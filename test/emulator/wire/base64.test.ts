import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "../../../emulator/wire/base64.ts";

describe("base64", () => {
  // RFC 4648, 10
  it.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ])("%j is %j, both ways", (text, coded) => {
    const bytes = new TextEncoder().encode(text);
    expect(encodeBase64(bytes)).toBe(coded);
    expect(decodeBase64(coded)).toEqual(bytes);
  });

  it("says the same as Node for any bytes, both ways", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const coded = encodeBase64(bytes);
        expect(coded).toBe(Buffer.from(bytes).toString("base64"));
        expect(decodeBase64(coded)).toEqual(bytes);
      }),
    );
  });

  it.each([
    "Z",
    "Zg",
    "Zg=",
    "Zh==",
    "Zm9=",
    "Zg==Zg==",
    "Zm9v\n",
    "Zm 9",
    "Zm9-",
    "Zm9_",
    "=Zg=",
    "====",
    "Zm9\u0100",
  ])("%j is none", (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});
