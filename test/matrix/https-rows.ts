import { execFile } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import { makeKeys } from "../../hil/crypto/keys.ts";
import { HttpDriver } from "../../hil/link/http-driver.ts";
import { type HttpsServer, startHttpsServer } from "../../hil/server/https/https-server.ts";
import { httpsRig } from "../conformance/update-source/https-rig.ts";
import { INVENTORY, packageFor, signatureOf } from "../conformance/update-source/releases.ts";
import { type PythonServer, startPythonServer } from "../interop/support/python-server.ts";
import { testTls } from "../support/https-client.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import { ownServerRow, pulled, verdictOf } from "./own-server.ts";
import type { MatrixRow } from "./row.ts";

const run = promisify(execFile);
const FILE = "firmware_v2.bin";
const BEGUN = 50_000;

async function beforePython(
  options: { version?: string; byOwner?: boolean },
  use: (vehicle: VehicleSource, server: PythonServer) => Promise<string>,
): Promise<string> {
  const server = await startPythonServer();
  const file = packageFor(INVENTORY.vin, options.version ?? "2.0.0");
  writeFileSync(join(server.folder, FILE), file);
  writeFileSync(join(server.folder, `${FILE}.sig`), signatureOf(file, options.byOwner ?? true));
  const source = new HttpsSource({ baseUrl: server.url, ca: testTls().ca, tlsMin: "1.2" });
  const vehicles = new Vehicles(new HttpDriver(), [source]);
  try {
    return await use(vehicles.all[0] as VehicleSource, server);
  } finally {
    await vehicles.close();
    await server.close();
  }
}

const pythonRow: MatrixRow = {
  system: "https",
  peer: "Python's http.server, TLS 1.2",
  judges: ["python3"],
  cells: {
    "happy path": {
      outcome: "fetched, verified",
      run: () => beforePython({}, async (vehicle) => verdictOf(await pulled(vehicle), vehicle)),
    },
    resume: {
      outcome: "starts again",
      run: () =>
        beforePython({}, async (vehicle, { folder }) => {
          // old enough that its date alone names the content
          utimesSync(join(folder, FILE), 1_000_000_000, 1_000_000_000);
          const validator = "Sun, 09 Sep 2001 01:46:40 GMT";
          const end = await vehicle.fetch({ ...(await vehicle.offer()), validator }, BEGUN);
          const verdict = verdictOf(end, vehicle);
          if (verdict !== "fetched, verified") return verdict;
          return vehicle.pieces[0]?.offset === 0 ? "starts again" : "goes on at the byte";
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

interface CurlBench {
  readonly server: HttpsServer;
  /** Gets a file beside the others. @returns status and length of what came */
  readonly get: (name: string, ...args: string[]) => Promise<string>;
  /** What openssl says of the file that came, with the signature that came. */
  readonly judged: () => Promise<string>;
  readonly folder: string;
}

async function withCurl(byOwner: boolean, use: (bench: CurlBench) => Promise<string>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-matrix-"));
  const { certificate, privateKey, ca } = testTls();
  const file = packageFor(INVENTORY.vin, "2.0.0");
  const files = { [`/${FILE}`]: file, [`/${FILE}.sig`]: signatureOf(file, byOwner) };
  const server = await startHttpsServer({ certificate, privateKey, files });
  writeFileSync(join(folder, "ca.pem"), ca);
  const key = createPublicKey({ key: Buffer.from(makeKeys("owner").package.publicKey), format: "der", type: "spki" });
  writeFileSync(join(folder, "owner.pem"), key.export({ format: "pem", type: "spki" }));
  const inFolder = { cwd: folder, timeout: 30_000 };
  const get = async (name: string, ...args: string[]): Promise<string> => {
    const asked = [
      "-q",
      "-sS",
      "--noproxy",
      "*",
      "--cacert",
      "ca.pem",
      "-o",
      name,
      "-w",
      "%{http_code} %{size_download}",
    ];
    return (await run("curl", [...asked, ...args, `${server.url}/${name}`], inFolder)).stdout;
  };
  const judged = async (): Promise<string> => {
    const asked = ["dgst", "-sha256", "-verify", "owner.pem", "-signature", `${FILE}.sig`, FILE];
    return run("openssl", asked, inFolder).then(
      ({ stdout }) => stdout.trim(),
      ({ stdout }: { stdout: string }) => stdout.trim(),
    );
  };
  try {
    return await use({ server, get, judged, folder });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

const curlRow: MatrixRow = {
  system: "https",
  peer: "curl and openssl",
  judges: ["curl", "openssl"],
  cells: {
    "happy path": {
      outcome: "fetched, verified",
      run: () =>
        withCurl(true, async ({ get, judged }) => {
          await get(FILE);
          await get(`${FILE}.sig`);
          const said = await judged();
          return said === "Verified OK" ? "fetched, verified" : said;
        }),
    },
    resume: {
      outcome: "goes on at the byte",
      run: () =>
        withCurl(true, async ({ server, get, judged, folder }) => {
          server.setFaults([{ name: "dieAfterBytes", bytes: BEGUN, requests: 1, path: `/${FILE}` }]);
          const cut = await get(FILE).catch(() => "cut");
          const { length } = readFileSync(join(folder, FILE));
          const rest = packageFor(INVENTORY.vin, "2.0.0").length - length;
          const went = await get(FILE, "-C", "-");
          await get(`${FILE}.sig`);
          const isWhole = (await judged()) === "Verified OK" && cut === "cut" && length > 0;
          return isWhole && went === `206 ${rest}` ? "goes on at the byte" : `${cut} ${went}`;
        }),
    },
    "bad signature": {
      outcome: "Verification failure",
      run: () =>
        withCurl(false, async ({ get, judged }) => {
          await get(FILE);
          await get(`${FILE}.sig`);
          return judged();
        }),
    },
    replay: undefined,
  },
};

export const httpsRows: readonly MatrixRow[] = [ownServerRow(httpsRig, "PACKAGE_VERSION_OLDER"), pythonRow, curlRow];
