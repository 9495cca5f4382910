import { createPrivateKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SrupRequest } from "../../../../gateway/source/host-request.ts";
import { readKeyText, type SrupSignatures } from "../../../../gateway/source/srup/key-text.ts";
import { signaturesOf } from "../../../../hil/crypto/srup-keys.ts";
import { isLastAnswer } from "../../../../hil/link/host-driver.ts";
import { DeviceSession } from "../../../../hil/link/srup/device-session.ts";
import { SrupDriver } from "../../../../hil/link/srup/srup-driver.ts";
import type { SrupServerEvent } from "../../../../hil/server/srup/c2-server.ts";
import { SrupNetwork } from "../../../../hil/server/srup/srup-network.ts";
import { ShownValues } from "../../../../hil/system/shown-values.ts";
import { pemOf } from "../../../gateway/source/srup/vectors.ts";

const key = createPrivateKey(pemOf("keys/device.pem"));
const makeKey = (): typeof key => key;
const FILE = new Uint8Array(200_000).fill(6);

describe("a SRUP network of version 6", () => {
  let folder = "";
  let events: SrupServerEvent[] = [];
  const shown = new ShownValues();
  const running: { close(): Promise<void> }[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-srup6-"));
    events = [];
  });
  afterEach(async () => {
    for (const each of running.splice(0).reverse()) await each.close();
    rmSync(folder, { recursive: true });
  });
  const stop = async (each: { close(): Promise<void> }): Promise<void> => {
    running.splice(running.indexOf(each), 1);
    await each.close();
  };

  async function start(signatures?: SrupSignatures, ports: { port?: number } = {}): Promise<SrupNetwork> {
    const network = await SrupNetwork.start({
      operator: shown.operator("honest"),
      state: join(folder, "server"),
      makeKey,
      signatures,
      onEvent: (event) => events.push(event),
      ...ports,
    });
    running.push(network);
    return network;
  }
  const requestTo = ({ keyService }: SrupNetwork, more: Partial<SrupRequest> = {}): SrupRequest => ({
    kind: "srup",
    method: "fetch",
    url: `http://localhost:${keyService.port}`,
    device: "vehicle",
    join: "human",
    identification: "a vehicle",
    waitMs: 5_000,
    patienceMs: 5_000,
    state: join(folder, "device"),
    ca: "",
    bodyMax: 1 << 20,
    ...more,
  });
  function sessionOf(request: SrupRequest, told: string[] = []): DeviceSession {
    const session = new DeviceSession(request, { makeKey, onEvent: ({ type }) => told.push(type) });
    running.push(session);
    return session;
  }

  it.each(["ed25519", "ml-dsa-65"] as const)(
    "joins with a person in the loop, updates and reports: %s",
    async (signatures) => {
      const network = await start(signatures);
      const driver = new SrupDriver({ makeKey, onJoinValue: (device, value) => shown.show(device, value) });
      running.push(driver);
      network.publish(FILE);
      const request = requestTo(network, { signatures });
      const bodies: Uint8Array[] = [];
      driver.start(0, request);
      for (let answer = await driver.next(0); !isLastAnswer(answer); answer = await driver.next(0)) {
        expect(answer.type).not.toBe("failed");
        if (answer.type === "body") bodies.push(answer.data);
      }
      expect(Buffer.concat(bodies).equals(FILE)).toBe(true);
      driver.start(1, { ...request, method: "report", verdict: "updated" });
      while (!isLastAnswer(await driver.next(1)));
      await expect.poll(() => events.filter(({ type }) => type === "response").length).toBe(2);
      expect(events.map(({ type }) => type)).not.toContain("refused");
      for (const path of ["server/server.json", "device/identity.json"]) {
        const { keys } = JSON.parse(readFileSync(join(folder, path), "utf8"));
        expect([signaturesOf(keys.publicKey), signaturesOf(keys.privateKey)]).toEqual([signatures, signatures]);
      }
    },
  );

  it("goes on after both sides died, with the keys that it had", async () => {
    const first = await start("ed25519");
    const device = sessionOf(requestTo(first, { join: "simple", signatures: "ed25519" }));
    expect(await device.joined()).toBe("joined");
    await stop(device);
    await stop(first);
    const second = await start(undefined, { port: first.keyService.port });
    const told: string[] = [];
    const again = sessionOf(requestTo(second, { join: "simple" }), told);
    await again.begin();
    expect(second.server.joined).toEqual([again.identity]);
    second.publish(FILE);
    expect(await again.update(5_000)).toMatchObject({ url: expect.stringContaining("/srup/") });
    expect([...told, ...events.map(({ type }) => type)]).not.toContain("refused");
  });

  it("does not begin again with other keys than it has", async () => {
    const network = await start("ed25519");
    const device = sessionOf(requestTo(network, { signatures: "ed25519" }));
    await device.begin();
    await stop(device);
    const other = sessionOf(requestTo(network, { signatures: "ml-dsa-65" }));
    await expect(other.begin()).rejects.toMatchObject({ code: "SRUP_SIGNATURES" });
    await stop(network);
    await expect(start("rsa")).rejects.toMatchObject({ code: "SRUP_SIGNATURES" });
  });

  it.each([
    ["rsa", "ed25519"],
    ["ed25519", "rsa"],
  ] as const)(
    "tells a device of another version why it can't join: server %s, device %s",
    async (ofServer, signatures) => {
      const network = await start(ofServer);
      await expect(sessionOf(requestTo(network, { signatures })).joined()).rejects.toMatchObject({
        code: "SRUP_VERSION",
      });
    },
  );

  it("refuses a device that sends messages of version 5 all the same, and goes on", async () => {
    const network = await start("ed25519");
    const first = sessionOf(requestTo(network, { join: "simple", signatures: "ed25519" }));
    await first.begin();
    await stop(first);
    const path = join(folder, "device", "identity.json");
    const text = readFileSync(path, "utf8");
    const older = JSON.parse(text);
    older.keys = { ...older.keys, privateKey: readKeyText(older.keys.privateKey).rsa };
    writeFileSync(path, JSON.stringify(older));
    const stranger = sessionOf(requestTo(network, { join: "simple", patienceMs: 1_000 }));
    expect(await stranger.joined()).toBe("timeout");
    await stop(stranger);
    expect(events).toEqual([{ type: "refused", reason: "version" }]);
    writeFileSync(path, text);
    rmSync(join(folder, "device", "peer.json"));
    expect(await sessionOf(requestTo(network, { join: "simple" })).joined()).toBe("joined");
  });
});
