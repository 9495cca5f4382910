import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type HttpsServer, type HttpsServerOptions, startHttpsServer } from "../../../hil/server/https/https-server.ts";
import type { ServerFault } from "../../../hil/server/server-faults.ts";
import { get, testTls } from "../../support/https-client.ts";

const FILE = new Prng("file").bytes(300_000);
const TAG = `"${createHash("sha256").update(FILE).digest("hex")}"`;
const PATH = "/firmware_v2.bin";

type HttpsServerEvent = Parameters<NonNullable<HttpsServerOptions["onEvent"]>>[0];

let server: HttpsServer;
let events: HttpsServerEvent[];
let wake: () => void = () => {};

async function start(options: Partial<HttpsServerOptions> = {}): Promise<void> {
  const told: HttpsServerEvent[] = [];
  events = told;
  const { certificate, privateKey } = testTls();
  server = await startHttpsServer({
    certificate,
    privateKey,
    files: { [PATH]: FILE },
    onEvent: (event) => {
      told.push(event);
      wake();
    },
    ...options,
  });
}
afterEach(() => server.close());

/** A client may have its answer before the server has told of it. */
async function toldOf(count: number): Promise<HttpsServerEvent[]> {
  while (events.length < count) {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    await promise;
  }
  return events;
}

/** Until the connection has ended, in whichever way. */
async function closed(socket: Socket): Promise<void> {
  socket.on("error", () => {});
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  await promise;
}

/** Sends text as it is, over TLS, and reads until the server ends. */
async function raw(text: string): Promise<string> {
  const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: testTls().ca });
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
  });
  socket.end(text);
  await closed(socket);
  return answer;
}

describe("HTTPS server", () => {
  it("gives a published file with length, strong entity tag, date and bytes as its unit", async () => {
    await start();
    server.publish(PATH, FILE, new Date("1994-11-06T08:49:37.900Z"));
    const got = await get(server.url + PATH);
    expect(got).toMatchObject({ status: 200, complete: true });
    expect(got.headers).toMatchObject({
      "content-length": "300000",
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      etag: TAG,
      "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    });
    expect(got.body).toEqual(FILE);
  });

  it("answers HEAD like GET, without the body", async () => {
    await start();
    const got = await get(server.url + PATH, {}, "HEAD");
    expect(got).toMatchObject({ status: 200, headers: { "content-length": "300000", etag: TAG } });
    expect(got.body).toHaveLength(0);
  });

  it("gives a range, or says how long the file is", async () => {
    await start();
    const part = await get(server.url + PATH, { range: "bytes=100000-200000", "if-range": TAG });
    expect(part).toMatchObject({ status: 206, headers: { "content-range": "bytes 100000-200000/300000", etag: TAG } });
    expect(part.body).toEqual(FILE.subarray(100_000, 200_001));
    const beyond = await get(server.url + PATH, { range: "bytes=300000-" });
    expect(beyond).toMatchObject({ status: 416, headers: { "content-range": "bytes */300000" } });
    const same = await get(server.url + PATH, { "if-none-match": TAG });
    expect(same).toMatchObject({ status: 304, headers: { etag: TAG } });
  });

  it.each([
    "/",
    "/firmware_v2.bin/",
    "//firmware_v2.bin",
    "/./firmware_v2.bin",
    "/x/../firmware_v2.bin",
    "/%66irmware_v2.bin",
    "/firmware_v2.bin?a",
    "/FIRMWARE_V2.BIN",
    "/../../../etc/passwd",
    "/..%2f..%2fetc/passwd",
    "/server.key",
    "https://127.0.0.1/firmware_v2.bin",
    "*",
    "/__proto__",
    "/constructor",
  ])("has nothing at %s", async (target) => {
    await start();
    const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])("does not know %s", async (method) => {
    await start();
    const answer = await raw(`${method} ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`);
    expect(answer).toMatch(/^HTTP\/1\.1 405 .*\r\nallow: GET, HEAD\r\n/is);
  });

  it("lives on after what is no HTTP, no TLS, or half a handshake, and says so", async () => {
    await start();
    expect(await raw("\u0000\u0001\u0002 nonsense\r\n\r\n")).not.toMatch(/200/);
    expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(100_000)}\r\n\r\n`)).not.toMatch(/200/);
    const plain = connect(server.port, "127.0.0.1");
    plain.end("GET / HTTP/1.0\r\n\r\n");
    plain.resume();
    await closed(plain);
    const half = connect(server.port, "127.0.0.1");
    await once(half, "connect");
    expect(await get(server.url + PATH)).toMatchObject({ status: 200 });
    const told = await toldOf(4);
    expect(told.map(({ type }) => type)).toEqual(["refused", "refused", "refused", "access"]);
    half.destroy();
  });

  it("speaks TLS 1.3 and nothing older", async () => {
    await start();
    expect((await get(server.url + PATH)).tls).toMatch(/^TLSv1\.3 TLS_AES_256_GCM_SHA384/);
    await expect(get(server.url + PATH, {}, "GET", { maxVersion: "TLSv1.2" })).rejects.toMatchObject({
      message: expect.stringMatching(/alert protocol version/) as string,
    });
  });

  it("speaks TLS 1.2 with one cipher when told to, and still 1.3", async () => {
    await start({ tlsMin: "1.2" });
    const old = { maxVersion: "TLSv1.2" };
    expect((await get(server.url + PATH, {}, "GET", old)).tls).toBe("TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384");
    expect((await get(server.url + PATH)).tls).toMatch(/^TLSv1\.3/);
    for (const ciphers of ["ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384"]) {
      await expect(get(server.url + PATH, {}, "GET", { ...old, ciphers })).rejects.toMatchObject({
        message: expect.stringMatching(/alert handshake failure/) as string,
      });
    }
  });

  it("tells of every request", async () => {
    await start();
    await get(server.url + PATH, { range: "bytes=0-9" });
    await get(`${server.url}/${"x".repeat(1000)}`);
    const seen = (await toldOf(2)).map((event) => (event.type === "access" ? event : undefined));
    expect(seen[0]).toEqual({
      type: "access",
      peer: "127.0.0.1",
      method: "GET",
      path: PATH,
      range: "bytes=0-9",
      status: 206,
      bytes: 10,
      complete: true,
    });
    expect(seen[1]).toMatchObject({ status: 404, bytes: 0 });
    expect(seen[1]?.path).toHaveLength(200);
  });

  it("publishes and withdraws while running", async () => {
    await start();
    server.publish("/new", FILE.subarray(0, 5));
    expect((await get(`${server.url}/new`)).body).toEqual(FILE.subarray(0, 5));
    server.withdraw("/new");
    expect((await get(`${server.url}/new`)).status).toBe(404);
    expect(() => server.publish("no path", FILE)).toThrow(/no path/);
  });

  it("has its port to itself, and gives it back with connections open", async () => {
    await start();
    const { port } = server;
    const { certificate, privateKey } = testTls();
    await expect(startHttpsServer({ certificate, privateKey, port })).rejects.toMatchObject({ code: "LINK_REFUSED" });
    const open = connect(port, "127.0.0.1");
    open.on("error", () => {});
    await once(open, "connect");
    await server.close();
    await start({ port });
    expect(server.port).toBe(port);
  });
});

describe("HTTPS server with faults", () => {
  const withFaults = (...faults: ServerFault[]) => start({ faults });

  it("dies after so many bytes of a body, so many times", async () => {
    await withFaults({ name: "dieAfterBytes", bytes: 123_457, requests: 2 });
    for (let times = 0; times < 2; times++) {
      const cut = await get(server.url + PATH);
      expect(cut).toMatchObject({ status: 200, complete: false });
      expect(cut.body).toEqual(FILE.subarray(0, 123_457));
    }
    expect((await get(server.url + PATH)).complete).toBe(true);
    expect((await toldOf(3)).map((event) => event.type === "access" && event.bytes)).toEqual([
      123_457, 123_457, 300_000,
    ]);
  });

  it("dies before the head at 0 bytes", async () => {
    await withFaults({ name: "dieAfterBytes", bytes: 0, requests: 1 });
    await expect(get(server.url + PATH)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await toldOf(1)).toMatchObject([{ status: 0, complete: false }]);
    expect((await get(server.url + PATH)).complete).toBe(true);
  });

  it("does not count answers that are too short to die in", async () => {
    await withFaults({ name: "dieAfterBytes", bytes: 100, requests: 1 });
    expect(await get(server.url + PATH, { range: "bytes=0-99" })).toMatchObject({ complete: true });
    expect(await get(server.url + PATH, {}, "HEAD")).toMatchObject({ complete: true });
    expect(await get(server.url + PATH)).toMatchObject({ complete: false });
  });

  it("turns one byte, in whole and in part, under the right entity tag", async () => {
    await withFaults({ name: "corruptByteAt", offset: 150_000 });
    const expected = FILE.slice();
    expected[150_000] = (FILE[150_000] as number) ^ 0xff;
    const whole = await get(server.url + PATH);
    expect(whole.body).toEqual(expected);
    expect(whole.headers.etag).toBe(TAG);
    const part = await get(server.url + PATH, { range: "bytes=150000-150001" });
    expect(part.body).toEqual(expected.subarray(150_000, 150_002));
    expect((await get(server.url + PATH, { range: "bytes=0-9" })).body).toEqual(FILE.subarray(0, 10));
  });

  it("pretends that a file is shorter", async () => {
    await withFaults({ name: "truncateTo", length: 1000 });
    const got = await get(server.url + PATH);
    expect(got).toMatchObject({ complete: true, headers: { "content-length": "1000" } });
    expect(got.body).toEqual(FILE.subarray(0, 1000));
    expect(got.headers.etag).not.toBe(TAG);
  });

  it("is slow in pieces, and stops when nobody listens any more", async () => {
    await withFaults({ name: "slow", bytesPerSecond: 4_000_000 });
    expect((await get(server.url + PATH)).body).toEqual(FILE);
    server.setFaults([{ name: "slow", bytesPerSecond: 1 }]);
    const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: testTls().ca });
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, "data");
    socket.destroy();
  });

  it("keeps to the path of a fault, and to the faults of now", async () => {
    await withFaults({ name: "truncateTo", length: 1, path: "/other" });
    server.publish("/other", FILE);
    expect((await get(server.url + PATH)).body).toHaveLength(300_000);
    expect((await get(`${server.url}/other`)).body).toHaveLength(1);
    server.setFaults([]);
    expect((await get(`${server.url}/other`)).body).toHaveLength(300_000);
  });

  it("is gone, and back", async () => {
    await start();
    server.setFaults([{ name: "gone" }]);
    await expect(get(server.url + PATH)).rejects.toMatchObject({ code: "ECONNRESET" });
    server.setFaults([]);
    expect((await get(server.url + PATH)).status).toBe(200);
  });
});
