import { describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { ms, s } from "../../emulator/kernel/time.ts";
import type { EventsConfig } from "../../emulator/uds/events/config.ts";
import { bytes, type EcuBench, hex } from "../emulator/ecu/support/ecu-bench.ts";
import { EXAMPLES, enter, SESSIONS, securedRequest, wholeEcu } from "../emulator/ecu/support/every-service.ts";
import { RUNS, TIMEOUT_MS } from "./runs.ts";

/** Requests of every service, beside the examples: other sub-functions, other fields. */
const MORE = [
  "10 02",
  "11 01",
  "19 06 c1 46 87 ff",
  "19 04 c1 46 87 ff",
  "19 0a",
  "22 f1 90 f1 95 02 00 f3 01",
  "23 44 80 0d 20 00 00 00 10 00",
  "27 02 00 00 00 00",
  "28 04 01 00 01",
  "29 05 00 06 08 2a 86 48 86 f7 0d 02 09 00 00 00 00 00 00",
  "29 06 06 08 2a 86 48 86 f7 0d 02 09 00 00 00 00 00 00 00 01 aa 00 00 00 00",
  "2a 04",
  "2c 02 f3 02 14 70 00 00 10 02",
  "2c 03",
  "2f 01 55 03 01 1f 40 64 a0",
  "31 01 ff 00 44 80 0d 20 00 00 00 10 00",
  "31 01 ff 01",
  "31 01 03 01",
  "36 02 01 02 03",
  "38 04 00 02 2f 61 00",
  "38 05 00 01 2f",
  "38 06 00 02 2f 61 00 01 02 02",
  "86 03 02 9b 00 22 9b 00",
  "86 02 03 03 22 f1 86",
  "86 07 02 9b 00 02 00 00 00 10 32 20 18 22 9b 00",
  "86 08 02 0d",
  "86 45 02",
  "87 03",
];
const SAMPLES = [...EXAMPLES.flatMap(({ before = [], request }) => [...before, request]), ...MORE].map(bytes);

/** No event answers on its own, so that every response is one to the request before it. */
const NO_EVENTS: EventsConfig = {
  countMax: 0,
  interval: s(1),
  timers: [s(1), s(1), s(1)],
  windows: [s(1), s(1), s(1)],
};
/** The longest work, and all 0x78 before its end. */
const PATIENCE = s(30);

/** What is kept between requests, by its size as text. */
const keptLength = (bench: EcuBench): number => {
  const { server, programming, kept } = bench.core.save();
  return JSON.stringify([server, programming, kept.security, kept.events, kept.replay]).length;
};
/** Eight definitions of 16 pieces, four authorities, four events and a block: what the limits allow. */
const KEPT_MAX = 64 * 1024;

function spoilt(prng: Prng, counter: number): Uint8Array {
  const request = (SAMPLES[prng.below(SAMPLES.length)] as Uint8Array).slice();
  const at = prng.below(request.length);
  switch (prng.below(8)) {
    case 0:
      return request.subarray(0, 1 + at);
    case 1:
      return Uint8Array.of(...request, ...prng.bytes(1 + prng.below(8)));
    case 2:
    case 3:
      if (at > 0) request[at] = prng.below(256);
      return request;
    case 4:
      return Uint8Array.of(request[0] as number, ...prng.bytes(prng.below(24)));
    case 5:
      return prng.bytes(1 + prng.below(64));
    case 6:
      return bytes(securedRequest(hex(request), counter & 0xffff));
    default:
      return request;
  }
}

/** 0x78 in any number, and then one response, or none. */
const FINAL = /^(7f .. 78, )*(?!7f .. 78).+$/;

function isFit(answers: readonly string[], request: Uint8Array, functional: boolean): boolean {
  if (answers.length === 0) return true; // suppressed, or functional: which of them is tested elsewhere
  const last = answers.at(-1) as string;
  const sid = hex(request.subarray(0, 1));
  const positive = hex(Uint8Array.of(((request[0] as number) + 0x40) & 0xff));
  const own = last.startsWith(`7f ${sid} `) || last.startsWith(positive);
  const quiet = functional && answers.length === 1 && /^7f .. (11|12|31|7e|7f)$/.test(last);
  return own && !quiet && FINAL.test(answers.join(", "));
}

/** Answers that must come: to a physical request that says nothing of suppression. */
const isOwed = (request: Uint8Array, functional: boolean): boolean =>
  !functional && ((request[1] ?? 0) & 0x80) === 0 && request[0] !== 0x84;

function prepare(bench: EcuBench, session: (typeof SESSIONS)[number], unlocked: boolean): void {
  if (bench.core.running === undefined) bench.untilRunning();
  bench.after(ms(10)); // after too many wrong keys
  enter(bench, session, unlocked);
  bench.world.trace.load({ bytes: new Uint8Array(0), count: 0 });
  for (const told of [bench.responses, bench.periodic, bench.broadcasts, bench.resets]) told.length = 0;
}

/** All that comes back until the server is done with it. */
function answersTo(bench: EcuBench, request: Uint8Array, functional: boolean): readonly string[] {
  const from = bench.responses.length;
  bench.send(hex(request), functional);
  for (let waited = 0; bench.core.save().server.work !== undefined && waited < PATIENCE; waited += s(1)) {
    bench.after(s(1));
  }
  return bench.responses.slice(from);
}

/** One step of a tester that does not wait, and of a bus that does not keep up. */
function flood(bench: EcuBench, count: number, prng: Prng): void {
  bench.confirmsAtOnce = prng.below(3) > 0;
  bench.send(hex(spoilt(prng, count)), prng.below(3) === 0);
  if (prng.below(4) === 0) bench.after(ms(prng.below(1000)));
  if (prng.below(4) === 0) bench.confirm();
}

describe("every request that can come", () => {
  const cases = SESSIONS.flatMap((session) =>
    [false, true].flatMap((unlocked) => [false, true].map((functional) => ({ session, unlocked, functional }))),
  );

  it.each(cases)(
    "ends with one response at most: $session session, unlocked $unlocked, functional $functional",
    ({ session, unlocked, functional }) => {
      const seed = `${session} ${unlocked} ${functional}`;
      const prng = new Prng(seed);
      const bench = wholeEcu({ events: NO_EVENTS, securityDelay: s(0.001), s3Server: s(60) });
      for (let count = 0; count < RUNS / cases.length; count++) {
        if (count % 16 === 0 || bench.core.running === undefined) {
          prepare(bench, session, unlocked);
          expect(bench.core.save().server.memory.unlocked).toBe(unlocked && session !== "default");
        }
        const request = spoilt(prng, count);
        const answers = answersTo(bench, request, functional);
        const where = `seed "${seed}", request ${count}: ${hex(request)} -> ${answers.join(", ")}`;
        expect(bench.core.save().server.work, where).toBeUndefined();
        expect(isFit(answers, request, functional), where).toBe(true);
        if (isOwed(request, functional)) expect(answers.length, where).toBeGreaterThan(0);
        if (count % 64 === 0) expect(keptLength(bench), where).toBeLessThan(KEPT_MAX);
      }
      prepare(bench, "default", false);
      expect(bench.ask("22 f1 86")).toBe("62 f1 86 01");
    },
    TIMEOUT_MS,
  );

  it(
    "leaves the ECU serving when they come faster than they are answered, events, resets and all",
    () => {
      const prng = new Prng("flood");
      const bench = wholeEcu();
      for (let count = 0; count < RUNS; count++) {
        if (bench.core.running === undefined) bench.untilRunning();
        if (count % 50 === 0) prepare(bench, SESSIONS[prng.below(3)] as (typeof SESSIONS)[number], prng.below(2) === 0);
        flood(bench, count, prng);
        const { outbox, periodic } = bench.core.save().server;
        expect(outbox.length + periodic.length).toBeLessThanOrEqual(16);
        if (count % 64 === 0) expect(keptLength(bench)).toBeLessThan(KEPT_MAX);
      }
      bench.confirmsAtOnce = true;
      for (let count = 0; count < 8; count++) bench.confirm();
      bench.after(PATIENCE);
      if (bench.core.running === undefined) bench.untilRunning();
      bench.ask("86 00 02");
      bench.responses.length = 0;
      prepare(bench, "default", false);
      expect(bench.ask("22 f1 86")).toBe("62 f1 86 01");
    },
    TIMEOUT_MS,
  );
});
