import { describe, expect, it } from "vitest";
import { FAMILY_BOOTLOADERS } from "../../../emulator/ecu/config.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { image, ZoneBench } from "./support/zone-bench.ts";

const { window: address, size } = FAMILY_BOOTLOADERS.banks;

describe("the update of a bootloader through a zonal gateway", () => {
  it("is done by the same tester, with another window", () => {
    const bench = new ZoneBench({ bootloader: true, updater: { memory: { address, size } } });
    for (const { ecu } of bench.seats) ecu.powerOn();
    bench.run(ms(400));
    const data = image("ECU_011", "1.1.0", 12_000, "bootloader");
    expect(bench.do("ECU_011", { type: "program", image: data })).toEqual({ type: "programmed" });
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "1.0.0" });
    bench.run(s(3));
    expect(bench.do("ECU_011", { type: "commit" })).toEqual({ type: "committed" });
    const events = [...bench.world.trace.events()];
    const started = events.filter(({ type }) => type === "bootloader.started");
    expect(started).toMatchObject([
      { source: "ECU_011", bank: "A", version: "1.0.0", trial: 0 },
      { source: "ECU_011", bank: "B", version: "1.1.0", trial: 1 },
    ]);
    expect(events.filter(({ type }) => type === "bootloader.confirmed")).toHaveLength(1);
  });
});
