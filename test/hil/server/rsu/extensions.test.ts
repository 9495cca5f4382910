import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import type { HostAnswer, RsuRequest } from "../../../../gateway/source/host-request.ts";
import { makeTls } from "../../../../hil/crypto/keys.ts";
import { isLastAnswer } from "../../../../hil/link/host-driver.ts";
import { RsuDriver } from "../../../../hil/link/rsu/rsu-driver.ts";
import { type RsuServerHandle, type RsuServerOptions, startRsuServer } from "../../../../hil/server/rsu/rsu-server.ts";
import { testTls } from "../../../support/https-client.ts";
import { describeWithJudge } from "../../../support/judges.ts";
import { connectOld, oldClient } from "../../../support/rsu-peer.ts";

const { certificate, privateKey, ca } = testTls();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
const data = new Prng("extensions").bytes(3000);

async function serve(options: Partial<RsuServerOptions> = {}, version = "2.1.0"): Promise<RsuServerHandle> {
  const server = await startRsuServer({ certificate, privateKey, ...options });
  open.push(server);
  server.publish("firmware", { version, data });
  return server;
}

async function ask(port: number, request: Partial<RsuRequest> = {}, driver = new RsuDriver()): Promise<HostAnswer[]> {
  const url = `rsu://localhost:${port}`;
  driver.start(1, { kind: "rsu", method: "fetch", url, version: "1.0.0", ca, bodyMax: 1 << 20, ...request });
  const answers: HostAnswer[] = [];
  do answers.push(await driver.next(1));
  while (!isLastAnswer(answers.at(-1) as HostAnswer));
  await driver.close();
  return answers;
}

describe("updates that the server announces", () => {
  it("reach a device that waits, as soon as they are published", async () => {
    const server = await serve({}, "1.0.0");
    const asked = ask(server.port, { method: "look", wait: 30 });
    await new Promise((next) => setTimeout(next, 300));
    server.publish("firmware", { version: "1.5.0", data });
    expect((await asked)[0]).toMatchObject({ type: "head", status: 200, headers: { version: "1.5.0" } });
  });

  it("reach a device that waits longer than a connection may be idle", async () => {
    const server = await serve({ idleTimeoutMs: 1_200 }, "1.0.0");
    const patient = new RsuDriver({ keepAliveMs: 150 });
    const asked = ask(server.port, { method: "look", wait: 30 }, patient);
    await new Promise((next) => setTimeout(next, 2_600));
    server.publish("firmware", { version: "1.5.0", data });
    expect((await asked)[0]).toMatchObject({ type: "head", status: 200, headers: { version: "1.5.0" } });
  });
});

describe("the TLS under RSU", () => {
  it("lets nothing through to a server of another CA, of another name, or to one whose certificate has expired", async () => {
    const { port } = await serve();
    expect(await ask(port, { ca: makeTls("another").ca })).toEqual([
      expect.objectContaining({ type: "failed", code: "HOST_TLS_UNTRUSTED" }),
    ]);
    expect(await ask(port, { serverName: "elsewhere.example" })).toEqual([
      expect.objectContaining({ type: "failed", code: "HOST_TLS_UNTRUSTED" }),
    ]);
    expect(await ask(port, { ca: "" })).toMatchObject([{ type: "failed", code: "HOST_TLS_UNTRUSTED" }]);
  });

  it("speaks rsu-protocol and nothing else", async () => {
    const { port } = await serve();
    const session = connectOld(port, { alpn: ["h3"] });
    await expect(session.ready()).rejects.toThrow();
    const both = connectOld(port, { alpn: ["h3", "rsu-protocol"] });
    await both.ready();
    await both.close(0, "");
  });

  it("HOST_REFUSED for a name that there is not", async () => {
    const [answer] = await ask(1, { url: "rsu://no-such-host.invalid:4433" });
    expect(answer).toMatchObject({ type: "failed", code: "HOST_REFUSED" });
  });
});

const folder = mkdtempSync(join(tmpdir(), "otabench-rsu-"));
afterAll(() => rmSync(folder, { recursive: true }));

const openssl = (...args: string[]): void => {
  execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
};
const text = (name: string): string => readFileSync(join(folder, name), "utf8");

/** A CA of its own and one certificate below it. @param days how long that is good; below 0: it was */
function certify(ca: string, name: string, days: number, extensions: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", `${ca}.key`, "-out", `${ca}.pem`, "-subj", `/CN=${ca}`, "-days", "10");
  openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
  writeFileSync(join(folder, `${name}.ext`), extensions);
  const sign = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-extfile", `${name}.ext`];
  openssl("x509", "-req", "-in", `${name}.csr`, ...sign, "-days", String(days), "-out", `${name}.pem`);
}

describeWithJudge("openssl", "certificates that are not ours, under RSU", () => {
  it("an expired one of a server is not taken", async () => {
    certify("old-ca", "old-server", -1, "subjectAltName=DNS:localhost");
    const server = await serve({ certificate: text("old-server.pem"), privateKey: text("old-server.key") });
    expect(await ask(server.port, { ca: text("old-ca.pem") })).toMatchObject([
      { type: "failed", code: "HOST_TLS_UNTRUSTED" },
    ]);
  });

  it("one of a device is required, or only asked for", async () => {
    certify("device-ca", "device", 10, "extendedKeyUsage=clientAuth");
    certify("other-ca", "stranger", 10, "extendedKeyUsage=clientAuth");
    const identity = { certificate: text("device.pem"), privateKey: text("device.key") };
    const stranger = { certificate: text("stranger.pem"), privateKey: text("stranger.key") };
    const required = await serve({ deviceCa: text("device-ca.pem"), deviceAuth: "require" });
    expect((await ask(required.port, { identity })).at(-1)).toEqual({ type: "end" });
    expect((await ask(required.port)).at(-1)).toMatchObject({ type: "failed", code: "HOST_DEVICE_REFUSED" });
    expect((await ask(required.port, { identity: stranger })).at(-1)).toMatchObject({
      type: "failed",
      code: "HOST_DEVICE_REFUSED",
    });
    const requested = await serve({ deviceCa: text("device-ca.pem"), deviceAuth: "request" });
    expect((await ask(requested.port, { identity })).at(-1)).toEqual({ type: "end" });
    expect((await oldClient(requested.port, undefined, { splits: true })).error).toBeUndefined();
    expect((await ask(requested.port)).at(-1)).toEqual({ type: "end" });
  });
});
