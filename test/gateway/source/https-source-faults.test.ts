import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { s } from "../../../emulator/kernel/time.ts";
import type { HttpsSourceConfig } from "../../../gateway/source/https/https-config.ts";
import { HttpsSource } from "../../../gateway/source/https/https-source.ts";
import type { Offer } from "../../../gateway/source/update-source.ts";
import { body, END, failed, head, NO_INVENTORY, SourceBench } from "../../support/source-bench.ts";

const CONFIG: HttpsSourceConfig = {
  baseUrl: "https://server:4443",
  ca: "the CA",
  backOff: s(1),
  retriesMax: 2,
  sizeMax: 2000,
};
const FILE = new Prng("firmware").bytes(1000);
const OTHER = new Prng("other firmware").bytes(1200);
const SIGNATURE = new Uint8Array(256).fill(7);
const OFFER: Offer = { release: "/firmware_v2.bin", size: 1000, validator: '"one"' };
const WHOLE = head(200, { etag: '"one"', "content-length": "1000" });
const WHOLE_OTHER = head(200, { etag: '"two"', "content-length": "1200" });
const from = (first: number) => head(206, { etag: '"one"', "content-range": `bytes ${first}-999/1000` });

function fetching(first = 0, offer: Offer = OFFER, config: Partial<HttpsSourceConfig> = {}): SourceBench {
  const made = new SourceBench(new HttpsSource({ ...CONFIG, ...config }));
  made.push({ type: "fetch", offer, from: first });
  return made;
}
const finish = (made: SourceBench): void => made.answer(head(200), body(SIGNATURE), END);
const expectFailed = (made: SourceBench, code: string, retryable: boolean): void => {
  expect(made.last).toMatchObject({ type: "failed", error: { code }, retryable });
  expect(made.timeline.next).toBeUndefined();
};

describe("HttpsSource when the server goes away", () => {
  it("goes on behind the last byte it has, a back-off later", () => {
    const made = fetching();
    made.answer(WHOLE, body(FILE.subarray(0, 300)), failed("HOST_RESET"));
    expect(made.httpRequests).toHaveLength(1);
    expect(made.timeline.next).toBe(s(1));
    made.timeline.step();
    expect(made.httpRequests[1]?.headers).toMatchObject({ range: "bytes=300-", "if-range": '"one"' });
    made.answer(from(300), body(FILE.subarray(300)), END);
    finish(made);
    expect(made.received).toEqual(FILE);
    expect(made.last).toMatchObject({ type: "fetched", size: 1000 });
  });

  it("counts its tries anew whenever a further byte has come", () => {
    const made = fetching();
    made.answer(WHOLE, body(FILE.subarray(0, 1)), failed("HOST_RESET"));
    for (let offset = 1; offset < 20; offset++) {
      made.timeline.step();
      made.answer(from(offset), body(FILE.subarray(offset, offset + 1)), failed("HOST_RESET"));
      expect(made.count("failed")).toBe(0);
    }
  });

  it("gives up when tries bring nothing, and the caller can go on from what it has", () => {
    const made = fetching();
    made.answer(WHOLE, body(FILE.subarray(0, 300)), failed("HOST_RESET"));
    made.timeline.step();
    made.answer(failed("HOST_REFUSED"));
    made.timeline.step();
    made.answer(failed("HOST_REFUSED"));
    expectFailed(made, "SOURCE_INTERRUPTED", true);
    expect(made.received).toEqual(FILE.subarray(0, 300));
    made.push({ type: "fetch", offer: OFFER, from: 300 });
    made.answer(from(300), body(FILE.subarray(300)), END);
    finish(made);
    expect(made.received).toEqual(FILE);
  });

  it("does not take for progress what a server without ranges sends again and again", () => {
    const made = fetching();
    for (let tries = 0; tries < 3; tries++) {
      made.answer(WHOLE, body(FILE.subarray(0, 300)), failed("HOST_RESET"));
      made.timeline.step();
    }
    expectFailed(made, "SOURCE_INTERRUPTED", true);
  });

  it("calls it unreachable when nothing has come", () => {
    const made = fetching(300);
    for (let tries = 0; tries < 3; tries++) {
      made.answer(failed("HOST_TIMEOUT"));
      made.timeline.step();
    }
    expectFailed(made, "SOURCE_UNREACHABLE", true);
  });

  it("takes a body that ends too early for an interruption", () => {
    const made = fetching();
    made.answer(head(200, { etag: '"one"' }), body(FILE.subarray(0, 300)), END);
    made.timeline.step();
    expect(made.httpRequests[1]?.headers).toMatchObject({ range: "bytes=300-" });
  });

  it("fetches the signature again from its beginning", () => {
    const made = fetching();
    made.answer(WHOLE, body(FILE), END, head(200), body(SIGNATURE.subarray(0, 100)), failed("HOST_RESET"));
    made.timeline.step();
    expect(made.httpRequests).toHaveLength(3);
    finish(made);
    expect(made.last).toMatchObject({ type: "fetched", signature: { signature: SIGNATURE } });
  });

  it.each([408, 429, 500, 502, 503, 504])("tries again at status %d, then fails and may be asked again", (status) => {
    const made = fetching();
    for (let tries = 0; tries < 3; tries++) {
      made.answer(head(status));
      made.timeline.step();
    }
    expect(made.httpRequests).toHaveLength(3);
    expectFailed(made, "SOURCE_HTTP_STATUS", true);
  });
});

describe("HttpsSource when the file changes on the server", () => {
  it("takes the new one from its beginning when If-Range brings it", () => {
    const made = fetching(300);
    made.answer(WHOLE_OTHER, body(OTHER), END);
    finish(made);
    expect(made.received).toEqual(OTHER);
    expect(made.last).toMatchObject({ type: "fetched", size: 1200 });
  });

  it.each([
    ["another validator", head(206, { etag: '"two"', "content-range": "bytes 300-999/1000" })],
    ["another length", head(206, { etag: '"one"', "content-range": "bytes 300-1199/1200" })],
    ["nothing left", head(416, { "content-range": "bytes */200" })],
    ["416 without a length", head(416)],
  ])("asks again for all of it at %s", (_, answer) => {
    const made = fetching(300);
    made.answer(answer);
    expect(made.httpRequests[1]?.headers).not.toHaveProperty("range");
    made.answer(WHOLE_OTHER, body(OTHER), END);
    finish(made);
    expect(made.received).toEqual(OTHER);
  });

  it("resumes the new one by its own validator", () => {
    const made = fetching(300);
    made.answer(WHOLE_OTHER, body(OTHER.subarray(0, 500)), failed("HOST_RESET"));
    made.timeline.step();
    expect(made.httpRequests[1]?.headers).toMatchObject({ range: "bytes=500-", "if-range": '"two"' });
    made.answer(head(206, { etag: '"two"', "content-range": "bytes 500-1199/1200" }), body(OTHER.subarray(500)), END);
    finish(made);
    expect(made.received).toEqual(OTHER);
  });

  it("gives up at the second change, and may be asked again", () => {
    const made = fetching(300);
    made.answer(WHOLE_OTHER, body(OTHER.subarray(0, 500)), failed("HOST_RESET"));
    made.timeline.step();
    made.answer(head(200, { etag: '"three"', "content-length": "1200" }));
    expectFailed(made, "SOURCE_CHANGED", true);
  });

  it("says that the offer is gone at status 404", () => {
    const made = fetching();
    made.answer(head(404));
    expectFailed(made, "SOURCE_GONE", false);
  });
});

describe("HttpsSource against a server that breaks the rules", () => {
  it.each([
    ["206 without Content-Range", head(206, { etag: '"one"' })],
    ["a range it can't read", head(206, { "content-range": "bytes 300-/1000" })],
    ["several ranges", head(206, { "content-type": "multipart/byteranges; boundary=x" })],
    ["another first byte", head(206, { "content-range": "bytes 200-999/1000" })],
    ["an unsatisfied range as 206", head(206, { "content-range": "bytes */1000" })],
    ["a coding", head(200, { "content-encoding": "gzip", "content-length": "1000" })],
  ])("refuses %s", (_, answer) => {
    const made = fetching(300);
    made.answer(answer, body(FILE), END);
    expectFailed(made, "SOURCE_PROTOCOL", false);
    expect(made.count("piece")).toBe(0);
    expect(made.count("abandon")).toBe(1);
  });

  it("refuses more than the window", () => {
    const made = fetching(300, OFFER, { window: 100 });
    made.answer(from(300));
    expectFailed(made, "SOURCE_PROTOCOL", false);
  });

  it("refuses 206 and 416 when it asked for no range", () => {
    for (const status of [206, 416]) {
      const made = fetching();
      made.answer(head(status, { "content-range": "bytes 0-999/1000" }));
      expectFailed(made, "SOURCE_HTTP_STATUS", false);
    }
  });

  it("refuses a body that is longer than announced, and hands over nothing beyond", () => {
    const made = fetching(300);
    made.answer(from(300), body(FILE.subarray(300)), body(FILE.subarray(0, 1)));
    expectFailed(made, "SOURCE_PROTOCOL", false);
    expect(made.received).toHaveLength(1000);
  });

  it("refuses what is longer than it takes, announced, counted or cut by the host", () => {
    const announced = fetching(0, { release: "/f" });
    announced.answer(head(200, { "content-length": "2001" }));
    expectFailed(announced, "SOURCE_TOO_LARGE", false);

    const counted = fetching(0, { release: "/f" });
    counted.answer(head(200), body(new Uint8Array(2000)), body(new Uint8Array(1)));
    expectFailed(counted, "SOURCE_TOO_LARGE", false);

    const cut = fetching(0, { release: "/f" });
    cut.answer(head(200), failed("HOST_BODY_TOO_LONG"));
    expectFailed(cut, "SOURCE_TOO_LARGE", false);

    const offered = fetching(0, { release: "/f", size: 2001 });
    expectFailed(offered, "SOURCE_TOO_LARGE", false);

    const range = fetching(1, { release: "/f", validator: '"one"' });
    range.answer(head(206, { "content-range": "bytes 1-2000/*" }));
    expect(range.last).toMatchObject({ type: "failed", retryable: false });
  });

  it("refuses a signature that is too long", () => {
    const made = fetching(0, OFFER, { signatureSizeMax: 256 });
    made.answer(WHOLE, body(FILE), END, head(200), body(new Uint8Array(257)));
    expectFailed(made, "SOURCE_TOO_LARGE", false);
  });

  it("refuses an empty file, announced or not", () => {
    const announced = fetching(0, { release: "/f" });
    announced.answer(head(200, { "content-length": "0" }), END);
    expectFailed(announced, "SOURCE_EMPTY", false);
    const silent = fetching(0, { release: "/f" });
    silent.answer(head(200), END);
    expectFailed(silent, "SOURCE_EMPTY", false);
    expect(silent.count("fetched")).toBe(0);
  });

  it("passes over answers to requests that it has given up", () => {
    const made = fetching();
    made.answer(WHOLE, body(FILE.subarray(0, 300)), failed("HOST_RESET"));
    made.answer(body(FILE), END);
    made.push({ type: "answer", request: 99, answer: END });
    expect(made.received).toEqual(FILE.subarray(0, 300));
    expect(made.timeline.next).toBe(s(1));
  });
});

describe("HttpsSource taken out and put back", () => {
  const story = [
    WHOLE,
    body(FILE.subarray(0, 300)),
    failed("HOST_RESET"),
    "wait",
    from(300),
    body(FILE.subarray(300)),
    END,
    head(200),
    body(SIGNATURE),
    END,
  ] as const;

  const play = (made: SourceBench, steps: readonly (typeof story)[number][]): void => {
    for (const step of steps) {
      if (step === "wait") made.timeline.step();
      else made.answer(step);
    }
  };

  it("ends alike wherever the fetch was forked", () => {
    for (let cut = 0; cut <= story.length; cut++) {
      const source = new HttpsSource(CONFIG);
      const made = new SourceBench(source);
      made.push({ type: "fetch", offer: OFFER, from: 0 });
      play(made, story.slice(0, cut));
      const copy = new HttpsSource(CONFIG);
      const fork = new SourceBench(copy);
      fork.timeline.runUntil(made.timeline.now);
      fork.outputs.push(...made.outputs);
      copy.load(structuredClone(source.save()));
      fork.settle();
      const after = made.outputs.length;
      play(made, story.slice(cut));
      play(fork, story.slice(cut));
      expect(fork.outputs.slice(after)).toEqual(made.outputs.slice(after));
      expect(made.last).toMatchObject({ type: "fetched", size: 1000 });
      expect(fork.timeline.now).toBe(made.timeline.now);
    }
  });

  it("is not changed by what happens after it was saved", () => {
    const source = new HttpsSource(CONFIG);
    const made = new SourceBench(source);
    made.push({ type: "fetch", offer: OFFER, from: 0 });
    made.answer(WHOLE, body(FILE), END, head(200), body(SIGNATURE.subarray(0, 10)));
    const saved = source.save();
    const before = JSON.stringify(saved);
    made.answer(body(SIGNATURE.subarray(10)), END);
    made.push({ type: "look", inventory: NO_INVENTORY });
    expect(JSON.stringify(saved)).toBe(before);
  });
});
