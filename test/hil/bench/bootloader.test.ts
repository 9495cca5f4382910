import { describe, expect, it } from "vitest";
import { readVehicle } from "../../../hil/bench/vehicle-file.ts";
import { OfflineVehicle } from "../../support/offline-vehicle.ts";

const plain = await readVehicle("fixtures/vehicles/two-zone.yaml");
/** ECU_011 with a bootloader that can be updated. */
const vehicle = {
  ...plain,
  zones: plain.zones.map((zone) => ({
    ...zone,
    ecus: zone.ecus.map((ecu) =>
      ecu.id === "ECU_011"
        ? { ...ecu, bootloader: { version: "3.1.0", firmware: "../firmware/tomu-toboot.s19" } }
        : ecu,
    ),
  })),
};

describe("an ECU of a vehicle file with a bootloader of its own", () => {
  it("starts by way of it, and its application is updated as ever; the others have none", async () => {
    const bench = new OfflineVehicle(vehicle);
    bench.publish({
      version: "2.0.0",
      builtAt: "2026-01-15T10:00:00Z",
      ecus: { ECU_011: { version: "1.1.0", firmware: "../firmware/avrgirl-leonardo-blink.hex", dependencies: {} } },
    });
    expect(await bench.update()).toMatchObject({ verdict: "updated" });
    const started = [...bench.bench.world.trace.events()].filter(({ type }) => type === "bootloader.started");
    expect(started.length).toBeGreaterThanOrEqual(2);
    for (const event of started)
      expect(event).toMatchObject({ source: "ECU_011", version: "3.1.0", bank: "A", trial: 0 });
  });
});
