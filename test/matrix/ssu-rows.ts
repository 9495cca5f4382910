import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SsuSource } from "../../gateway/source/ssu/ssu-source.ts";
import { ssuIdentity } from "../../hil/crypto/ssu-credentials.ts";
import { SsuDriver } from "../../hil/link/ssu/ssu-driver.ts";
import { PublishedStore } from "../../hil/server/ssu/published-store.ts";
import { startSsuServer } from "../../hil/server/ssu/ssu-server.ts";
import { INVENTORY, packageFor, signatureOf } from "../conformance/update-source/releases.ts";
import { ssuRig } from "../conformance/update-source/ssu-rig.ts";
import { PEER, python, startPythonSsuServer } from "../interop/support/ssu-python.ts";
import { testTls } from "../support/https-client.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import { ownServerRow, pulled, verdictOf } from "./own-server.ts";
import type { MatrixRow } from "./row.ts";

const FILE = "firmware_v2.bin";
const BEGUN = 50_000;

/** Our device before the second implementation's server. */
async function beforePython(
  { version = "2.0.0", byOwner = true },
  use: (vehicle: VehicleSource) => Promise<string>,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-matrix-ssu-"));
  const path = (name: string): string => join(folder, name);
  const file = packageFor(INVENTORY.vin, version);
  const { certificate, privateKey, ca } = testTls();
  writeFileSync(path("server.pem"), certificate);
  writeFileSync(path("server.key"), privateKey, { mode: 0o600 });
  writeFileSync(path(FILE), file);
  writeFileSync(path(`${FILE}.sig`), signatureOf(file, byOwner));
  const { port, process } = await startPythonSsuServer(["server.pem", "server.key", FILE, `${FILE}.sig`].map(path));
  const source = new SsuSource({
    server: `ssu://localhost:${port}`,
    ca,
    name: FILE,
    signatureName: `${FILE}.sig`,
  });
  const vehicles = new Vehicles(new SsuDriver(), [source]);
  try {
    return await use(vehicles.all[0] as VehicleSource);
  } finally {
    await vehicles.close();
    process.kill();
    rmSync(folder, { recursive: true });
  }
}

const pythonServerRow: MatrixRow = {
  system: "ssu",
  peer: "server in Python, from the page",
  judges: ["python3-cryptography"],
  cells: {
    "happy path": {
      outcome: "fetched, verified",
      run: () => beforePython({}, async (vehicle) => verdictOf(await pulled(vehicle), vehicle)),
    },
    resume: {
      outcome: "goes on at the byte",
      run: () =>
        beforePython({}, async (vehicle) => {
          const file = packageFor(INVENTORY.vin, "2.0.0");
          const end = await vehicle.fetch(await vehicle.offer(), BEGUN);
          const isRest = Buffer.from(file.subarray(BEGUN)).equals(vehicle.received.subarray(BEGUN));
          const went = vehicle.pieces[0]?.offset === BEGUN && isRest && end?.type === "fetched";
          return went ? "goes on at the byte" : verdictOf(end, vehicle);
        }),
    },
    "bad signature": {
      outcome: "PACKAGE_SIGNATURE_WRONG",
      run: () => beforePython({ byOwner: false }, async (vehicle) => verdictOf(await pulled(vehicle), vehicle)),
    },
    replay: {
      outcome: "PACKAGE_VERSION_OLDER",
      run: () => beforePython({ version: "1.0.0" }, async (vehicle) => verdictOf(await pulled(vehicle), vehicle)),
    },
  },
};

/** The second implementation's client before our server. @param begun bytes that it has already */
async function byPython(begun: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-matrix-ssu-"));
  const { certificate, privateKey, ca } = testTls();
  const file = packageFor(INVENTORY.vin, "2.0.0");
  const store = new PublishedStore();
  store.publish(FILE, file);
  let from = -1;
  const server = await startSsuServer({
    store,
    accepts: "secure",
    identity: ssuIdentity(certificate, privateKey),
    onEvent: (event) => {
      if (event.type === "app" && event.event.type === "got") ({ from } = event.event);
    },
  });
  try {
    const [out, caPath] = [join(folder, "out"), join(folder, "ca.pem")];
    writeFileSync(caPath, ca);
    if (begun > 0) writeFileSync(out, file.subarray(0, begun));
    const { text } = await python(PEER, "get", "127.0.0.1", String(server.port), FILE, out, "--ca", caPath);
    if (!readFileSync(out).equals(file) || from !== begun) return text;
    return begun === 0 ? "fetched" : "goes on at the byte";
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

const pythonClientRow: MatrixRow = {
  system: "ssu",
  peer: "client in Python, from the page",
  judges: ["python3-cryptography"],
  cells: {
    "happy path": { outcome: "fetched", run: () => byPython(0) },
    resume: { outcome: "goes on at the byte", run: () => byPython(BEGUN) },
    "bad signature": undefined,
    replay: undefined,
  },
};

export const ssuRows: readonly MatrixRow[] = [
  ownServerRow(ssuRig, "PACKAGE_VERSION_OLDER"),
  pythonServerRow,
  pythonClientRow,
];
