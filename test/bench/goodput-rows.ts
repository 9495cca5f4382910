import { once } from "node:events";
import { createServer, get } from "node:https";
import type { AddressInfo } from "node:net";
import { Prng } from "../../emulator/kernel/prng.ts";
import { defaultSource, SYSTEM_NAMES, type SystemName, sourceSchema } from "../../hil/bench/source-schema.ts";
import { makeDriver } from "../../hil/system/drivers.ts";
import { updateSystem } from "../../hil/system/systems.ts";
import { testTls } from "../support/https-client.ts";
import { oldClient, startOldServer } from "../support/rsu-peer.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";

/** Server and device in this process, joined by loopback. */
export interface GoodputBench {
  /** Brings the content once. @returns how many bytes of it came */
  pull(): Promise<number>;
  close(): Promise<void>;
}

/** One line of the second table of `npm run bench`. */
export interface GoodputRow {
  readonly name: string;
  open(): Promise<GoodputBench>;
}

const MIB = 1024 * 1024;
const CONTENT = new Prng("goodput").bytes(8 * MIB);
const { certificate, privateKey, ca } = testTls();

/** What all others are compared with: Node's own server and client, nothing of ours. */
const plainHttps: GoodputRow = {
  name: "goodput, plain HTTPS (node:https)",
  async open() {
    const server = createServer({ cert: certificate, key: privateKey, minVersion: "TLSv1.3" }, (_, answer) => {
      answer.end(CONTENT);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      async pull() {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        get({ host: "localhost", port, ca, agent: false }, (incoming) => {
          let bytes = 0;
          incoming.on("data", (data: Buffer) => {
            bytes += data.length;
          });
          incoming.on("end", () => resolve(bytes));
        }).on("error", reject);
        return promise;
      },
      async close() {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      },
    };
  },
};

/** A look and a fetch with its signature, as a vehicle does them, before the server at that port. */
async function pullFrom(system: SystemName, port: number): Promise<number> {
  const server = updateSystem(defaultSource(system)).server.replace(/:\d+$/, `:${port}`);
  const device = updateSystem(sourceSchema.parse({ system, server }));
  const vehicles = new Vehicles(device.makeDriver?.() ?? makeDriver(), [device.makeSource({ ca })]);
  const [vehicle] = vehicles.all as [VehicleSource];
  const end = await vehicle.fetch(await vehicle.offer());
  await vehicles.close();
  return end?.type === "fetched" ? end.size : 0;
}

async function serve(system: SystemName, file: Uint8Array): Promise<{ port: number; close(): Promise<void> }> {
  const server = await updateSystem(defaultSource(system)).startServer({ certificate, privateKey, port: 0 });
  server.publish({ file, signature: new Uint8Array(256), version: "2.1.0", builtAt: new Date(0) });
  return server;
}

/** An update system before its own server. */
const ownSystem = (system: SystemName): GoodputRow => ({
  name: `goodput, ${system}`,
  async open() {
    const server = await serve(system, CONTENT);
    return { pull: () => pullFrom(system, server.port), close: () => server.close() };
  },
});

const rsuFromOldServer: GoodputRow = {
  name: "goodput, rsu, from a server of the original's kind",
  async open() {
    const server = await startOldServer({ firmware: CONTENT });
    return { pull: () => pullFrom("rsu", server.port), close: () => server.close() };
  },
};

const rsuToOldClient: GoodputRow = {
  name: "goodput, rsu, paced for a client of the original's kind",
  async open() {
    const server = await serve("rsu", CONTENT.subarray(0, MIB));
    return {
      pull: async () => (await oldClient(server.port, undefined, { splits: true })).firmware.length,
      close: () => server.close(),
    };
  },
};

/** All rows, in the order in which they are printed, the one that is compared with first. */
export const goodputRows: readonly GoodputRow[] = [
  plainHttps,
  ...SYSTEM_NAMES.map((name) => ownSystem(name)),
  rsuFromOldServer,
  rsuToOldClient,
];
