import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Instant, RUN_START } from "../../../emulator/kernel/time.ts";
import { readTrace, Trace, type TraceEvent } from "../../../emulator/kernel/trace.ts";
import { TRACE_EVENTS, type TraceEventType } from "../../../emulator/kernel/trace-events.ts";

const at = (instant: number): Instant => instant as Instant;
const TYPES = Object.keys(TRACE_EVENTS) as TraceEventType[];

const VALUES = {
  name: fc.constantFrom("ECU_011", "can1", "", "ü €", "\ufeff𝒳"),
  text: fc.string({ unit: "grapheme", maxLength: 300 }),
  uint: fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 0x7fff_ffff, 0x8000_0000, 2 ** 32, 2 ** 53 - 1)),
  bytes: fc.uint8Array({ maxLength: 70 }).map((bytes) => Uint8Array.from(bytes)),
};

/** Any event of that type; `at` is its distance from the one before. */
function anyEvent(type: TraceEventType): fc.Arbitrary<TraceEvent> {
  const fields = Object.entries(TRACE_EVENTS[type]).map(([field, kind]) => [field, VALUES[kind]] as const);
  return fc.record({
    type: fc.constant(type),
    at: fc.oneof(fc.nat(2000), fc.nat(2 ** 31 - 1)),
    source: VALUES.name,
    ...Object.fromEntries(fields),
  }) as unknown as fc.Arbitrary<TraceEvent>;
}

function recordInto(trace: Trace, { type, at: instant, source, ...fields }: TraceEvent): void {
  trace.record(instant, source, type, fields as never);
}

/** Turns distances into instants. */
function inOrder(events: readonly TraceEvent[]): TraceEvent[] {
  let now = 0;
  return events.map((event) => {
    now += event.at;
    return { ...event, at: at(now) };
  });
}

describe("the trace", () => {
  it.each(TYPES)("gives back any %s as it was recorded", (type) => {
    fc.assert(
      fc.property(fc.array(anyEvent(type), { minLength: 1, maxLength: 3 }), (events) => {
        const ordered = inOrder(events);
        const trace = new Trace();
        for (const event of ordered) recordInto(trace, event);
        expect([...trace.events()]).toEqual(ordered);
        expect(trace.count).toBe(ordered.length);
      }),
      { numRuns: 30 },
    );
  });

  it("gives back any mixture of events, and goes on after it was saved and loaded", () => {
    const mixture = fc.array(fc.constantFrom(...TYPES).chain(anyEvent), { maxLength: 40 });
    fc.assert(
      fc.property(mixture, fc.nat(40), (events, cut) => {
        const ordered = inOrder(events);
        const whole = new Trace();
        for (const event of ordered) recordInto(whole, event);
        const half = new Trace();
        for (const event of ordered.slice(0, cut)) recordInto(half, event);
        const resumed = new Trace();
        recordInto(resumed, { type: "ecu.power", at: at(0), source: "another run", on: 1 });
        resumed.load(structuredClone(half.save()));
        for (const event of ordered.slice(cut)) recordInto(resumed, event);
        expect([...resumed.events()]).toEqual(ordered);
        expect(Buffer.from(resumed.bytes()).equals(Buffer.from(whole.bytes()))).toBe(true);
        expect(resumed.count).toBe(ordered.length);
      }),
      { numRuns: 50 },
    );
  });

  it("has the bytes that docs/protocols/trace.md tells", () => {
    const trace = new Trace();
    const frame = { node: "n", id: 0x7e0, flags: 0, data: Uint8Array.of(0x3e, 0x80), duration: 300 };
    trace.record(at(200), "can1", "can.frame", frame);
    trace.record(at(201), "can1", "can.frame", frame);
    const code = TYPES.indexOf("can.frame") + 1;
    const name = (text: string): number[] => [0, text.length, ...new TextEncoder().encode(text)];
    const fields = [1, 0xe0, 0x0f, 0, 2, 0x3e, 0x80, 0xac, 0x02];
    expect([...trace.bytes()]).toEqual([
      ...name("can1"),
      ...name("n"),
      ...[code, 0xc8, 0x01, 0].concat(fields),
      ...[code, 1, 0].concat(fields),
    ]);
  });

  it("keeps the codes of its events, so that traces of former versions can be read", () => {
    expect(TYPES.slice(0, 5)).toEqual(["run.started", "run.ended", "can.frame", "can.fault", "isotp.failed"]);
  });

  it("calls listeners of that type, in order, until they end", () => {
    const trace = new Trace();
    const heard: string[] = [];
    const endFirst = trace.on("ecu.power", ({ source, on }) => heard.push(`first ${source} ${on}`));
    trace.on("ecu.power", ({ at: instant }) => heard.push(`second ${instant}`));
    trace.on("ecu.reset", () => heard.push("reset"));
    trace.record(at(1), "a", "ecu.power", { on: 1 });
    endFirst();
    endFirst();
    trace.record(at(2), "b", "ecu.power", { on: 0 });
    expect(heard).toEqual(["first a 1", "second 1", "second 2"]);
  });

  it("answers views that later events do not change", () => {
    const trace = new Trace();
    trace.record(at(1), "a", "ecu.power", { on: 1 });
    const bytes = trace.bytes();
    const copy = bytes.slice();
    for (let index = 0; index < 5000; index++) trace.record(at(2), `node ${index}`, "ecu.power", { on: 0 });
    expect(bytes).toEqual(copy);
    expect([...trace.events()]).toHaveLength(5001);
    expect(trace.length).toBe(trace.bytes().length);
  });

  it.each([
    ["a time before the last event's", 4, 1],
    ["a negative number", 6, -1],
    ["a fraction", 6, 0.5],
    ["no number", 6, Number.NaN],
    ["a number over 2^53 - 1", 6, 2 ** 53],
  ])("refuses %s, and records nothing of it", (_what, instant, on) => {
    const trace = new Trace();
    trace.record(at(5), "a", "ecu.power", { on: 1 });
    expect(() => trace.record(at(instant), "b", "ecu.power", { on })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
    trace.record(at(7), "b", "ecu.power", { on: 0 });
    expect([...trace.events()].map((event) => [event.at, event.source])).toEqual([
      [5, "a"],
      [7, "b"],
    ]);
    expect(trace.count).toBe(2);
  });
});

describe("a record that is read", () => {
  const read = (...bytes: number[]): unknown => {
    try {
      return [...readTrace(Uint8Array.from(bytes))].length;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  it("is refused when it is cut in the middle of an event, and is good between two", () => {
    const trace = new Trace();
    const whole: number[] = [0];
    trace.on("stream.data", () => undefined);
    for (const length of [0, 1, 200]) {
      trace.record(RUN_START, "s", "stream.data", { from: "client", data: new Uint8Array(length) });
      whole.push(trace.length);
    }
    const bytes = trace.bytes();
    const names = bytes.indexOf(TYPES.indexOf("stream.data") + 1);
    for (let length = 0; length < bytes.length; length++) {
      const expected = whole.includes(length) || length === 3 || length === names;
      expect(read(...bytes.subarray(0, length)) !== "USAGE").toBe(expected);
    }
  });

  it.each([
    ["an event that this version does not know", [0x7f, 0, 0]],
    ["a name that is not defined", [1, 0, 0, 0, 0]],
    ["more bytes announced than there are", [0, 5, 0x61]],
    ["an integer over 2^53 - 1", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ["an integer without end", Array.from({ length: 400 }, () => 0x80)],
  ])("is refused with %s", (_what, bytes) => {
    expect(read(...bytes)).toBe("USAGE");
  });

  it("gives events or a named error for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const result = read(...bytes);
        expect(typeof result === "number" || result === "USAGE").toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
