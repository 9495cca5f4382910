import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { EcuBench, image, UPDATED, uint32 } from "./support/ecu-bench.ts";

const RANGE = `44 ${uint32(0x800d2000)} ${uint32(0x1000)}`;
const supply = (bench: EcuBench, millivolts: number): void => bench.push({ type: "supply", millivolts });
const causes = (bench: EcuBench): string[] => bench.events("ecu.reset").map(({ cause }) => cause);

describe("an ECU at a low supply voltage", () => {
  it("is reset below its limit, and starts only when the voltage is a good deal higher", () => {
    const bench = EcuBench.running();
    supply(bench, 5500);
    expect(bench.core.running).toBeDefined();
    supply(bench, 5499);
    expect([bench.core.running, bench.resets.at(-1)]).toEqual([undefined, false]);
    expect(causes(bench)).toEqual(["undervoltage"]);
    supply(bench, 6499);
    bench.after(s(1));
    expect(bench.ask("3e 00")).toBe("no response");
    supply(bench, 6500);
    bench.untilRunning();
    expect(bench.ask("3e 00")).toBe("7e 00");
    expect(bench.events("ecu.supply").at(-1)).toMatchObject({ millivolts: 6500, inrush: 1083 });
  });

  it("does not start when it is switched on below its limit", () => {
    const bench = EcuBench.running();
    bench.powerOff();
    supply(bench, 6000);
    bench.push({ type: "powerOn" });
    bench.after(s(1));
    expect(bench.core.running).toBeUndefined();
    supply(bench, 12_000);
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
  });

  it.each([
    [8999, "93"],
    [16_001, "92"],
  ])("neither erases nor programs at %i mV, and says so with NRC %s", (millivolts, nrc) => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.ask(`31 01 ff 00 ${RANGE}`);
    supply(bench, millivolts);
    expect(bench.ask(`31 01 ff 00 ${RANGE}`)).toBe(`7f 31 ${nrc}`);
    expect(bench.ask(`34 00 ${RANGE}`)).toBe(`7f 34 ${nrc}`);
    supply(bench, 12_000);
    expect(bench.ask(`34 00 ${RANGE}`)).toBe("74 20 0f e2");
    supply(bench, millivolts);
    expect(bench.ask("36 01 11 22")).toBe(`7f 36 ${nrc}`);
    supply(bench, 9000);
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
  });

  it("tears the erase that is under way, answers it with 72, and takes the update later", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.send(`31 01 ff 00 ${RANGE}`);
    bench.after(ms(100));
    supply(bench, 8000);
    expect(bench.events("flash.torn")).toMatchObject([{ operation: "erase" }]);
    bench.after(s(1));
    expect(bench.responses.at(-1)).toBe("7f 31 72");
    supply(bench, 12_000);
    expect(bench.update(image("1.1.0"))).toBe(`${UPDATED}, 1.1.0`);
  });

  it.each([
    ["a brown-out", [8999]],
    ["a drop below the reset limit at once", [5000]],
  ])("has the DTC of undervoltage failed and then passed after %s", (_, voltages) => {
    const bench = EcuBench.running();
    bench.ask("14 ff ff ff");
    for (const millivolts of voltages) supply(bench, millivolts);
    supply(bench, 12_000);
    bench.untilRunning();
    // testFailedSinceLastClear, pendingDTC and testFailedThisOperationCycle; the test itself passes again
    expect(bench.ask("19 02 04")).toBe("59 02 ff f0 03 16 26");
  });

  it("has it failed while the voltage is low", () => {
    const bench = EcuBench.running();
    supply(bench, 5000);
    supply(bench, 7000);
    bench.untilRunning();
    expect(bench.ask("19 02 01")).toBe("59 02 ff f0 03 16 27");
  });

  it("remembers its voltage in a snapshot", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    supply(bench, 8000);
    const other = new EcuBench(bench.config);
    other.world.restore(bench.world.snapshot());
    expect(other.ask(`31 01 ff 00 ${RANGE}`)).toBe("7f 31 93");
  });
});
