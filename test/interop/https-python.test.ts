import { unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import { makeKeys } from "../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../hil/crypto/node-crypto.ts";
import { signWith } from "../../hil/crypto/signing-key.ts";
import { HttpDriver } from "../../hil/link/http-driver.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge } from "../support/judges.ts";
import { type VehicleSource, Vehicles } from "../support/vehicles.ts";
import { type PythonServer, startPythonServer } from "./support/python-server.ts";

describeWithJudge("python3", "HTTPS source before Python's http.server with TLS 1.2", () => {
  const file = new Prng("python").bytes(500_000);
  const key = makeKeys("owner").package;
  let server: PythonServer;
  let published: string;
  let url: string;

  beforeAll(async () => {
    server = await startPythonServer();
    ({ folder: published, url } = server);
  });
  beforeEach(() => {
    writeFileSync(join(published, "firmware_v2.bin"), file);
    writeFileSync(join(published, "firmware_v2.bin.sig"), signWith(key, file));
  });
  afterAll(() => server.close());

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
      expect(await vehicle.look()).toEqual({ type: "noOffer", unknown: "status 404" });
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
