import { describe, expect, it } from "vitest";
import { selectBytes } from "../../../hil/server/https/select-bytes.ts";

const FILE = { size: 10_000, etag: '"abc"', lastModified: "Sun, 06 Nov 1994 08:49:37 GMT" };
const select = (headers: Record<string, string>, size = FILE.size, method = "GET") =>
  selectBytes(method, headers, { ...FILE, size });
const whole = { status: 200, start: 0, end: 10_000 };

describe("Range", () => {
  // RFC 9110, 14.1.2: examples for a representation of length 10000
  it.each([
    ["bytes=0-499", 0, 500],
    ["bytes=500-999", 500, 1000],
    ["bytes=-500", 9500, 10_000],
    ["bytes=9500-", 9500, 10_000],
    ["bytes=0-0", 0, 1],
    ["bytes=-1", 9999, 10_000],
    ["bytes=9999-9999", 9999, 10_000],
    ["bytes=9999-123456", 9999, 10_000],
    ["bytes=-123456", 0, 10_000],
    ["bytes=1-99999999999999999999", 1, 10_000],
    ["BYTES= 0-499 ", 0, 500],
  ])("%s is bytes %d to before %d", (range, start, end) => {
    expect(select({ range })).toEqual({ status: 206, start, end });
  });

  it.each(["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=99999999999999999999-"])(
    "%s can't be satisfied",
    (range) => {
      expect(select({ range })).toEqual({ status: 416 });
    },
  );

  it.each([
    "bytes=500-600,601-999",
    "bytes=0-0,-1",
    "bytes=5-4",
    "bytes=-",
    "bytes=a-b",
    "bytes 0-1",
    "bytes=1",
    "items=0-1",
    "",
  ])("%j is passed over", (range) => {
    expect(select({ range })).toEqual(whole);
  });

  it("finds nothing in an empty file", () => {
    expect(select({ range: "bytes=0-" }, 0)).toEqual({ status: 416 });
    expect(select({ range: "bytes=-1" }, 0)).toEqual({ status: 416 });
    expect(select({}, 0)).toEqual({ status: 200, start: 0, end: 0 });
  });

  it("means nothing with HEAD", () => {
    expect(select({ range: "bytes=0-1" }, FILE.size, "HEAD")).toEqual(whole);
  });
});

describe("conditions", () => {
  const range = "bytes=1-2";
  const part = { status: 206, start: 1, end: 3 };

  it.each([
    ['"abc"', part],
    [FILE.lastModified, part],
    ['"abd"', whole],
    ['W/"abc"', whole],
    ["Sun, 06 Nov 1994 08:49:38 GMT", whole],
  ])("If-Range: %s", (ifRange, expected) => {
    expect(select({ range, "if-range": ifRange })).toEqual(expected);
  });

  it.each([
    ['"abc"', { status: 304 }],
    ['W/"abc"', { status: 304 }],
    ['"x", "abc"', { status: 304 }],
    ["*", { status: 304 }],
    ['"x"', part],
  ])("If-None-Match: %s comes before the range", (tags, expected) => {
    expect(select({ range, "if-none-match": tags })).toEqual(expected);
  });
});
