import { describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { type Instant, ms, plus } from "../../emulator/kernel/time.ts";
import { readVehicle } from "../../hil/bench/vehicle-file.ts";
import type { ScenarioRelease } from "../../hil/scenario/scenario-file.ts";
import { OfflineVehicle } from "../support/offline-vehicle.ts";

const vehicle = await readVehicle("fixtures/vehicles/two-zone.yaml");
const SEED = process.env.SEED ?? "power cuts";
const CUTS = Number(process.env.CUTS ?? 60);
const TARGETS = ["ECU_011", "ECU_022", "VMG"] as const;
const RELEASE: ScenarioRelease = {
  version: "2.0.0",
  builtAt: "2026-01-15T10:00:00Z",
  ecus: {
    ECU_011: { version: "1.1.0", firmware: "../firmware/avrgirl-leonardo-blink.hex", dependencies: {} },
    ECU_022: { version: "1.1.0", firmware: "../firmware/tomu-toboot.s19", dependencies: {} },
  },
};
const UPDATED = { ECU_011: "1.1.0", ECU_012: "1.0.0", ECU_021: "1.0.0", ECU_022: "1.1.0" };

/** A vehicle that starts an update, from one snapshot, so that each cut costs only the update itself. */
const origin = new OfflineVehicle(vehicle);
const start = origin.bench.world.snapshot();
const vehicleUnderTest = new OfflineVehicle(vehicle);
vehicleUnderTest.publish(RELEASE);

/** How long an update takes that nobody disturbs. */
async function undisturbed(): Promise<number> {
  const { world } = vehicleUnderTest.bench;
  world.restore(start);
  const result = await vehicleUnderTest.update();
  expect(result.verdict).toBe("updated");
  return world.timeline.now - start.scheduler.now;
}

/** No image has been started without having been checked at that very start. */
function expectOnlyCheckedImages(): void {
  const good = new Set<string>();
  for (const event of vehicleUnderTest.bench.world.trace.events()) {
    if (event.type === "boot.checked") {
      const key = `${event.source} ${event.bank}`;
      if (event.result === "ok") good.add(key);
      else good.delete(key);
    } else if (event.type === "boot.started" && event.bank !== "none") {
      expect(good).toContain(`${event.source} ${event.bank}`);
      good.delete(`${event.source} ${event.bank}`);
    }
  }
}

describe(`power cuts at any instant of an update (SEED="${SEED}" CUTS=${CUTS})`, () => {
  it("leave a vehicle that is updated, or whole and updated by the next campaign", async () => {
    const length = await undisturbed();
    const prng = new Prng(SEED);
    for (let round = 0; round < CUTS; round++) {
      const target = TARGETS[prng.below(TARGETS.length)] as (typeof TARGETS)[number];
      const at = plus(start.scheduler.now, Math.floor((length * prng.uint32()) / 2 ** 32) as never);
      const gap = ms(prng.below(4) === 0 ? 60_000 : 50 + prng.below(4_000)); // the long ones outlast every patience
      const told = `cut ${round} of SEED="${SEED}": ${target} at ${at} ns for ${gap} ns`;
      await cutOnce(target, at, gap, told);
    }
  });
});

async function cutOnce(target: string, at: Instant, gap: ReturnType<typeof ms>, told: string): Promise<void> {
  const { bench, results } = vehicleUnderTest;
  const { world, vehicleGateway } = bench;
  world.restore(start);
  results.length = 0;
  const device = target === "VMG" ? vehicleGateway : bench.ecus.get(target);
  vehicleGateway.startUpdate();
  await until(at);
  device?.powerOff();
  await until(plus(at, gap));
  device?.powerOn();
  await vehicleUnderTest.run(() => results.length > 0 || vehicleGateway.phase === "idle", 900);
  await until(plus(world.timeline.now, ms(10_000)));
  const second = await vehicleUnderTest.update();
  expect(["updated", "upToDate"], `${told}; the first ended as ${results[0]?.verdict}`).toContain(second.verdict);
  await until(plus(world.timeline.now, ms(10_000)));
  expect(vehicleUnderTest.versions(), told).toEqual(UPDATED);
  expectOnlyCheckedImages();
}

async function until(instant: Instant): Promise<void> {
  const { timeline } = vehicleUnderTest.bench.world;
  await vehicleUnderTest.run(() => timeline.now >= instant || (timeline.next ?? instant) >= instant, 900);
  timeline.runUntil(instant);
}
