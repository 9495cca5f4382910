import { describe, expect, it } from "vitest";
import { type Duration, ms, ns, s } from "../../../emulator/kernel/time.ts";
import { ServerBench } from "./support/server-bench.ts";

const ON_VERSION = "86 03 02 f1 95 22 f1 95";
const FAST_TIMER = "86 02 02 03 22 f1 86";

/** An event set up and started; responses so far forgotten. */
function watching(...setUp: readonly string[]): ServerBench {
  const bench = ServerBench.in("extended");
  for (const request of setUp) expect(bench.ask(request)).toMatch(/^c6/);
  expect(bench.ask("86 05 02")).toMatch(/^c6 05/);
  bench.responses.length = 0;
  return bench;
}

/** Larger than 16, hysteresis 50 %, the 8 bits at the beginning of the data. */
const OVER_SIXTEEN = "02 00 00 00 10 32 20 18";

const change = (bench: ServerBench, value: number): void => {
  bench.host.data.set(0xf195, Uint8Array.of(value));
};

describe("0x86 ResponseOnEvent", () => {
  it.each([
    ["sets up a change of an identifier", ON_VERSION, "c6 03 00 02 f1 95 22 f1 95"],
    ["sets up a timer", FAST_TIMER, "c6 02 00 02 03 22 f1 86"],
    ["stores nothing where there is no memory for it", "86 43 02 f1 95 22 f1 95", "7f 86 22"],
    ["stops when nothing runs", "86 00 02", "c6 00 00 02"],
    ["clears when there is nothing", "86 06 02", "c6 06 00 02"],
    ["reports that nothing runs", "86 04 02", "c6 04 00"],
    ["wants something to start", "86 05 02", "7f 86 24"],
    ["suppresses its positive response", "86 83 02 f1 95 22 f1 95", ""],
    ["has no DTC record information", "86 09 02", "7f 86 12"],
    ["sets up a comparison", `86 07 02 f1 95 ${OVER_SIXTEEN} 22 f1 95`, `c6 07 00 02 f1 95 ${OVER_SIXTEEN} 22 f1 95`],
    ["wants the whole comparison", `86 07 02 f1 95 ${OVER_SIXTEEN.slice(0, -3)}`, "7f 86 13"],
    ["wants a request to answer a comparison", `86 07 02 f1 95 ${OVER_SIXTEEN}`, "7f 86 13"],
    ["refuses a comparison that is reserved", "86 07 02 f1 95 05 00 00 00 10 32 20 18 22 f1 95", "7f 86 31"],
    ["refuses a hysteresis over 100 %", "86 07 02 f1 95 02 00 00 00 10 65 20 18 22 f1 95", "7f 86 31"],
    ["refuses a hysteresis of an equality", "86 07 02 f1 95 03 00 00 00 10 01 20 18 22 f1 95", "7f 86 31"],
    ["refuses a value behind the data", "86 07 02 f1 95 02 00 00 00 10 32 20 41 22 f1 95", "7f 86 31"],
    [
      "takes a value at the end of the data",
      "86 07 02 f1 95 02 00 00 00 10 00 20 38 22 f1 95",
      "c6 07 00 02 f1 95 02 00 00 00 10 00 20 38 22 f1 95",
    ],
    ["refuses to compare what is not there", `86 07 02 12 34 ${OVER_SIXTEEN} 22 f1 95`, "7f 86 31"],
    ["refuses to compare what is locked", `86 07 02 f1 a1 ${OVER_SIXTEEN} 22 f1 95`, "7f 86 33"],
    ["has no DTCs to report", "86 08 02 0e", "7f 86 31"],
    ["wants a report", "86 08 02", "7f 86 13"],
    ["wants nothing behind a report", "86 08 02 0e 19", "7f 86 13"],
    ["wants the type", "86", "7f 86 13"],
    ["wants a request to answer", "86 03 02 f1 95", "7f 86 13"],
    ["wants the whole record", "86 02 02", "7f 86 13"],
    ["wants the window", "86 05", "7f 86 13"],
    ["wants nothing behind the window", "86 05 02 00", "7f 86 13"],
    ["refuses a window that is reserved", "86 05 01", "7f 86 31"],
    ["refuses a window that is reserved, when set up", "86 03 07 f1 95 22 f1 95", "7f 86 31"],
    ["refuses a timer that is reserved", "86 02 02 04 22 f1 95", "7f 86 31"],
    ["refuses an identifier that is not there", "86 03 02 12 34 22 f1 95", "7f 86 31"],
    ["refuses an identifier that is locked", "86 03 02 f1 a1 22 f1 95", "7f 86 33"],
    ["refuses to do anything but read", "86 03 02 f1 95 11 01", "7f 86 31"],
    ["refuses a request that is too long", `86 03 02 f1 95 22 ${"f1 95 ".repeat(16)}`, "7f 86 31"],
    ["refuses status bits that no DTC has", "86 01 02 00 19 02 ff", "7f 86 31"],
  ])("%s: %s -> %s", (_title, request, response) => {
    expect(ServerBench.in("extended").ask(request)).toBe(response);
  });

  it("answers when the data of an identifier has changed, once for each change", () => {
    const bench = watching(ON_VERSION);
    bench.after(s(1));
    expect(bench.responses).toEqual([]);
    change(bench, 7);
    bench.after(ms(100));
    expect(bench.responses).toEqual(["62 f1 95 07"]);
    bench.after(s(1));
    change(bench, 8);
    bench.after(ms(100));
    expect(bench.responses).toEqual(["62 f1 95 07", "62 f1 95 08"]);
  });

  it.each([
    ["03", ms(100)],
    ["02", ms(300)],
    ["01", s(1)],
  ] as const)("answers at each tick of timer %s", (rate, period) => {
    const bench = watching(`86 02 02 ${rate} 22 f1 86`);
    bench.after((period - ns(1)) as Duration);
    expect(bench.responses).toEqual([]);
    bench.after(ns(1));
    expect(bench.responses).toEqual(["62 f1 86 03"]);
    bench.after(period);
    expect(bench.responses.length).toBe(2);
  });

  it("sends the negative response that the request gets", () => {
    const bench = watching("86 02 02 01 22 12 34");
    bench.after(s(1));
    expect(bench.responses).toEqual(["7f 22 31"]);
  });

  const comparing = (record: string): ServerBench => {
    const bench = ServerBench.in("extended", false, { s3Server: s(600) });
    change(bench, 0x10);
    expect(bench.ask(`86 07 02 f1 95 ${record} 22 f1 95`)).toMatch(/^c6/);
    bench.ask("86 05 02");
    bench.responses.length = 0;
    return bench;
  };

  it.each<readonly [string, string, readonly number[], readonly number[]]>([
    ["larger", "02 00 00 00 10 00 20 18", [0x10, 0x11, 0x12, 0x10, 0x11], [0x11, 0x11]],
    ["larger, with hysteresis", OVER_SIXTEEN, [0x11, 0x10, 0x11, 0x09, 0x11, 0x08, 0x11], [0x11, 0x11]],
    ["less", "01 00 00 00 10 00 20 18", [0x0f, 0x0e, 0x10, 0x00], [0x0f, 0x00]],
    ["less, with hysteresis", "01 00 00 00 10 32 20 18", [0x0f, 0x17, 0x0f, 0x18, 0x0f], [0x0f, 0x0f]],
    ["equal", "03 00 00 00 11 00 20 18", [0x11, 0x11, 0x12, 0x11], [0x11, 0x11]],
    ["not equal", "04 00 00 00 10 00 20 18", [0x11, 0x12, 0x10, 0x12], [0x11, 0x12]],
    ["signed", "01 ff ff ff f0 00 a0 18", [0xf0, 0xef, 0x7f, 0x80], [0xef, 0x80]],
    ["not signed", "01 00 00 00 f0 00 20 18", [0xf0, 0xef, 0xff], [0xef]],
    ["of the lower four bits", "03 00 00 00 07 00 10 1c", [0x71, 0x37, 0x47, 0x78, 0x07], [0x37, 0x07]],
  ])("answers when a comparison begins to hold: %s", (_, record, values, expected) => {
    const bench = comparing(record);
    for (const value of values) {
      change(bench, value);
      bench.after(ms(100));
    }
    expect(bench.responses).toEqual(expected.map((value) => `62 f1 95 ${value.toString(16).padStart(2, "0")}`));
  });

  it("compares whole words, and goes on in a fork", () => {
    const bench = comparing("02 00 00 00 10 00 20 18");
    bench.ask("86 06 02");
    bench.host.data.set(0xf195, Uint8Array.of(0x7f, 0xff, 0xff, 0xff));
    bench.ask("86 07 02 f1 95 02 80 00 00 00 00 00 18 22 f1 95");
    bench.ask("86 05 02");
    const fork = new ServerBench();
    fork.world.restore(bench.world.snapshot());
    fork.host.data.set(0xf195, Uint8Array.of(0x80, 0x00, 0x00, 0x01));
    fork.after(ms(100));
    expect(fork.responses).toEqual(["62 f1 95 80 00 00 01"]);
  });

  it("tells a change only when the request in progress is answered", () => {
    const bench = watching(ON_VERSION);
    bench.host.busyFor = s(1);
    bench.ask("31 01 02 03");
    change(bench, 7);
    bench.after(ms(999));
    expect(bench.responses.filter((response) => !response.endsWith("78"))).toEqual([]);
    bench.after(ms(101));
    expect(bench.responses.slice(-2)).toEqual(["71 01 02 03", "62 f1 95 07"]);
  });

  it("answers one event at a time, and the other at its next turn", () => {
    const bench = watching(ON_VERSION, "86 03 02 f1 90 22 f1 86");
    change(bench, 7);
    bench.host.data.set(0xf190, Uint8Array.of(1));
    bench.after(ms(100));
    expect(bench.responses).toEqual(["62 f1 95 07"]);
    bench.after(ms(100));
    expect(bench.responses).toEqual(["62 f1 95 07", "62 f1 86 03"]);
  });

  it.each([
    ["86 00 02", (bench: ServerBench) => bench.ask("86 00 02")],
    ["86 06 02", (bench: ServerBench) => bench.ask("86 06 02")],
    ["a session change", (bench: ServerBench) => bench.ask("10 03")],
    ["S3", (bench: ServerBench) => bench.after(s(5))],
  ])("is silent after %s", (_title, end) => {
    const bench = watching(ON_VERSION);
    end(bench);
    const before = bench.responses.length;
    change(bench, 7);
    bench.after(s(1));
    expect(bench.responses.length).toBe(before);
  });

  it("ends with its window", () => {
    const bench = ServerBench.in("default");
    bench.ask("86 02 03 01 22 f1 86");
    bench.ask("86 05 03");
    bench.responses.length = 0;
    bench.after(s(30));
    expect(bench.responses.length).toBe(9); // the tenth tick is the end of the window
    expect(bench.world.timeline.next).toBeUndefined();
  });

  it("does not keep the session alive", () => {
    const bench = watching(FAST_TIMER);
    bench.after(s(5));
    expect(bench.server.session).toBe(1);
  });

  it("reports what runs", () => {
    const bench = watching(ON_VERSION, "86 02 03 01 22 f1 86");
    expect(bench.ask("86 04 02")).toBe("c6 04 02 03 02 f1 95 22 f1 95 02 03 01 22 f1 86");
    bench.ask("86 00 02");
    expect(bench.ask("86 04 02")).toBe("c6 04 00");
  });

  it("has room for four, and one with the same record takes the place of the old one", () => {
    const bench = ServerBench.in("extended");
    for (const record of ["f1 86", "f1 90", "f1 95", "f1 a0"]) {
      expect(bench.ask(`86 03 02 ${record} 22 f1 95`)).toMatch(/^c6/);
    }
    expect(bench.ask("86 03 02 f1 a2 22 f1 95")).toBe("7f 86 22");
    expect(bench.ask("86 03 03 f1 95 22 f1 90")).toBe("c6 03 00 03 f1 95 22 f1 90");
  });

  it("goes on in a fork", () => {
    const bench = watching(ON_VERSION);
    const fork = new ServerBench();
    fork.world.restore(bench.world.snapshot());
    change(fork, 9);
    fork.after(ms(100));
    expect(fork.responses).toEqual(["62 f1 95 09"]);
  });
});
