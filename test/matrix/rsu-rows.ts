import { RsuSource } from "../../gateway/source/rsu/rsu-source.ts";
import { RsuDriver } from "../../hil/link/rsu/rsu-driver.ts";
import { startRsuServer } from "../../hil/server/rsu/rsu-server.ts";
import { INVENTORY, packageFor } from "../conformance/update-source/releases.ts";
import { rsuRig } from "../conformance/update-source/rsu-rig.ts";
import { testTls } from "../support/https-client.ts";
import { oldClient, startOldServer } from "../support/rsu-peer.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import { ownServerRow, pulled, verdictOf } from "./own-server.ts";
import type { MatrixRow } from "./row.ts";

const file = packageFor(INVENTORY.vin, "2.1.0");

/** @param cutAfter the first connection ends after so many segments */
async function beforeOldServer(
  run: (vehicle: VehicleSource) => Promise<string>,
  { cutAfter }: { cutAfter?: number } = {},
): Promise<string> {
  let cuts = cutAfter === undefined ? 0 : 1;
  const server = await startOldServer({
    firmware: file,
    onRequest: (data, segments) => {
      const isCut = cuts-- > 0;
      for (const each of segments.slice(0, isCut ? cutAfter : -1)) data.write(each);
      data.end(isCut ? undefined : segments.at(-1));
    },
  });
  const source = new RsuSource({ server: `rsu://localhost:${server.port}`, ca: testTls().ca });
  const vehicles = new Vehicles(new RsuDriver(), [source]);
  try {
    return await run(vehicles.all[0] as VehicleSource);
  } finally {
    await vehicles.close();
    await server.close();
  }
}

const isWhole = (vehicle: VehicleSource): boolean => Buffer.from(file).equals(vehicle.received);

const oldServerRow: MatrixRow = {
  system: "rsu",
  peer: "server of the original's kind",
  cells: {
    "happy path": {
      outcome: "fetched, unsigned",
      run: () =>
        beforeOldServer(async (vehicle) => {
          const end = await pulled(vehicle);
          return end?.type === "fetched" && isWhole(vehicle) && end.signature === undefined
            ? "fetched, unsigned"
            : verdictOf(end, vehicle);
        }),
    },
    resume: {
      outcome: "starts again",
      run: () =>
        beforeOldServer(
          async (vehicle) => {
            const end = await pulled(vehicle);
            const starts = vehicle.pieces.filter(({ offset }) => offset === 0).length;
            return isWhole(vehicle) && starts === 2 ? "starts again" : `${starts} ${verdictOf(end, vehicle)}`;
          },
          { cutAfter: 150 },
        ),
    },
    "bad signature": {
      outcome: "PACKAGE_SIGNATURE_MISSING",
      run: () => beforeOldServer(async (vehicle) => verdictOf(await pulled(vehicle), vehicle)),
    },
    replay: {
      outcome: "SOURCE_DOWNGRADE",
      // the original compares versions as text, and so offers 2.1.0 to a device that has 10.0.0
      run: () =>
        beforeOldServer(async (vehicle) => {
          const inventory = { ...INVENTORY, ecus: [{ id: "ECU_011", version: "10.0.0" }] };
          return verdictOf(await vehicle.look(inventory), vehicle);
        }),
    },
  },
};

/** What a client of the original's kind makes of our server. */
async function withOldClient(versions: { protocol: string; firmware: string }, cutAfter?: number): Promise<string> {
  const { certificate, privateKey } = testTls();
  const server = await startRsuServer({ certificate, privateKey });
  try {
    server.publish("firmware", { version: "2.1.0", data: file });
    if (cutAfter !== undefined) {
      server.setFaults([{ name: "dieAfterBytes", bytes: cutAfter, requests: 1 }]);
      const { error } = await oldClient(server.port, versions, { splits: true });
      if (error === undefined) return "not cut off";
    }
    const { firmware, error } = await oldClient(server.port, versions, { splits: true });
    if (error?.includes("AttributeError on 9") === true) return "told by an ERROR";
    if (error !== undefined || !firmware.equals(file)) return error ?? "something else";
    return cutAfter === undefined ? "fetched" : "starts again";
  } finally {
    await server.close();
  }
}

const oldClientRow: MatrixRow = {
  system: "rsu",
  peer: "client of the original's kind",
  cells: {
    "happy path": { outcome: "fetched", run: () => withOldClient({ protocol: "2.0.0", firmware: "1.0.0" }) },
    resume: { outcome: "starts again", run: () => withOldClient({ protocol: "2.0.0", firmware: "1.0.0" }, 50_000) },
    "bad signature": undefined,
    replay: { outcome: "told by an ERROR", run: () => withOldClient({ protocol: "2.0.0", firmware: "10.0.0" }) },
  },
};

export const rsuRows: readonly MatrixRow[] = [ownServerRow(rsuRig, "not offered"), oldServerRow, oldClientRow];
