import { describe, expect, it } from "vitest";
import { parseHttpDate } from "../../../gateway/source/https/http-date.ts";
import {
  compareValidator,
  contentLength,
  parseContentRange,
  strongValidator,
} from "../../../gateway/source/https/http-fields.ts";

describe("Content-Range", () => {
  // RFC 9110, 14.4: "The following are examples of Content-Range values"
  it.each([
    ["bytes 42-1233/1234", { type: "range", first: 42, last: 1233, total: 1234 }],
    ["bytes 42-1233/*", { type: "range", first: 42, last: 1233 }],
    ["bytes */1234", { type: "unsatisfied", total: 1234 }],
    ["bytes 0-499/1234", { type: "range", first: 0, last: 499, total: 1234 }],
    ["bytes 500-999/1234", { type: "range", first: 500, last: 999, total: 1234 }],
    ["bytes 734-1233/1234", { type: "range", first: 734, last: 1233, total: 1234 }],
    ["Bytes 0-0/1", { type: "range", first: 0, last: 0, total: 1 }],
  ])("reads %s", (text, expected) => {
    expect(parseContentRange(text)).toEqual(expected);
  });

  it.each([
    "",
    "bytes",
    "bytes */*",
    "bytes 5-4/10",
    "bytes 0-10/10",
    "bytes 0-9/9",
    "bytes=0-9/10",
    "bytes -1-9/10",
    "bytes 0x0-0x9/10",
    "bytes 0-9999999999999999/*",
    "exampleunit 1.2-4.3/25",
    "bytes 0-1/2, bytes 1-1/2",
  ])("refuses %j with a reason", (text) => {
    const result = parseContentRange(text);
    expect(result.type).toBe("malformed");
    expect(result).toHaveProperty("reason");
  });
});

describe("Content-Length", () => {
  it.each([
    ["0", 0],
    ["3495", 3495],
    ["-1", undefined],
    ["1e3", undefined],
    ["3495, 3495", undefined],
    ["99999999999999999999", undefined],
  ])("%s is %s", (text, expected) => {
    expect(contentLength({ "content-length": text })).toBe(expected);
    expect(contentLength({})).toBeUndefined();
  });
});

describe("HTTP-date", () => {
  it("reads the example of RFC 9110, 5.6.7", () => {
    expect(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(784_111_777);
  });

  it("reads what the platform writes, leap days and centuries included", () => {
    for (const unix of [0, 951_782_400, 1_078_012_799, 1_709_164_800, 4_107_542_400, 13_569_465_600]) {
      expect(parseHttpDate(new Date(unix * 1000).toUTCString())).toBe(unix);
    }
  });

  it.each([
    "",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 CET",
  ])("passes %j over", (text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });
});

describe("validators", () => {
  const modified = "Sun, 06 Nov 1994 08:49:37 GMT";
  const sameSecond = modified;
  const nextSecond = "Sun, 06 Nov 1994 08:49:38 GMT";

  // RFC 9110, 8.8.3: examples of entity tags
  it.each([
    ['"xyzzy"', true],
    ['""', true],
    ['W/"xyzzy"', false],
    ["xyzzy", false],
    ['"a"b"', false],
    ['"a b"', false],
  ])("%s is strong: %s", (tag, expected) => {
    expect(strongValidator({ etag: tag })).toBe(expected ? tag : undefined);
  });

  it("takes a strong entity tag before a date", () => {
    expect(strongValidator({ etag: '"a"', "last-modified": modified, date: nextSecond })).toBe('"a"');
  });

  it("takes no date where there is a tag, though a weak one", () => {
    expect(strongValidator({ etag: 'W/"a"', "last-modified": modified, date: nextSecond })).toBeUndefined();
  });

  it("takes a date that is a second older than the answer, and no younger one", () => {
    expect(strongValidator({ "last-modified": modified, date: nextSecond })).toBe(modified);
    expect(strongValidator({ "last-modified": modified, date: sameSecond })).toBeUndefined();
    expect(strongValidator({ "last-modified": modified })).toBeUndefined();
    expect(strongValidator({})).toBeUndefined();
  });

  it("compares like with like, and knows when nothing is said", () => {
    expect(compareValidator('"a"', { etag: '"a"', "last-modified": modified })).toBe("same");
    expect(compareValidator('"a"', { etag: 'W/"a"' })).toBe("other");
    expect(compareValidator('"a"', { "last-modified": modified })).toBe("unsaid");
    expect(compareValidator(modified, { etag: '"a"', "last-modified": modified })).toBe("same");
    expect(compareValidator(modified, { "last-modified": nextSecond })).toBe("other");
  });
});
