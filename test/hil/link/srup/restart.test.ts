import { createPrivateKey } from "node:crypto";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SrupRequest } from "../../../../gateway/source/host-request.ts";
import { SrupStatus } from "../../../../gateway/source/srup/status.ts";
import { DeviceSession } from "../../../../hil/link/srup/device-session.ts";
import type { SrupServerEvent } from "../../../../hil/server/srup/c2-server.ts";
import { SrupNetwork } from "../../../../hil/server/srup/srup-network.ts";
import { pemOf } from "../../../gateway/source/srup/vectors.ts";

const key = createPrivateKey(pemOf("keys/device.pem"));
const makeKey = (): typeof key => key;

describe("a SRUP network with its state on disk", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-srup-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const start = (events: SrupServerEvent[], ports: { port?: number; brokerPort?: number } = {}): Promise<SrupNetwork> =>
    SrupNetwork.start({
      operator: { compare: async () => "accept" },
      state: join(folder, "server"),
      makeKey,
      onEvent: (event) => events.push(event),
      ...ports,
    });
  const requestTo = ({ keyService }: SrupNetwork): SrupRequest => ({
    kind: "srup",
    method: "look",
    url: `http://localhost:${keyService.port}`,
    device: "vehicle",
    join: "simple",
    identification: "a vehicle",
    waitMs: 5_000,
    patienceMs: 5_000,
    state: join(folder, "device"),
    ca: "",
    bodyMax: 1 << 20,
  });

  it("has a device fetch again what it lost when it died before it could say how the installation went", async () => {
    const events: SrupServerEvent[] = [];
    const network = await start(events);
    const device = new DeviceSession(requestTo(network), { makeKey });
    network.publish(new Uint8Array(1_000).fill(3));
    expect(await device.joined()).toBe("joined");
    const file = await device.update(5_000);
    if (file === undefined) throw new Error("there is no update");
    expect(device.downloaded(file, device.digestOf(file))).toBe(true);
    expect(await device.activated()).toBe(true);
    await device.close();

    const again = new DeviceSession(requestTo(network), { makeKey });
    let third: DeviceSession | undefined;
    try {
      expect(await again.joined()).toBe("joined");
      await expect.poll(() => events).toContainEqual(expect.objectContaining({ status: SrupStatus.ActivateFail }));
      expect(await again.join({ type: "join", kind: "simple" })).toBe("joined");
      const same = await again.update(5_000);
      expect(same).toMatchObject({ url: file.url });
      again.downloaded(same as typeof file, again.digestOf(same as typeof file));
      expect(await again.activated()).toBe(true);
      again.report(true);
      await again.close();
      third = new DeviceSession(requestTo(network), { makeKey });
      expect(await third.joined()).toBe("joined");
      expect(await third.update(300)).toBeUndefined();
    } finally {
      await again.close();
      await third?.close();
      await network.close();
    }
  });

  it.each(["stays", "dies too"])(
    "says again to a device that died before it heard of it to install: it %s",
    async (it) => {
      const events: SrupServerEvent[] = [];
      const first = await start(events);
      const ports = { port: first.keyService.port, brokerPort: first.broker.port };
      const device = new DeviceSession(requestTo(first), { makeKey });
      first.publish(new Uint8Array(1_000).fill(3));
      expect(await device.joined()).toBe("joined");
      const file = await device.update(5_000);
      if (file === undefined) throw new Error("there is no update");
      device.downloaded(file, device.digestOf(file));
      // what it will know of after it has died
      cpSync(join(folder, "device"), join(folder, "before"), { recursive: true });
      expect(await device.activated()).toBe(true);
      await device.close();
      rmSync(join(folder, "device"), { recursive: true });
      renameSync(join(folder, "before"), join(folder, "device"));

      let network = first;
      if (it === "dies too") {
        await first.close();
        network = await start(events, ports);
        network.publish(new Uint8Array(1_000).fill(3));
      }
      const told: string[] = [];
      const again = new DeviceSession(requestTo(network), {
        makeKey,
        fetched: () => [file.download],
        onEvent: ({ type }) => told.push(type),
      });
      try {
        expect(await again.joined()).toBe("joined");
        await expect.poll(() => told).toContain("activate");
        expect(events.filter(({ type }) => type === "initiated")).toHaveLength(1);
        again.report(true);
        await expect.poll(() => events).toContainEqual(expect.objectContaining({ status: SrupStatus.ActivateSuccess }));
        const installs = (): number => told.filter((type) => type === "activate").length;
        expect(await again.join({ type: "join", kind: "simple" })).toBe("joined");
        expect(await again.update(300)).toBeUndefined();
        expect(installs()).toBe(1);
      } finally {
        await again.close();
        await network.close();
      }
    },
  );

  it("tells a device to install once, also one that never says how that went and joins again", async () => {
    const network = await start([]);
    const told: string[] = [];
    const device = new DeviceSession(requestTo(network), { makeKey, onEvent: ({ type }) => told.push(type) });
    try {
      network.publish(new Uint8Array(1_000).fill(3));
      expect(await device.joined()).toBe("joined");
      const file = await device.update(5_000);
      if (file === undefined) throw new Error("there is no update");
      device.downloaded(file, device.digestOf(file));
      expect(await device.activated()).toBe(true);
      expect(await device.join({ type: "join", kind: "simple" })).toBe("joined");
      expect(await device.update(300)).toBeUndefined();
      expect(told.filter((type) => type === "activate")).toHaveLength(1);
      expect(told).not.toContain("refused");
    } finally {
      await device.close();
      await network.close();
    }
  });

  it("goes on after both sides died: the server still has its device, and no peer refuses the other", async () => {
    const before: SrupServerEvent[] = [];
    const first = await start(before);
    const ports = { port: first.keyService.port, brokerPort: first.broker.port };
    const device = new DeviceSession(requestTo(first), { makeKey });
    expect(await device.joined()).toBe("joined");
    const [identity = ""] = first.server.joined;
    await device.close();
    await first.close();

    const events: SrupServerEvent[] = [];
    const told: string[] = [];
    const second = await start(events, ports);
    const again = new DeviceSession(requestTo(second), { makeKey, onEvent: ({ type }) => told.push(type) });
    try {
      await again.begin();
      expect(again.identity).toBe(identity);
      expect(second.server.joined).toEqual([identity]);
      second.server.push({ type: "sendIdRequest", peer: identity });
      await expect.poll(() => events.map(({ type }) => type)).toContain("data");
      second.publish(new Uint8Array(1_000).fill(3));
      expect(await again.update(5_000)).toMatchObject({ url: expect.stringContaining("/srup/") });
      expect([...told, ...events.map(({ type }) => type)]).not.toContain("refused");
    } finally {
      await again.close();
      await second.close();
    }
  });
});
