import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { makeServerCertificate } from "../../../hil/crypto/certificates.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { seededRsaKey } from "../../../hil/crypto/seeded-keys.ts";
import { removeFolders } from "../../support/device-folder.ts";
import { DeviceRig, PATH } from "../../support/device-rig.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

const file = new Prng("attacked").bytes(300_000);
const DAY_MS = 86_400_000;
/** The seed of the keys that devices of these tests trust. */
const TRUSTED = "1";

let rig: DeviceRig;
let between: TcpProxy | undefined;
afterEach(async () => {
  await between?.close();
  between = undefined;
  await rig.close();
});
afterAll(removeFolders);

/** What the device says, and that nothing has come of it. */
async function refusal(): Promise<string> {
  const { code, err } = await rig.run(["all"]);
  expect(code).toBe(1);
  expect(existsSync(rig.target)).toBe(false);
  return /otabench: (\w+)/.exec(err)?.[1] ?? err;
}

async function facing(shown: { readonly certificate: string; readonly privateKey: string }): Promise<string> {
  rig = await DeviceRig.start(shown);
  rig.publish(file);
  await rig.init();
  const code = await refusal();
  expect(rig.events.filter(({ type }) => type === "access")).toEqual([]); // it was not even asked
  return code;
}

describe("a device before a man in the middle", () => {
  const now = Date.now();

  it("takes nothing from a server of another CA, which has the same name", async () => {
    expect(await facing(makeTls("somebody else"))).toBe("SOURCE_UNTRUSTED");
  });

  it.each([
    ["has expired", { validFrom: new Date(now - 9 * DAY_MS), validTo: new Date(now - DAY_MS) }],
    ["is not valid yet", { validFrom: new Date(now + DAY_MS), validTo: new Date(now + 9 * DAY_MS) }],
    ["is for another name", { names: ["updates.example"] }],
    ["is for a name that only begins alike", { names: ["localhost.example", "localhos", "*.localhost"] }],
  ])("takes nothing from a server of the right CA whose certificate %s", async (_, options) => {
    expect(await facing(makeTls(TRUSTED, options))).toBe("SOURCE_UNTRUSTED");
  });

  it("takes nothing from a server whose certificate another server has signed", async () => {
    const { certificate, privateKey } = makeTls(TRUSTED);
    const key = seededRsaKey("rogue", "tls server");
    const issuer = { name: "localhost", key: createPrivateKey(privateKey) };
    const chain = makeServerCertificate(key, issuer) + certificate;
    const rogue = { certificate: chain, privateKey: key.export({ format: "pem", type: "pkcs8" }) as string };
    expect(await facing(rogue)).toBe("SOURCE_UNTRUSTED");
  });

  /** A device that asks through somebody. */
  async function through(more: readonly string[] = [], options = {}): Promise<TcpProxy> {
    rig = await DeviceRig.start(options);
    rig.publish(file);
    const proxy = await startTcpProxy(rig.server.port);
    between = proxy;
    await rig.init(["--target", rig.target, ...more], proxy.port);
    return proxy;
  }

  it("does not let two who both speak TLS 1.3 be talked into TLS 1.2", async () => {
    const proxy = await through(["--tls12"], { tlsMin: "1.2" });
    let forged = 0;
    proxy.toServer = (data, count) => {
      // supported_versions: 1.3 and 1.2 (RFC 8446, 4.2.1)
      const at = count === 0 ? data.indexOf(Buffer.from("002b00050403040303", "hex")) : -1;
      if (at < 0) return data;
      forged++;
      data.writeUInt16BE(0x0303, at + 5);
      return data;
    };
    expect(await refusal()).toBe("SOURCE_TLS");
    expect(forged).toBeGreaterThan(0);
    expect(rig.events.filter(({ type }) => type === "access")).toEqual([]);
    proxy.toServer = (data) => data;
    expect((await rig.run(["all"])).code).toBe(0);
  }, 60_000);

  it("takes TLS 1.2 only where it was told to", async () => {
    await through([], { tlsMin: "1.2" });
    await between?.close();
    const { certificate, privateKey } = makeTls(TRUSTED);
    const old = createServer({ cert: certificate, key: privateKey, maxVersion: "TLSv1.2" }, (socket) => socket.end());
    old.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => old.listen(between?.port, "127.0.0.1", resolve));
    expect(await refusal()).toBe("SOURCE_TLS");
    await new Promise((resolve) => old.close(resolve));
    between = undefined;
  });

  it("loses no more than time when bytes are turned on the way, and goes on where they were", async () => {
    const proxy = await through();
    let turned = 0;
    proxy.toClient = (data, count) => {
      const at = 150_000 - count;
      if (turned > 0 || at < 0 || at >= data.length) return data;
      turned++;
      data[at] = (data[at] as number) ^ 1;
      return data;
    };
    expect((await rig.run(["all"])).code).toBe(0);
    expect(turned).toBe(1);
    expect(new Uint8Array(readFileSync(rig.target))).toEqual(file);
    const ranges = rig.events.flatMap((event) =>
      event.type === "access" && event.range !== undefined ? [event.range] : [],
    );
    expect(ranges).toEqual([expect.stringMatching(/^bytes=65536-|^bytes=131072-/)]);
  }, 30_000);

  it("does not take the signature of one release for another", async () => {
    rig = await DeviceRig.start();
    await rig.init();
    rig.publish(file.subarray(0, 1000));
    rig.server.publish(PATH, file);
    expect(await refusal()).toBe("PACKAGE_SIGNATURE_WRONG");
  });

  it("stops at the announced size, and at the size it may take when none is announced", async () => {
    rig = await DeviceRig.start();
    const { certificate, privateKey } = makeTls(TRUSTED);
    let sent = 0;
    const endless = createServer({ cert: certificate, key: privateKey, minVersion: "TLSv1.3" }, (socket) => {
      socket.on("error", () => {});
      socket.once("data", (head) => {
        if (String(head).startsWith("HEAD")) {
          socket.end("HTTP/1.1 200 OK\r\n\r\n");
          return;
        }
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        const more = (): void => {
          if (socket.destroyed) return;
          sent += 65_536;
          if (socket.write(new Uint8Array(65_536))) setImmediate(more);
          else socket.once("drain", more);
        };
        more();
      });
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    const { port } = endless.address() as { port: number };
    await rig.init(["--target", rig.target, "--max", "1000000"], port);
    expect(await refusal()).toBe("SOURCE_TOO_LARGE");
    expect(sent).toBeLessThan(30_000_000);
    const part = join(rig.state, "package.bin.part");
    expect(statSync(part, { throwIfNoEntry: false })?.size ?? 0).toBeLessThanOrEqual(1_000_000);
    await new Promise((resolve) => endless.close(resolve));
  }, 30_000);
});
