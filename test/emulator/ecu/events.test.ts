import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { s } from "../../../emulator/kernel/time.ts";
import { decodeEvents, encodeEvents } from "../../../emulator/uds/events/event.ts";
import { EcuBench } from "./support/ecu-bench.ts";

const TICK = "62 f1 86 01";

/** An ECU whose timer event was started and stored. */
function stored(): EcuBench {
  const bench = EcuBench.running();
  expect(bench.ask("86 42 02 01 22 f1 86")).toBe("c6 42 00 02 01 22 f1 86");
  expect(bench.ask("86 45 02")).toBe("c6 45 01 02");
  return bench;
}

function ticks(bench: EcuBench): readonly string[] {
  const from = bench.responses.length;
  bench.after(s(2.5));
  return bench.responses.slice(from);
}

describe("an event of a record of the application", () => {
  it("is answered when the record has changed", () => {
    const bench = EcuBench.running();
    bench.ask("10 03");
    expect(bench.ask("86 03 02 9b 00 22 9b 00")).toBe("c6 03 00 02 9b 00 22 9b 00");
    bench.ask("86 05 02");
    expect(ticks(bench)).toEqual([expect.stringMatching(/^62 9b 00/), expect.stringMatching(/^62 9b 00/)]);
    bench.ask("2f 9b 00 03 3c");
    expect(ticks(bench)).toEqual(["62 9b 00 3c"]);
  });

  it("can't be set up where the record can't be read", () => {
    const bench = EcuBench.running();
    expect(bench.ask("86 03 02 f2 02 22 f1 86")).toBe("7f 86 31");
    bench.ask("10 03");
    expect(bench.ask("86 03 02 f2 02 22 f1 86")).toBe("7f 86 33");
  });
});

describe("an event of a DTC", () => {
  it.each([
    ["0d", "59 0d"],
    ["0b", "59 0b"],
  ])("is answered with report %s whenever a status changes", (report, answer) => {
    const bench = EcuBench.running();
    expect(bench.ask(`86 08 02 ${report}`)).toBe(`c6 08 00 02 ${report}`);
    bench.ask("86 05 02");
    expect(bench.ask("86 04 02")).toBe(`c6 04 01 08 02 ${report}`);
    expect(ticks(bench)).toEqual([]);
    for (let count = 0; count < 2; count++) bench.push({ type: "tested", dtc: 0xc14687, failed: true });
    const [told, ...more] = ticks(bench);
    expect(told?.startsWith(answer)).toBe(true);
    expect(told).toContain("c1 46 87");
    expect(more).toEqual([]);
  });

  it("stands beside one of another type whose record has the same bytes", () => {
    const bench = EcuBench.running();
    expect(bench.ask("86 01 02 01 19 02 01")).toBe("c6 01 00 02 01 19 02 01");
    expect(bench.ask("86 02 02 01 22 f1 86")).toBe("c6 02 00 02 01 22 f1 86");
    expect(bench.ask("86 05 02")).toBe("c6 05 02 02");
    expect(bench.ask("86 01 02 01 19 02 03")).toBe("c6 01 00 02 01 19 02 03");
    expect(bench.ask("86 05 02")).toBe("c6 05 02 02");
  });

  it("is refused for another report", () => {
    expect(EcuBench.running().ask("86 08 02 02")).toBe("7f 86 31");
  });
});

describe("an event that was stored", () => {
  it("runs again after a reset and after a power cut", () => {
    const bench = stored();
    bench.ask("11 01");
    bench.untilRunning();
    expect(ticks(bench)).toEqual([TICK, TICK]);
    bench.powerOff();
    bench.powerOn();
    expect(ticks(bench)).toEqual([TICK, TICK]);
  });

  it("does not run again once that it stopped was stored", () => {
    const bench = stored();
    bench.ask("86 40 02");
    bench.powerOff();
    bench.powerOn();
    expect(ticks(bench)).toEqual([]);
  });

  it("is forgotten with the power when it was not stored", () => {
    const bench = EcuBench.running();
    bench.ask("86 02 02 01 22 f1 86");
    bench.ask("86 05 02");
    expect(ticks(bench)).toEqual([TICK, TICK]);
    bench.powerOff();
    bench.powerOn();
    expect(ticks(bench)).toEqual([]);
  });

  it("goes on in a fork that is taken while it is being stored", () => {
    const bench = EcuBench.running();
    bench.ask("86 02 02 01 22 f1 86");
    bench.send("86 45 02");
    const fork = new EcuBench(bench.config, "not used");
    fork.world.restore(bench.world.snapshot());
    fork.after(s(0.1));
    expect(fork.responses).toEqual(["c6 45 01 02"]);
    fork.powerOff();
    fork.powerOn();
    expect(ticks(fork)).toEqual([TICK, TICK]);
  });
});

describe("stored events", () => {
  it("read back as they were written", () => {
    const event = { type: 3, window: 2, record: Uint8Array.of(0xf1, 0x95), respond: Uint8Array.of(0x22, 0xf1, 0x95) };
    expect(decodeEvents(encodeEvents([event, event]))).toEqual([event, event]);
  });

  it("are never more than can be read, whatever the bytes", () => {
    const prng = new Prng("events");
    for (let round = 0; round < 2000; round++) {
      const data = prng.bytes(prng.below(40));
      for (const { type, record } of decodeEvents(data))
        expect([1, 2, 3].includes(type) && record.length < 3).toBe(true);
    }
  });
});
