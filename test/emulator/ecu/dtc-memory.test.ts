import { describe, expect, it } from "vitest";
import { type DtcDefinition, FAMILY_DTCS } from "../../../emulator/ecu/dtc-config.ts";
import { DtcMemory } from "../../../emulator/ecu/dtc-memory.ts";
import { Flash } from "../../../emulator/ecu/flash.ts";
import { RecordStore } from "../../../emulator/ecu/record-store.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, s } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { EcuBench, image, smallEcu, UPDATED } from "./support/ecu-bench.ts";

const STATUS_OF = (dtc: string): string => `19 09 ${dtc}`;
/** What 19 02 says of those that have failed since the last clear, without its head. */
const failedOnes = (bench: EcuBench): string => bench.ask("19 02 20").slice("59 02 ff".length).trim();

const start = (): EcuBench => {
  const bench = EcuBench.running();
  bench.after(s(1));
  return bench;
};

describe("a DTC arises", () => {
  it("when an image does not pass its check, and its test passes with the next image", () => {
    const bench = start();
    bench.enterProgramming();
    const bad = image("1.1.0").fill(0, 5000, 5001);
    bench.download(bad);
    expect(bench.ask("31 01 ff 02")).not.toBe("71 01 ff 02 00");
    expect(failedOnes(bench)).toBe("f0 00 57 2f");
    expect(bench.ask("19 04 f0 00 57 ff").startsWith("59 04 f0 00 57 2f 01 03 f1 86 02 f1 95")).toBe(true);
    bench.download(image("1.1.0"));
    expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 00");
    expect(failedOnes(bench)).toBe("f0 00 57 2e");
  });

  it("when flash can't be programmed", () => {
    const bench = EcuBench.running(smallEcu({ behaviours: [{ name: "negativeResponse", sid: 0x36, nrc: 0x72 }] }));
    bench.enterProgramming();
    expect(bench.download(image("1.1.0"))).toBe("7f 36 72");
    expect(bench.ask(STATUS_OF("f0 00 45"))).toBe("59 09 ff 80 10 f0 00 45 af");
    expect(bench.download(image("1.1.0"))).toBe("77");
    expect(bench.ask(STATUS_OF("f0 00 45"))).toBe("59 09 ff 80 10 f0 00 45 ae");
  });

  it("when new software is given up after its trial", () => {
    const bench = EcuBench.running(smallEcu({ behaviours: [{ name: "crashOnTrial" }] }));
    bench.update(image("1.1.0"));
    bench.after(s(10));
    expect(bench.core.running).toMatchObject({ version: "1.0.0" });
    expect(failedOnes(bench)).toBe("f0 00 52 2f");
  });

  it("when a longer request breaks off: pending in one cycle, confirmed in two", () => {
    const bench = start();
    bench.push({ type: "receptionFailed" });
    expect(failedOnes(bench)).toBe("c0 01 87 27");
    bench.after(s(1));
    bench.ask("11 01");
    bench.untilRunning();
    expect(failedOnes(bench)).toBe("c0 01 87 65");
    bench.push({ type: "receptionFailed" });
    expect(failedOnes(bench)).toBe("c0 01 87 2f");
    bench.push({ type: "receiving" });
    bench.ask("22 f1 86 f1 86 f1 86 f1 86");
    expect(failedOnes(bench)).toBe("c0 01 87 2e");
  });

  it("when somebody else reports it, such as a supply voltage that is too low", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0xf00316, failed: true });
    expect(failedOnes(bench)).toBe("f0 03 16 27");
    bench.powerOff();
    bench.push({ type: "tested", dtc: 0xf00316, failed: false });
    expect(bench.core.powered).toBe(false);
  });

  it("not in an update that succeeds", () => {
    const bench = start();
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
    bench.after(s(3));
    expect(failedOnes(bench)).toBe("");
    expect(bench.ask("19 01 10")).toBe("59 01 ff 00 00 03"); // tested: programming, image, software
  });

  it("not for a code that the ECU does not have", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0x123456, failed: true });
    expect(failedOnes(bench)).toBe("");
  });
});

describe("the DTC memory", () => {
  it("outlives resets and power cuts", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0xf00045, failed: true });
    bench.after(ms(100));
    const [snapshots, extended] = [bench.ask("19 04 f0 00 45 ff"), bench.ask("19 06 f0 00 45 ff")];
    bench.powerOff();
    bench.powerOn();
    expect(failedOnes(bench)).toBe("f0 00 45 ed");
    expect(bench.ask("19 04 f0 00 45 ff")).toBe(snapshots.replace("45 af", "45 ed"));
    expect(bench.ask("19 06 f0 00 45 ff")).toBe(extended.replace("45 af", "45 ed"));
    expect(bench.ask("19 0b")).toBe("59 0b ff f0 00 45 ed");
  });

  it("goes on with its operation cycle after 11 03, and begins one after 11 01", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0xf00045, failed: true });
    bench.ask("11 03");
    bench.untilRunning();
    expect(failedOnes(bench)).toBe("f0 00 45 af");
    bench.ask("11 01");
    bench.untilRunning();
    expect(failedOnes(bench)).toBe("f0 00 45 ed");
  });

  it("is stored before a reset that was asked for", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0xf00045, failed: true });
    bench.push({ type: "tested", dtc: 0xf00057, failed: true }); // a second write behind the first
    expect(bench.ask("11 01")).toBe("51 01");
    bench.untilRunning();
    expect(failedOnes(bench)).toBe("f0 00 45 ed f0 00 57 6d");
  });

  it("holds after a power cut at any moment what it held before or after the write", () => {
    const seen = new Set<string>();
    for (let cut = 0; cut <= 30; cut++) {
      const bench = start();
      bench.push({ type: "tested", dtc: 0xf00045, failed: true });
      bench.after(s(1));
      bench.push({ type: "tested", dtc: 0xf00057, failed: true });
      bench.after(ms(cut));
      bench.powerOff();
      bench.powerOn();
      seen.add(failedOnes(bench));
      expect(bench.ask("14 ff ff ff")).toBe("54");
    }
    expect([...seen]).toEqual(["f0 00 45 ed", "f0 00 45 ed f0 00 57 6d"]);
  });

  it("writes nothing while an ECU without faults is started again and again", () => {
    const bench = start();
    bench.update(image("1.1.0"));
    bench.after(s(3));
    const writes = () => bench.events("flash.erased").filter(({ address }) => address >= 0xafc00000).length;
    const before = writes();
    for (let run = 0; run < 5; run++) {
      bench.ask("11 01");
      bench.untilRunning();
      bench.after(s(1));
    }
    expect(writes()).toBe(before);
  });

  it("says every change of a status in the trace", () => {
    const bench = start();
    bench.push({ type: "tested", dtc: 0xf00316, failed: true });
    bench.ask("14 ff ff ff");
    expect(bench.events("dtc.status").map(({ dtc, from, to }) => [dtc, from, to])).toEqual([
      [0xf00316, 0x50, 0x27],
      [0xf00316, 0x27, 0x50],
    ]);
  });

  it("goes on alike in a second world that was forked in the middle of a write", () => {
    const [one, other] = [start(), new EcuBench()];
    one.push({ type: "tested", dtc: 0xf00045, failed: true });
    one.ask("10 03");
    one.ask("85 02 f0 00 57");
    one.after(ms(10));
    other.world.restore(one.world.snapshot());
    for (const bench of [one, other]) {
      bench.push({ type: "tested", dtc: 0xf00057, failed: true });
      bench.push({ type: "tested", dtc: 0xf00316, failed: true });
      bench.after(s(1));
    }
    expect(failedOnes(one)).toBe("f0 00 45 af f0 03 16 27");
    expect(failedOnes(other)).toBe(failedOnes(one));
  });

  it("refuses more DTCs than its flash can hold", () => {
    const [definition] = FAMILY_DTCS.definitions as readonly [DtcDefinition];
    const definitions = Array.from({ length: 30 }, (_, code) => ({ ...definition, code }));
    const parts = { tracer: new World().trace, freeze: () => undefined };
    expect(() => new DtcMemory("ECU", { ...FAMILY_DTCS, definitions }, parts)).toThrow(/30 DTCs do not fit/);
  });

  it("leaves out of a snapshot what does not fit or is not there", () => {
    const bench = EcuBench.running(
      smallEcu({ dtcs: { snapshotDids: [0xf190, 0xf15b, 0xf190, 0xf190, 0xf190, 0xf186] } }),
    );
    bench.push({ type: "tested", dtc: 0xf00045, failed: true });
    const answer = bench.ask("19 04 f0 00 45 01").split(" ");
    expect(answer.slice(0, 8)).toEqual("59 04 f0 00 45 af 01 04".split(" ")); // 3 x F190, F186
    expect(answer).toHaveLength(8 + 3 * 19 + 3);
  });
});

describe("a record in two copies", () => {
  it("is found as it was, whatever else lies in the flash", () => {
    const { trace } = new World();
    const flash = new Flash("ECU", FAMILY_DTCS.flash, trace);
    const prng = new Prng("records");
    const store = new RecordStore(flash);
    for (let run = 0; run < 300; run++) {
      flash.place(FAMILY_DTCS.flash.address, prng.bytes(64));
      flash.place(FAMILY_DTCS.flash.address + FAMILY_DTCS.flash.sectorSize, prng.bytes(64));
      expect(store.open()).toBeUndefined();
    }
    let now = 0 as Instant;
    const settle = (): void => {
      for (let next = store.deadline; next !== undefined; next = store.deadline) {
        now = next;
        store.handleDeadline(now);
      }
    };
    for (const length of [0, 1, store.capacity, 20]) {
      const data = prng.bytes(length);
      store.write(data, now);
      settle();
      expect(store.open()).toEqual(data);
    }
  });
});
