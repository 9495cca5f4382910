import { describe, expect, it } from "vitest";
import { readVehicle } from "../../hil/bench/vehicle-file.ts";
import type { ScenarioRelease } from "../../hil/scenario/scenario-file.ts";
import { OfflineVehicle } from "../support/offline-vehicle.ts";

const vehicle = await readVehicle("fixtures/vehicles/two-zone.yaml");
const RELEASE: ScenarioRelease = {
  version: "2.0.0",
  builtAt: "2026-01-15T10:00:00Z",
  ecus: {
    ECU_011: { version: "1.1.0", firmware: "../firmware/avrgirl-leonardo-firmata.hex", dependencies: {} },
    ECU_022: { version: "1.1.0", firmware: "../firmware/hackrf-one-usb.bin", dependencies: {} },
  },
};

/** Starts an update and stops it at the nth event that tells of it. */
async function stoppedAt(
  count: number,
  type: "campaign.progress" | "uds.request" | "can.frame",
): Promise<OfflineVehicle> {
  const one = new OfflineVehicle(vehicle);
  one.publish(RELEASE);
  let left = count;
  one.bench.world.trace.on(type, () => left--);
  one.bench.vehicleGateway.startUpdate();
  expect(await one.run(() => left <= 0)).toBe("done");
  return one;
}

describe("a world that is forked in the middle of an update", () => {
  it.each([
    ["campaign.progress", 12],
    ["uds.request", 25],
    ["can.frame", 1500],
    ["can.frame", 2001],
  ] as const)("goes on alike in both halves: %s %i", async (type, count) => {
    const one = await stoppedAt(count, type);
    const two = new OfflineVehicle(vehicle);
    two.publish(RELEASE);
    two.bench.world.restore(one.bench.world.snapshot());
    for (const half of [one, two]) await half.run(() => half.results.length > 0);
    expect(one.results[0]?.verdict).toBe("updated");
    expect(two.results).toEqual(one.results);
    expect(two.versions()).toEqual({ ECU_011: "1.1.0", ECU_012: "1.0.0", ECU_021: "1.0.0", ECU_022: "1.1.0" });
    expect(Buffer.compare(two.bench.world.trace.bytes(), one.bench.world.trace.bytes())).toBe(0);
    expect(two.bench.world.snapshot().scheduler).toEqual(one.bench.world.snapshot().scheduler);
  });

  it("can go two ways from one snapshot, again and again", async () => {
    const one = await stoppedAt(25, "uds.request");
    const snapshot = one.bench.world.snapshot();
    const other = new OfflineVehicle(vehicle);
    other.publish(RELEASE);
    const traces: Uint8Array[] = [];
    for (const cut of [true, false, true]) {
      other.bench.world.restore(snapshot);
      other.results.length = 0;
      if (cut) other.bench.ecus.get("ECU_011")?.powerOff();
      await other.run(() => other.results.length > 0, 60);
      traces.push(other.bench.world.trace.bytes().slice());
    }
    expect(Buffer.compare(traces[0] as Uint8Array, traces[2] as Uint8Array)).toBe(0);
    expect(Buffer.compare(traces[0] as Uint8Array, traces[1] as Uint8Array)).not.toBe(0);
  });
});
