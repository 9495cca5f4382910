import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ecuConfig, gatewayIsoTp } from "../../../hil/bench/ecu-config.ts";
import { readVehicle, type Vehicle, type VehicleEcu, type VehicleZone } from "../../../hil/bench/vehicle-file.ts";

const NO_KEY = new Uint8Array(0);
const NO_KEYS = { ecdsaP256: NO_KEY, ed25519: NO_KEY, mlDsa65: NO_KEY };
const FIXTURE = "fixtures/vehicles/two-zone.yaml";
const folder = mkdtempSync(join(tmpdir(), "otabench-vehicle-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The two-zone vehicle with another line for the CAN of ECU_011, or of an ECU on the CAN FD bus. */
function vehicleWith(can: string, ecu: "ECU_011" | "ECU_021" = "ECU_011"): Promise<Vehicle> {
  const lines = readFileSync(FIXTURE, "utf8").split("\n");
  const at = lines.findIndex((line, index) => index > lines.indexOf(`      - id: ${ecu}`) && line.includes("can: {"));
  lines[at] = `        can: ${can}`;
  const path = join(folder, "vehicle.yaml");
  writeFileSync(path, lines.join("\n"));
  return readVehicle(path);
}

async function isoTpOf(can: string, ecu: "ECU_011" | "ECU_021" = "ECU_011") {
  const vehicle = await vehicleWith(can, ecu);
  const zone = vehicle.zones.find(({ ecus }) => ecus.some(({ id }) => id === ecu)) as VehicleZone;
  const found = zone.ecus.find(({ id }) => id === ecu) as VehicleEcu;
  return {
    ecu: ecuConfig(vehicle, zone, found, NO_KEYS).isotp,
    gateway: gatewayIsoTp(zone, found),
  };
}

const CLASSIC = "request: 0x7E0, response: 0x7E8";

describe("how a vehicle file says that an ECU is reached", () => {
  it.each([
    [
      "identifiers alone",
      `{ ${CLASSIC}, functional: 0x7DF }`,
      { txId: 0x7e8, rxId: 0x7e0, extended: false, functionalRxId: 0x7df },
    ],
    [
      "identifiers of 29 bits",
      "{ extended: true, request: 0x18DA11F1, response: 0x18DAF111 }",
      { txId: 0x18daf111, rxId: 0x18da11f1, extended: true },
    ],
    [
      "normal fixed addressing",
      "{ request: { format: normalFixed, target: 0x11, source: 0xF1 }, response: { format: normalFixed, target: 0xF1, source: 0x11 }, functional: { format: normalFixed, target: 0x33, source: 0xF1 } }",
      { txId: 0x18daf111, rxId: 0x18da11f1, extended: true, functionalRxId: 0x18db33f1 },
    ],
    [
      "extended addressing",
      "{ request: { format: extended, id: 0x6F1, target: 0x11 }, response: { format: extended, id: 0x611, target: 0xF1 }, functional: { format: extended, id: 0x6F1, target: 0xEF } }",
      {
        txId: 0x611,
        rxId: 0x6f1,
        extended: false,
        txAddressByte: 0xf1,
        rxAddressByte: 0x11,
        functionalRxId: 0x6f1,
        functionalAddressByte: 0xef,
      },
    ],
    [
      "mixed addressing",
      "{ request: { format: mixed, id: 0x7E0, addressExtension: 5 }, response: { format: mixed, id: 0x7E8, addressExtension: 5 } }",
      { txId: 0x7e8, rxId: 0x7e0, extended: false, txAddressByte: 5, rxAddressByte: 5 },
    ],
    [
      "a format of its own for each direction",
      "{ request: { format: mixed29, target: 0x11, source: 0xF1, addressExtension: 5 }, response: 0x7E8 }",
      { txId: 0x7e8, rxId: 0x18ce11f1, extended: false, rxExtended: true, rxAddressByte: 5 },
    ],
  ])("takes %s", async (_, can, address) => {
    const { ecu, gateway } = await isoTpOf(can);
    expect(ecu.address).toEqual(address);
    expect([gateway.address.txId, gateway.address.rxId]).toEqual([address.rxId, address.txId]);
  });

  it("takes FC.WAIT frames, TX_DL and STmin", async () => {
    const address = "extended: true, request: 0x18DA15F1, response: 0x18DAF115";
    const { ecu, gateway } = await isoTpOf(
      `{ ${address}, txDl: 24, stMinMs: 0.3, blockSize: 4, waitFrames: { count: 3, intervalMs: 20 }, padding: null }`,
      "ECU_021",
    );
    const asked = { stMin: 300_000, blockSize: 4, waitFrames: { count: 3, interval: 20_000_000 } };
    expect(ecu).toMatchObject({ txDl: 24, ...asked });
    expect(gateway).toMatchObject({ txDl: 24, stMin: 0, blockSize: 0 });
    expect(ecu.padding).toBeUndefined();
  });

  it.each([
    ["an 11-bit identifier over 7FF", "{ request: 0x800, response: 0x7E8 }"],
    [
      "functional requests of another width",
      `{ ${CLASSIC}, functional: { format: normalFixed, target: 0x33, source: 0xF1 } }`,
    ],
    ["frames over 8 bytes on a classic bus", `{ ${CLASSIC}, txDl: 16 }`],
    ["a TX_DL that no DLC says", `{ ${CLASSIC}, txDl: 10 }`],
    ["an unknown format", "{ request: { format: other, id: 0x7E0 }, response: 0x7E8 }"],
    ["an address over a byte", "{ request: { format: extended, id: 0x6F1, target: 0x100 }, response: 0x7E8 }"],
    ["the address of another ECU", "{ request: 0x7E1, response: 0x7E8 }"],
    ["more FC.WAIT than there can be", `{ ${CLASSIC}, waitFrames: { count: 256, intervalMs: 1 } }`],
  ])("refuses %s by name", async (_, can) => {
    await expect(vehicleWith(can)).rejects.toMatchObject({ code: "FILE_INVALID" });
  });
});

describe("how a vehicle file says what an ECU has of 0x84", () => {
  const withSecured = (secured: string) => vehicleWith(`{ ${CLASSIC} }\n        secured: ${secured}`);

  it("gives it its keys and the services that must come inside", async () => {
    const key = "000102030405060708090a0b0c0d0e0f";
    const vehicle = await withSecured(`{ services: [0x2E], aes128GcmKey: "${key}" }`);
    const zone = vehicle.zones[0] as VehicleZone;
    const { uds } = ecuConfig(vehicle, zone, zone.ecus[0] as VehicleEcu, NO_KEYS);
    expect(uds.secured).toEqual({ services: [0x2e], aes128GcmKey: Uint8Array.from({ length: 16 }, (_, at) => at) });
  });

  it.each([
    '{ aes128GcmKey: "0011" }',
    '{ hmacSha256Key: "no key" }',
    "{ services: [256] }",
    "{}\n        dialect: familyBootloader",
  ])("refuses %s", async (text) => {
    await expect(withSecured(text)).rejects.toMatchObject({ code: "FILE_INVALID" });
  });
});
