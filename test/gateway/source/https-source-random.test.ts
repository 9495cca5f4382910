import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { ms } from "../../../emulator/kernel/time.ts";
import type { HostAnswer, HostRequest } from "../../../gateway/source/host-request.ts";
import { HttpsSource } from "../../../gateway/source/https/https-source.ts";
import { body, END, failed, head, SourceBench } from "../../support/source-bench.ts";

const SEED = process.env.OTABENCH_SEED ?? "20261121";
const RUNS = 500;
const SIZE_MAX = 4000;
const REQUESTS_MAX = 2000;

/** A server that is right about validators and lengths, and otherwise does what it likes. */
class MoodyServer {
  readonly versions: Uint8Array[];
  current = 0;
  readonly #prng: Prng;
  readonly #trouble: number;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#trouble = prng.below(60);
    this.versions = Array.from({ length: 3 }, () => prng.bytes(1 + prng.below(3000)));
  }

  answer(request: HostRequest): HostAnswer[] {
    if (this.#chance(this.#trouble)) return [this.#refusal()];
    if (request.kind !== "http") throw new Error("a request of another system");
    if (request.url.endsWith(".sig")) return this.#cut([head(200), ...this.#pieces(new Uint8Array(256)), END]);
    if (this.#chance(8)) this.current = this.#prng.below(this.versions.length);
    const file = this.versions[this.current] as Uint8Array;
    const etag = `"${this.current}"`;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const isWhole = range === null || request.headers["if-range"] !== etag || this.#chance(10);
    if (isWhole) {
      const fields = { etag, ...(this.#chance(50) && { "content-length": String(file.length) }) };
      return this.#cut([head(200, fields), ...this.#pieces(file), END]);
    }
    const first = Number(range[1]);
    if (first >= file.length) return [head(416, { "content-range": `bytes */${file.length}` }), END];
    let last = Math.min(range[2] === "" ? file.length : Number(range[2]), file.length - 1);
    if (this.#chance(20)) last = first + this.#prng.below(last - first + 1);
    const total = this.#chance(80) ? file.length : "*";
    const fields = { etag, "content-range": `bytes ${first}-${last}/${total}` };
    return this.#cut([head(206, fields), ...this.#pieces(file.subarray(first, last + 1)), END]);
  }

  #chance(percent: number): boolean {
    return this.#prng.below(100) < percent;
  }

  #refusal(): HostAnswer {
    const all = [failed("HOST_REFUSED"), failed("HOST_RESET"), failed("HOST_TIMEOUT"), head(503), head(429)];
    return all[this.#prng.below(all.length)] as HostAnswer;
  }

  #pieces(data: Uint8Array): HostAnswer[] {
    const pieces: HostAnswer[] = [];
    for (let offset = 0; offset < data.length; offset += 400) pieces.push(body(data.subarray(offset, offset + 400)));
    return pieces;
  }

  #cut(answers: HostAnswer[]): HostAnswer[] {
    if (!this.#chance(this.#trouble)) return answers;
    return [...answers.slice(0, 1 + this.#prng.below(answers.length - 1)), failed("HOST_RESET")];
  }
}

/** Answers requests until the source is at an end. @returns how many there were */
function serve(bench: SourceBench, server: MoodyServer): number {
  let served = 0;
  while (served < REQUESTS_MAX) {
    const { requests, lastRequest } = bench;
    const request = requests.at(-1) as HostRequest;
    if (requests.length > served) {
      served = requests.length;
      for (const answer of server.answer(request)) bench.push({ type: "answer", request: lastRequest, answer });
    } else if (!bench.timeline.step()) {
      return served;
    }
  }
  return served;
}

/** One fetch from a random byte on. @returns "fetched", or the code that it failed with */
function play(run: number): string {
  const why = `SEED=${SEED} run ${run}`;
  const prng = new Prng(`${SEED} ${run}`);
  const server = new MoodyServer(prng);
  const window = prng.below(2) === 0 ? {} : { window: 1 + prng.below(2000) };
  const config = { baseUrl: "https://s", ca: "", backOff: ms(1), retriesMax: 4, sizeMax: SIZE_MAX, ...window };
  const bench = new SourceBench(new HttpsSource(config));
  const file = server.versions[0] as Uint8Array;
  const size = prng.below(2) === 0 ? {} : { size: file.length };
  const from = prng.below(file.length + 1);
  bench.push({ type: "fetch", offer: { release: "/f", validator: '"0"', ...size }, from });
  bench.outputs.unshift({ type: "piece", offset: 0, data: file.subarray(0, from) }); // what the caller has
  expect(serve(bench, server), why).toBeLessThan(REQUESTS_MAX);
  const end = bench.last;
  if (end?.type === "failed") return end.error.code;
  expect(end, why).toMatchObject({ type: "fetched", size: bench.received.length });
  const { received } = bench;
  const isOne = server.versions.some((version) => Buffer.compare(version, received) === 0);
  expect(isOne, why).toBe(true);
  return "fetched";
}

describe(`HttpsSource before a moody server (SEED=${SEED})`, () => {
  it(`always ends, and never with a mixture (${RUNS} runs)`, () => {
    const ends = new Map<string, number>();
    for (let run = 0; run < RUNS; run++) {
      const end = play(run);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    expect(ends.get("fetched")).toBeGreaterThan(RUNS / 4);
    const named = ["SOURCE_CHANGED", "SOURCE_HTTP_STATUS", "SOURCE_INTERRUPTED", "SOURCE_UNREACHABLE", "fetched"];
    expect([...ends.keys()].filter((end) => !named.includes(end))).toEqual([]);
    expect(ends.size).toBeGreaterThan(2);
  });
});
