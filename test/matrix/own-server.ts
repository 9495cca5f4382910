import { INVENTORY, packageFor, pipelineVerdict, signatureOf } from "../conformance/update-source/releases.ts";
import type { UpdateServerRig, UpdateSystem } from "../conformance/update-source/update-system.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import type { Cell, MatrixRow } from "./row.ts";

const NEW = "2.0.0";
const OLD = "1.0.0";
const CUT_AT = 50_000;

/** Our device before our own server. @param replay what comes of an older package that is offered again */
export function ownServerRow(system: UpdateSystem, replay: string): MatrixRow {
  const cell = (outcome: string, run: (rig: UpdateServerRig, vehicle: VehicleSource) => Promise<string>): Cell => ({
    outcome,
    run: () => withVehicle(system, run),
  });
  return {
    system: system.name,
    peer: "our server",
    cells: {
      "happy path": cell("fetched, verified", async (rig, vehicle) => {
        publish(rig, NEW);
        return verdictOf(await pulled(vehicle), vehicle);
      }),
      resume: cell(system.resumes ? "goes on at the byte" : "starts again", async (rig, vehicle) => {
        const file = publish(rig, NEW);
        rig.cutAfter(CUT_AT, 1);
        const verdict = verdictOf(await pulled(vehicle), vehicle);
        const brought = vehicle.pieces.reduce((sum, { length }) => sum + length, 0);
        if (verdict !== "fetched, verified") return verdict;
        return brought === file.length ? "goes on at the byte" : "starts again";
      }),
      "bad signature": cell("PACKAGE_SIGNATURE_WRONG", async (rig, vehicle) => {
        publish(rig, NEW, false);
        return verdictOf(await pulled(vehicle), vehicle);
      }),
      replay: cell(replay, async (rig, vehicle) => {
        publish(rig, OLD);
        return verdictOf(await pulled(vehicle), vehicle);
      }),
    },
  };
}

function publish(rig: UpdateServerRig, version: string, byOwner = true): Uint8Array {
  const file = packageFor(INVENTORY.vin, version);
  rig.publish({ file, signature: signatureOf(file, byOwner), version });
  return file;
}

async function withVehicle(
  system: UpdateSystem,
  run: (rig: UpdateServerRig, vehicle: VehicleSource) => Promise<string>,
): Promise<string> {
  const rig = await system.start();
  const vehicles = new Vehicles(system.makeDriver(), [rig.makeSource({})]);
  try {
    return await run(rig, vehicles.all[0] as VehicleSource);
  } finally {
    await vehicles.close();
    await rig.close();
  }
}

/** Looks, and fetches what is offered. */
export async function pulled(vehicle: VehicleSource): Promise<VehicleSource["end"]> {
  const looked = await vehicle.look(INVENTORY);
  return looked?.type === "offer" ? vehicle.fetch(looked.offer) : looked;
}

/** In a word: what the vehicle makes of how it ended. */
export function verdictOf(end: VehicleSource["end"], vehicle: VehicleSource): string {
  if (end?.type === "noOffer") return "not offered";
  if (end?.type === "failed") return end.error.code;
  if (end?.type !== "fetched") return end?.type ?? "nothing";
  const verdict = pipelineVerdict(vehicle.received, end.signature);
  return verdict === "ok" ? "fetched, verified" : verdict;
}
