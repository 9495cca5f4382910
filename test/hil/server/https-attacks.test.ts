import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { writeKeys } from "../../../hil/crypto/key-files.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { type HttpsServer, type HttpsServerOptions, startHttpsServer } from "../../../hil/server/https/https-server.ts";
import { type ServerOpen, serve } from "../../../hil/system/serve.ts";
import { get, testTls } from "../../support/https-client.ts";

const FILE = new Prng("attacked server").bytes(300_000);
const PATH = "/firmware_v2.bin";

let server: HttpsServer;
let refused: string[];
const open: Socket[] = [];

async function start(options: Partial<HttpsServerOptions> = {}): Promise<void> {
  const { certificate, privateKey } = testTls();
  const reasons: string[] = [];
  refused = reasons;
  server = await startHttpsServer({
    certificate,
    privateKey,
    files: { [PATH]: FILE },
    onEvent: (event) => {
      if (event.type === "refused") reasons.push(event.reason);
    },
    ...options,
  });
}
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await server.close();
});

async function openTcp(): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  open.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function openTls(): Promise<TLSSocket> {
  const socket = connectTls({ host: "localhost", port: server.port, ca: testTls().ca });
  open.push(socket);
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

const closed = (socket: Socket): Promise<unknown> => (socket.closed ? Promise.resolve() : once(socket, "close"));

const isServed = async (): Promise<boolean> => (await get(server.url + PATH)).body.length === FILE.length;

describe("an HTTPS server under attack", () => {
  it("serves a real device while somebody opens connections without end and says nothing", async () => {
    await start({ connectionsMax: 8 });
    for (let count = 0; count < 60; count++) await openTcp();
    expect(await isServed()).toBe(true);
    expect(refused.filter((reason) => reason === "there are 8 connections")).toHaveLength(60 - 8 + 1);
    await Promise.all(open.slice(0, 60 - 8).map(closed));
  });

  it("does the same when they shake hands, and ask for nothing", async () => {
    await start({ connectionsMax: 8 });
    for (let count = 0; count < 20; count++) await openTls();
    expect(await isServed()).toBe(true);
    await Promise.all(open.slice(0, 12).map(closed));
  });

  it("lets nobody who is being answered lose the place, and refuses when all are", async () => {
    await start({ connectionsMax: 4, faults: [{ name: "slow", bytesPerSecond: 1_000_000 }] });
    const busy = Array.from({ length: 4 }, async () => {
      const socket = await openTls();
      let length = 0;
      socket.on("data", (data) => (length += data.length));
      socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await once(socket, "data");
      return { end: closed(socket).then(() => length) };
    });
    const answered = await Promise.all(busy);
    await expect(get(server.url + PATH)).rejects.toMatchObject({ code: "ECONNRESET" });
    for (const { end } of answered) expect(await end).toBeGreaterThan(FILE.length);
    expect(await isServed()).toBe(true);
  });

  it("does not wait for a handshake that is not ended, or never begun", async () => {
    await start({ patience: { handshakeMs: 50 } });
    const silent = await openTcp();
    const half = await openTcp();
    half.write(Buffer.from("16030100c8010000c40303", "hex"));
    await Promise.all([closed(silent), closed(half)]);
    expect(refused).toEqual(["TLS handshake timeout", "TLS handshake timeout"]);
  });

  it("does not wait for a head that comes byte by byte", async () => {
    await start({ patience: { headMs: 2_000 } }); // long enough for the device that is served at the end
    const slow = await openTls();
    slow.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n`);
    const drip = setInterval(() => slow.write("X"), 20);
    await closed(slow);
    clearInterval(drip);
    expect(refused).toEqual([expect.stringContaining("timeout")]);
    expect(await isServed()).toBe(true);
  });

  it.each([{ idleMs: 200 }, { sliceMs: 200 }])("does not wait for somebody who takes nothing: %j", async (patience) => {
    const events: unknown[] = [];
    await start({
      patience,
      files: { [PATH]: new Uint8Array(20_000_000) },
      onEvent: (event) => events.push(event),
    });
    const lazy = await openTls();
    lazy.pause();
    lazy.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
    while (events.length === 0) await new Promise(setImmediate);
    expect(events).toEqual([expect.objectContaining({ type: "access", status: 200, complete: false })]);
  });

  it("sends a file once for a request that names a thousand ranges of it", async () => {
    await start();
    const range = `bytes=${Array.from({ length: 1000 }, () => "0-").join(",")}`;
    const got = await get(server.url + PATH, { range });
    expect(got).toMatchObject({ status: 200, headers: { "content-length": "300000" } });
    expect(got.body).toEqual(FILE);
  });

  it("takes no head of more than 8 KiB", async () => {
    await start();
    const socket = await openTls();
    let answer = "";
    socket.on("data", (data) => (answer += String(data)));
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(9000)}\r\n\r\n`);
    await closed(socket);
    expect(answer).not.toContain("200 OK");
    expect(refused).toEqual([expect.stringContaining("Header overflow")]);
  });
});

describe("otabench server", () => {
  it("hands out what was published, and its keys under no name whatsoever", async () => {
    await start();
    const folder = mkdtempSync(join(tmpdir(), "otabench-keys-"));
    const stop = new AbortController();
    try {
      const keys = makeKeys("1");
      writeKeys(folder, keys);
      const published = join(folder, "firmware.bin");
      writeFileSync(published, FILE);
      const opened = Promise.withResolvers<ServerOpen>();
      const common = { system: "https", version: "1.0.0", sign: true, host: "127.0.0.1", port: 0, tls12: false };
      const run = (files: readonly string[]) =>
        serve({
          ...common,
          files,
          keysDir: folder,
          stop: stop.signal,
          onOpen: opened.resolve,
          onEvent: () => {},
        });
      const running = run([published]);
      const { port } = await opened.promise;
      const names = readdirSync(folder);
      const here = process.cwd();
      const tries = names.flatMap((name) => [
        `/${name}`,
        `${folder}/${name}`,
        `/../${name}`,
        `/..%2f${name}`,
        `/%2e%2e/${name}`,
        `/firmware_v2.bin/../${name}`,
        `/./${name}`,
        `//${name}`,
        `/${name}%00.bin`,
        `/..\\${name}`,
        `/keys/${name}`,
        `${here}/${name}`,
      ]);
      const found: string[] = [];
      for (const path of [...tries, "/", "/.", "/etc/passwd", "/proc/self/environ"]) {
        const { status, body } = await raw(port, path);
        if (status !== 404) found.push(path);
        expect(body).not.toContain("PRIVATE");
      }
      expect(found).toEqual([]);
      expect((await raw(port, PATH)).status).toBe(200);
      expect((await raw(port, `${PATH}.sig`)).status).toBe(200);
      for (const name of names.filter((each) => each.endsWith(".key.pem")))
        await expect(run([join(folder, name)]), name).rejects.toThrow("private key");
      expect(readFileSync(join(folder, "server.key.pem"), "utf8")).toContain("PRIVATE KEY");
      stop.abort();
      await running;
    } finally {
      stop.abort();
      rmSync(folder, { recursive: true });
    }
  });
});

/** A request for a target as it is, which a client library would tidy up. */
async function raw(port: number, target: string): Promise<{ status: number; body: string }> {
  const socket = connectTls({ host: "localhost", port, ca: makeKeysOnce().tls.ca });
  let text = "";
  socket.on("data", (data) => (text += data.toString("latin1")));
  socket.end(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(socket, "close");
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  return { status: Number(head.split(" ")[1]), body };
}

let made: ReturnType<typeof makeKeys> | undefined;
const makeKeysOnce = (): ReturnType<typeof makeKeys> => {
  made ??= makeKeys("1");
  return made;
};
