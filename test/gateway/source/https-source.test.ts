import { describe, expect, it } from "vitest";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { ms, plus, RUN_START, s } from "../../../emulator/kernel/time.ts";
import type { HttpsSourceConfig } from "../../../gateway/source/https/https-config.ts";
import { HttpsSource } from "../../../gateway/source/https/https-source.ts";
import { body, END, failed, head, NO_INVENTORY, SourceBench } from "../../support/source-bench.ts";

const CONFIG: HttpsSourceConfig = { baseUrl: "https://server:4443", ca: "the CA", backOff: s(1), retriesMax: 3 };
const FILE = new Prng("firmware").bytes(1000);
const SIGNATURE = new Uint8Array(256).fill(7);
const TAG = { etag: '"one"' };
const OFFER = { release: "/firmware_v2.bin", size: 1000, validator: '"one"' };
const LENGTH = { "content-length": "1000" };

const bench = (config: Partial<HttpsSourceConfig> = {}): SourceBench =>
  new SourceBench(new HttpsSource({ ...CONFIG, ...config }));
const looking = (config: Partial<HttpsSourceConfig> = {}): SourceBench => {
  const made = bench(config);
  made.push({ type: "look", inventory: NO_INVENTORY });
  return made;
};
const fetching = (config: Partial<HttpsSourceConfig> = {}, from = 0, offer: typeof OFFER = OFFER): SourceBench => {
  const made = bench(config);
  made.push({ type: "fetch", offer, from });
  return made;
};
const part = (first: number, last: number, total: number | "*" = 1000) => ({
  ...TAG,
  "content-range": `bytes ${first}-${last}/${total}`,
});
/** Everything up to and including the signature. */
const finish = (made: SourceBench): void => made.answer(head(200, {}), body(SIGNATURE), END);
const FETCHED = { type: "fetched", size: 1000, signature: { algorithm: "RSA-PKCS1-SHA256", signature: SIGNATURE } };

describe("HttpsSource looking", () => {
  it("asks for the head of the file and offers what it says", () => {
    const made = looking();
    expect(made.httpRequests).toEqual([
      {
        kind: "http",
        method: "HEAD",
        url: "https://server:4443/firmware_v2.bin",
        headers: { accept: "*/*", "accept-encoding": "identity" },
        ca: "the CA",
        tlsMin: "1.3",
        bodyMax: 0,
      },
    ]);
    made.answer(head(200, { ...TAG, ...LENGTH }));
    expect(made.last).toEqual({ type: "offer", offer: OFFER });
  });

  it("offers without size and validator where the server names none", () => {
    const made = looking();
    made.answer(head(200, { "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT" }));
    expect(made.last).toEqual({ type: "offer", offer: { release: "/firmware_v2.bin" } });
  });

  it.each([404, 410])("has no offer at status %d", (status) => {
    const made = looking();
    made.answer(head(status));
    expect(made.last).toMatchObject({ type: "noOffer", unknown: expect.stringContaining("status") });
  });

  it.each([405, 501])("asks for the signature when the server answers HEAD with %d", (status) => {
    const made = looking();
    made.answer(head(status));
    expect(made.httpRequests[1]).toMatchObject({ method: "GET", url: "https://server:4443/firmware_v2.bin.sig" });
    made.answer(head(200, { "content-length": "256" }));
    expect(made.last).toEqual({ type: "offer", offer: { release: "/firmware_v2.bin" } });
  });

  it.each([
    [head(200, { "content-length": "0" }), "SOURCE_EMPTY"],
    [head(200, { "content-length": "1001" }), "SOURCE_TOO_LARGE"],
    [head(302, { location: "https://elsewhere/" }), "SOURCE_REDIRECTED"],
    [head(401), "SOURCE_HTTP_STATUS"],
    [failed("HOST_TLS_UNTRUSTED"), "SOURCE_UNTRUSTED"],
    [failed("HOST_TLS"), "SOURCE_TLS"],
    [failed("HOST_PROTOCOL"), "SOURCE_PROTOCOL"],
    [failed("HOST_FAILED"), "SOURCE_FAILED"],
    [failed("HOST_NEWS"), "SOURCE_FAILED"],
  ])("fails for good at once: %j is %s", (answer, code) => {
    const made = looking({ sizeMax: 1000 });
    made.answer(answer);
    expect(made.last).toMatchObject({ type: "failed", error: { code }, retryable: false });
    expect(made.timeline.next).toBeUndefined();
  });

  it("tries again after 1, 2 and 4 seconds, then fails and may be asked again", () => {
    const made = looking();
    const at: number[] = [];
    for (let tries = 0; tries < 4; tries++) {
      made.answer(failed("HOST_REFUSED"));
      if (made.timeline.next !== undefined) at.push(made.timeline.next);
      made.timeline.step();
    }
    expect(at).toEqual([s(1), s(3), s(7)]);
    expect(made.httpRequests).toHaveLength(4);
    expect(made.last).toMatchObject({ type: "failed", error: { code: "SOURCE_UNREACHABLE" }, retryable: true });
    made.push({ type: "look", inventory: NO_INVENTORY });
    expect(made.httpRequests).toHaveLength(5);
  });

  it("waits no longer than backOffMax", () => {
    const made = looking({ backOff: ms(100), backOffMax: ms(150) });
    made.answer(failed("HOST_TIMEOUT"));
    made.timeline.step();
    made.answer(failed("HOST_TIMEOUT"));
    expect(made.timeline.next).toBe(plus(RUN_START, ms(250)));
  });
});

describe("HttpsSource fetching", () => {
  it("takes the whole file in one request, then its signature", () => {
    const made = fetching();
    expect(made.httpRequests[0]).toMatchObject({ method: "GET", url: "https://server:4443/firmware_v2.bin" });
    expect(made.httpRequests[0]?.headers).not.toHaveProperty("range");
    made.answer(head(200, { ...TAG, ...LENGTH }), body(FILE.subarray(0, 600)), body(FILE.subarray(600)), END);
    expect(made.httpRequests[1]).toMatchObject({ url: "https://server:4443/firmware_v2.bin.sig", bodyMax: 4096 });
    expect(made.count("fetched")).toBe(0);
    finish(made);
    expect(made.received).toEqual(FILE);
    expect(made.last).toEqual(FETCHED);
  });

  it("is content with a file that has no signature beside it", () => {
    const made = fetching();
    made.answer(head(200, { ...TAG, ...LENGTH }), body(FILE), END, head(404));
    expect(made.last).toEqual({ type: "fetched", size: 1000 });
  });

  it("goes on where the caller says, if the server still has the same", () => {
    const made = fetching({}, 400);
    expect(made.httpRequests[0]?.headers).toMatchObject({ range: "bytes=400-", "if-range": '"one"' });
    made.answer(head(206, part(400, 999)), body(FILE.subarray(400)), END);
    finish(made);
    expect(made.outputs).toContainEqual({ type: "piece", offset: 400, data: FILE.subarray(400) });
    expect(made.last).toEqual(FETCHED);
  });

  it("asks for nothing but the signature when all bytes are there", () => {
    const made = fetching({}, 1000);
    expect(made.httpRequests[0]?.url).toBe("https://server:4443/firmware_v2.bin.sig");
    finish(made);
    expect(made.last).toEqual(FETCHED);
  });

  it("asks for windows, the last one shorter", () => {
    const made = fetching({ window: 400 });
    for (const [first, last] of [
      [0, 399],
      [400, 799],
      [800, 999],
    ] as const) {
      expect(made.httpRequests.at(-1)?.headers).toMatchObject({ range: `bytes=${first}-${last}` });
      made.answer(head(206, part(first, last)), body(FILE.subarray(first, last + 1)), END);
    }
    finish(made);
    expect(made.received).toEqual(FILE);
    expect(made.last).toEqual(FETCHED);
  });

  it("asks for the rest when the server gives less than was asked for", () => {
    const made = fetching({}, 100);
    made.answer(head(206, part(100, 499)), body(FILE.subarray(100, 500)), END);
    expect(made.httpRequests.at(-1)?.headers).toMatchObject({ range: "bytes=500-" });
  });

  it("starts again from 0 when the server knows no ranges", () => {
    const made = fetching({}, 400);
    made.answer(head(200, LENGTH), body(FILE), END);
    finish(made);
    expect(made.received).toEqual(FILE);
    expect(made.last).toEqual(FETCHED);
  });

  it("starts from 0 when nothing names the content, whatever the caller has", () => {
    const made = bench();
    made.push({ type: "fetch", offer: { release: "/firmware_v2.bin", size: 1000 }, from: 400 });
    expect(made.httpRequests[0]?.headers).not.toHaveProperty("range");
    made.answer(head(200, LENGTH), body(FILE), END);
    finish(made);
    expect(made.received).toEqual(FILE);
  });

  it("finds by 416 that all bytes are there when it did not know the size", () => {
    const made = bench();
    made.push({ type: "fetch", offer: { release: "/f", validator: '"one"' }, from: 1000 });
    made.answer(head(416, { "content-range": "bytes */1000" }));
    expect(made.httpRequests.at(-1)?.url).toBe("https://server:4443/f.sig");
    finish(made);
    expect(made.last).toEqual(FETCHED);
  });

  it("takes a body of unknown length to its end", () => {
    const made = bench();
    made.push({ type: "fetch", offer: { release: "/f" }, from: 0 });
    made.answer(head(200), body(FILE), END);
    finish(made);
    expect(made.last).toEqual(FETCHED);
  });

  it("uses other paths, a folder and TLS 1.2 when told to", () => {
    const made = bench({
      baseUrl: "https://server/folder/",
      path: "/a.bin",
      signaturePath: "/s?x",
      tlsMin: "1.2",
    });
    made.push({ type: "fetch", offer: { release: "/a.bin" }, from: 0 });
    expect(made.httpRequests[0]).toMatchObject({ url: "https://server/folder/a.bin", tlsMin: "1.2" });
    made.answer(head(200), body(FILE), END);
    expect(made.httpRequests[1]).toMatchObject({ url: "https://server/folder/s?x" });
  });
});

describe("HttpsSource and its caller", () => {
  it.each([
    { baseUrl: "http://server" },
    { baseUrl: "https://" },
    { baseUrl: "https://user:secret@server" },
    { baseUrl: "https://server/a?b" },
    { path: "firmware.bin" },
    { path: "/a b" },
    { signaturePath: "/a\r\nx: y" },
    { sizeMax: 0 },
    { window: 1.5 },
    { retriesMax: -1 },
    { backOff: ms(0) },
    { backOff: s(2), backOffMax: s(1) },
  ])("refuses %j", (config) => {
    expect(() => bench(config)).toThrow(UsageError);
  });

  it("refuses a second look or fetch, and goes on with the first", () => {
    const made = fetching();
    expect(() => made.push({ type: "look", inventory: NO_INVENTORY })).toThrow(UsageError);
    expect(() => made.push({ type: "fetch", offer: OFFER, from: 0 })).toThrow(UsageError);
    made.answer(head(200, { ...TAG, ...LENGTH }), body(FILE), END);
    finish(made);
    expect(made.last).toEqual(FETCHED);
  });

  it.each([-1, 0.5, 1001, Number.NaN])("refuses to fetch from %d of 1000", (from) => {
    expect(() => fetching({}, from)).toThrow(UsageError);
  });

  it("refuses a release that is no path", () => {
    expect(() => fetching({}, 0, { ...OFFER, release: "@elsewhere/" })).toThrow(UsageError);
  });

  it("reports by saying so, since this system has no reports", () => {
    const made = bench();
    made.push({ type: "report", verdict: "updated", inventory: NO_INVENTORY });
    expect(made.outputs).toEqual([{ type: "reported" }]);
  });

  it("is cancelled before the head, within the body, while backing off and before the signature", () => {
    const until = [
      [],
      [head(200, { ...TAG, ...LENGTH }), body(FILE.subarray(0, 500))],
      [failed("HOST_RESET")],
      [head(200, { ...TAG, ...LENGTH }), body(FILE), END],
    ];
    for (const answers of until) {
      const made = fetching();
      made.answer(...answers);
      const request = made.lastRequest;
      made.push({ type: "cancel" });
      const isUnderWay = answers.at(-1)?.type !== "failed";
      expect(made.last).toEqual({ type: "cancelled" });
      expect(made.outputs.some((output) => output.type === "abandon" && output.request === request)).toBe(isUnderWay);
      expect(made.timeline.next).toBeUndefined();
      const count = made.outputs.length;
      made.answer(head(200), body(FILE), END);
      made.push({ type: "cancel" });
      expect(made.outputs).toHaveLength(count);
    }
  });
});
