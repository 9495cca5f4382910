import { describe, expect, it } from "vitest";
import type { Behaviour } from "../../../emulator/ecu/behaviours.ts";
import type { WatchdogConfig } from "../../../emulator/ecu/config.ts";
import { ms, ns, s } from "../../../emulator/kernel/time.ts";
import { EcuBench, image, smallEcu, UPDATED } from "./support/ecu-bench.ts";

const HANG: Behaviour = { name: "hang", sid: 0x22 };
const CYCLIC = [{ id: 0x100, extended: false, period: ms(50), data: new Uint8Array(0) }];

function running(watchdog: Partial<WatchdogConfig>, ...behaviours: readonly Behaviour[]): EcuBench {
  return EcuBench.running(smallEcu({ watchdog, behaviours, messages: { cyclic: CYCLIC } }));
}
const causes = (bench: EcuBench): string[] => bench.events("ecu.reset").map(({ cause }) => cause);

describe("the watchdog", () => {
  it.each([1, 500, 5000])("resets an application that hangs after its period of %i ms, not before", (period) => {
    const bench = running({ period: ms(period) }, HANG);
    expect(bench.send("22 f1 95")).toEqual([]);
    bench.after(ns(ms(period) - 1));
    expect(causes(bench)).toEqual([]);
    expect(bench.send("3e 00")).toEqual([]);
    bench.after(ns(1));
    expect(causes(bench)).toEqual(["watchdog"]);
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
  });

  it("lets nothing of the application go on while it hangs", () => {
    const bench = running({ period: s(1) }, HANG);
    bench.after(ms(200));
    bench.send("22 f1 95");
    const sent = bench.broadcasts.length;
    bench.after(ms(999));
    expect(bench.broadcasts).toHaveLength(sent);
    bench.after(s(1));
    expect(bench.broadcasts.length).toBeGreaterThan(sent);
  });

  it("resets an application that hangs in the middle of programming; the next try goes through", () => {
    const bench = running({}, { name: "hang", sid: 0x36, atBlock: 2 });
    bench.enterProgramming();
    expect(bench.download(image("1.1.0"))).toBe("no response");
    expect(causes(bench)).toEqual(["watchdog"]);
    expect(bench.version()).toBe("1.0.0");
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
  });

  it("resets a bootloader that hangs in the middle of programming", () => {
    const bench = new EcuBench(smallEcu({ behaviours: [{ name: "hang", sid: 0x36, atBlock: 2 }] }));
    bench.powerOn();
    bench.enterProgramming();
    expect(bench.download(image("1.1.0"))).toBe("no response");
    expect(causes(bench)).toEqual(["watchdog"]);
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
  });

  it.each([
    ["application", true],
    ["bootloader", false],
  ] as const)(
    "that guards the other leaves what hangs without it until the power goes: %s",
    (guarded, onlyBootloader) => {
      const config = smallEcu({ watchdog: { guards: [guarded] }, behaviours: [HANG] });
      const bench = onlyBootloader ? new EcuBench(config) : EcuBench.running(config);
      if (onlyBootloader) bench.powerOn();
      bench.send("22 f1 95");
      bench.after(s(3600));
      expect(causes(bench)).toEqual([]);
      expect(bench.send("3e 00")).toEqual([]);
      bench.powerOff();
      bench.powerOn();
      expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
    },
  );

  it("that does not guard the application leaves it to the power to end a bad trial, and three starts still end it", () => {
    const bench = running({ guards: [] }, { name: "crashOnTrial" });
    bench.enterProgramming();
    bench.download(image("1.1.0"));
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    for (let start = 1; start <= 3; start++) {
      bench.untilRunning();
      bench.after(s(60));
      expect(bench.core.running).toMatchObject({ version: "1.1.0" });
      bench.powerOff();
      bench.push({ type: "powerOn" });
    }
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
  });

  it("goes on in a restored snapshot", () => {
    const bench = running({}, HANG);
    bench.send("22 f1 95");
    bench.after(ms(499));
    const other = new EcuBench(bench.config);
    other.world.restore(bench.world.snapshot());
    other.after(ms(1));
    expect(causes(other)).toEqual(["watchdog"]);
    other.untilRunning();
    expect(other.ask("22 01 11")).toBe("62 01 11 04");
  });
});

describe("the cause of the last start, identifier 0111", () => {
  it("is the power at first", () => {
    expect(EcuBench.running().ask("22 01 11")).toBe("62 01 11 00");
  });

  it.each([
    ["11 01", "01"],
    ["11 02", "02"],
    ["11 03", "03"],
  ])("after %s is %s", (request, code) => {
    const bench = EcuBench.running();
    bench.ask(request);
    bench.untilRunning();
    expect(bench.ask("22 01 11")).toBe(`62 01 11 ${code}`);
  });

  it("is 04 after the watchdog, 05 after an undervoltage, 06 after a trap, and 00 after the power was off", () => {
    const trap: Behaviour = { name: "resetInTheMiddle", sid: 0x3e, after: ms(3) };
    const bench = running({}, { ...HANG, occurrence: 1 }, trap);
    const cause = (): string => {
      bench.untilRunning();
      return bench.ask("22 01 11");
    };
    bench.send("22 f1 95");
    bench.after(ms(500));
    expect(cause()).toBe("62 01 11 04");
    bench.push({ type: "supply", millivolts: 5000 });
    bench.push({ type: "supply", millivolts: 12_000 });
    expect(cause()).toBe("62 01 11 05");
    bench.send("3e 00");
    bench.after(ms(3));
    expect(cause()).toBe("62 01 11 06");
    bench.powerOff();
    bench.push({ type: "powerOn" });
    expect(cause()).toBe("62 01 11 00");
  });

  it("is 00 when the voltage was too low at power-on", () => {
    const bench = EcuBench.running();
    bench.powerOff();
    bench.push({ type: "supply", millivolts: 6000 });
    bench.push({ type: "powerOn" });
    bench.push({ type: "supply", millivolts: 12_000 });
    bench.untilRunning();
    expect(bench.ask("22 01 11")).toBe("62 01 11 00");
  });
});
