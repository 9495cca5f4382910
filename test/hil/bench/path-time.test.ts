import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { pathTime } from "../../../hil/bench/path-time.ts";
import { readVehicle, type VehicleEcu, type VehicleZone } from "../../../hil/bench/vehicle-file.ts";
import { runScenario } from "../../../hil/scenario/run-scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-path-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two zones, whose classic ECUs ask for flow control as told, on a bus of that rate. */
function vehicleText(flowControl: string, bitRate = 500_000): string {
  return readFileSync("fixtures/vehicles/two-zone.yaml", "utf8")
    .replaceAll("../firmware", resolve("fixtures/firmware"))
    .replaceAll("functional: 0x7DF }", `functional: 0x7DF${flowControl} }`)
    .replace("bus: { name: can1, bitRate: 500000 }", `bus: { name: can1, bitRate: ${bitRate} }`);
}

async function pathOf(flowControl: string, bitRate?: number): Promise<number> {
  const path = join(folder, "path.yaml");
  writeFileSync(path, vehicleText(flowControl, bitRate));
  const zone = (await readVehicle(path)).zones[0] as VehicleZone;
  return pathTime(zone, zone.ecus[0] as VehicleEcu);
}

describe("how long a tester waits beyond P2", () => {
  it("is 2 s where a request of 4095 bytes takes less", async () => {
    expect(await pathOf("")).toBe(ms(2000));
    expect(await pathOf(", blockSize: 8")).toBe(ms(2000));
  });

  it.each([
    ["STmin", ", stMinMs: 10", 500_000, 5850],
    ["FC.WAIT before each block", ", blockSize: 3, waitFrames: { count: 3, intervalMs: 5 }", 500_000, 2925],
    ["a slow bus", "", 20_000, 4770],
  ])("grows with %s by at least what the bus then takes", async (_, flowControl, bitRate, least) => {
    const path = await pathOf(flowControl, bitRate);
    expect(path).toBeGreaterThanOrEqual(ms(1000 + least));
    expect(path).toBeLessThan(ms(1000 + 2.5 * least));
  });

  it.each([
    ["three FC.WAIT before each block of 3", ", blockSize: 3, waitFrames: { count: 3, intervalMs: 5 }", 500_000],
    ["an STmin of 10 ms", ", stMinMs: 10", 500_000],
    ["a bus of 20 kbit/s", "", 20_000],
  ])("lets ECUs be updated that take one block more slowly than P2: %s", async (_, flowControl, bitRate) => {
    writeFileSync(join(folder, "vehicle.yaml"), vehicleText(flowControl, bitRate));
    const image = `{ version: 1.1.0, firmware: ${resolve("fixtures/firmware/avrgirl-leonardo-blink.hex")} }`;
    const scenario = `name: slow
vehicle: vehicle.yaml
releases:
  next: { ecus: { ECU_011: ${image}, ECU_012: ${image} } }
steps:
  - name: the only one
    update: next
    expect: { verdict: updated, ecus: { ECU_011: updated, ECU_012: updated } }
`;
    writeFileSync(join(folder, "scenario.yaml"), scenario);
    const { steps } = await runScenario(join(folder, "scenario.yaml"), { seed: "7" });
    expect(steps).toMatchObject([{ verdict: "passed" }]);
  });
});
