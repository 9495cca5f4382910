import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import { makeKeys } from "../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../hil/crypto/node-crypto.ts";
import { signWith } from "../../hil/crypto/signing-key.ts";
import { HttpDriver } from "../../hil/link/http-driver.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";

const SERVER = fileURLToPath(new URL("support/plain_https_server.py", import.meta.url));

describeWithJudge("python3", "HTTPS source before Python's http.server with TLS 1.2", () => {
  const file = new Prng("python").bytes(500_000);
  const key = makeKeys("owner").package;
  let folder: string;
  let published: string;
  let process: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "otabench-https-"));
    const { certificate, privateKey } = testTls();
    writeFileSync(join(folder, "server.pem"), certificate);
    writeFileSync(join(folder, "server.key"), privateKey, { mode: 0o600 });
    published = mkdtempSync(join(folder, "published-"));
    const keyFiles = [join(folder, "server.pem"), join(folder, "server.key")];
    process = spawn(PYTHON3, [SERVER, published, ...keyFiles, "0"], { stdio: ["ignore", "pipe", "ignore"] });
    const [line] = (await once(createInterface({ input: process.stdout as NodeJS.ReadableStream }), "line")) as [
      string,
    ];
    url = `https://127.0.0.1:${line}`;
  });
  beforeEach(() => {
    writeFileSync(join(published, "firmware_v2.bin"), file);
    writeFileSync(join(published, "firmware_v2.bin.sig"), signWith(key, file));
  });
  afterAll(async () => {
    process.kill();
    if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
    rmSync(folder, { recursive: true });
  });

  async function withVehicle(use: (vehicle: VehicleSource) => Promise<void>, tlsMin: "1.2" | "1.3" = "1.2") {
    const source = new HttpsSource({ baseUrl: url, ca: testTls().ca, tlsMin });
    const vehicles = new Vehicles(new HttpDriver(), [source]);
    try {
      await use(vehicles.all[0] as VehicleSource);
    } finally {
      await vehicles.close();
    }
  }

  it("pulls file and signature, and the signature verifies", () =>
    withVehicle(async (vehicle) => {
      const offer = await vehicle.offer();
      expect(offer).toMatchObject({ release: "/firmware_v2.bin", size: file.length });
      const end = await vehicle.fetch(offer);
      expect(end).toMatchObject({ type: "fetched", size: file.length });
      expect(vehicle.received).toEqual(file);
      const signature = end?.type === "fetched" ? end.signature?.signature : undefined;
      expect(nodeCrypto.verify("RSA-PKCS1-SHA256", key.publicKey, vehicle.received, signature ?? file)).toBe(true);
    }));

  it("starts again where it would like to go on, since this server has no ranges", () =>
    withVehicle(async (vehicle) => {
      // Old enough that its date alone names the content; the date of the answer decides.
      utimesSync(join(published, "firmware_v2.bin"), 1_000_000_000, 1_000_000_000);
      const { size } = await vehicle.offer();
      const validator = "Sun, 09 Sep 2001 01:46:40 GMT";
      await vehicle.fetch({ release: "/firmware_v2.bin", validator, ...(size !== undefined && { size }) }, 300_000);
      const asked = vehicle.outputs.find(({ type }) => type === "request");
      expect(asked).toMatchObject({ what: { headers: { range: "bytes=300000-", "if-range": validator } } });
      expect(vehicle.pieces[0]?.offset).toBe(0);
      expect(vehicle.received).toEqual(file);
    }));

  it("finds nothing on a server that has nothing", () =>
    withVehicle(async (vehicle) => {
      const offer = await vehicle.offer();
      unlinkSync(join(published, "firmware_v2.bin"));
      expect(await vehicle.look()).toEqual({ type: "noOffer" });
      expect(await vehicle.fetch(offer)).toMatchObject({ type: "failed", error: { code: "SOURCE_GONE" } });
    }));

  it("delivers the file without a signature when there is none beside it", () =>
    withVehicle(async (vehicle) => {
      unlinkSync(join(published, "firmware_v2.bin.sig"));
      expect(await vehicle.fetch(await vehicle.offer())).toEqual({ type: "fetched", size: file.length });
    }));

  it("does not talk to it unless TLS 1.2 is allowed", () =>
    withVehicle(async (vehicle) => {
      expect(await vehicle.look()).toMatchObject({ type: "failed", error: { code: "SOURCE_TLS" }, retryable: false });
    }, "1.3"));
});
