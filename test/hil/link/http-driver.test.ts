import { once } from "node:events";
import { createServer as createPlainServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { BODY_PIECE_LENGTH, type HostAnswer, type HttpRequest } from "../../../gateway/source/host-request.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { isLastAnswer } from "../../../hil/link/host-driver.ts";
import { HttpDriver } from "../../../hil/link/http-driver.ts";
import { type HttpsServer, type HttpsServerOptions, startHttpsServer } from "../../../hil/server/https/https-server.ts";
import { testTls } from "../../support/https-client.ts";

const FILE = new Prng("file").bytes(3 * BODY_PIECE_LENGTH + 1000);
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function makeDriver(timeouts = {}): HttpDriver {
  const driver = new HttpDriver(timeouts);
  ends.push(() => driver.close());
  return driver;
}

async function startServer(options: Partial<HttpsServerOptions> = {}): Promise<HttpsServer> {
  const { certificate, privateKey } = testTls();
  const server = await startHttpsServer({ certificate, privateKey, files: { "/f": FILE }, ...options });
  ends.push(() => server.close());
  return server;
}

/** A TLS server that says what the test wants said; answers its URL. */
async function startRaw(talk: (socket: TLSSocket) => unknown, options = {}): Promise<string> {
  const { certificate, privateKey } = testTls();
  const sockets = new Set<Socket>();
  const server = createTlsServer({ cert: certificate, key: privateKey, ...options }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", (chunk: Buffer) => {
      void talk(socket);
      socket.emit("data", chunk);
    });
  });
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `https://127.0.0.1:${(server.address() as { port: number }).port}/f`;
}

const request = (url: string, changes: Partial<HttpRequest> = {}): HttpRequest => ({
  kind: "http",
  method: "GET",
  url,
  headers: {},
  ca: testTls().ca,
  tlsMin: "1.3",
  bodyMax: 1_000_000,
  ...changes,
});

async function all(driver: HttpDriver, what: HttpRequest): Promise<HostAnswer[]> {
  driver.start(1, what);
  const answers: HostAnswer[] = [];
  do answers.push(await driver.next(1));
  while (!isLastAnswer(answers.at(-1) as HostAnswer));
  return answers;
}
const failure = async (what: HttpRequest, timeouts = {}) => (await all(makeDriver(timeouts), what)).at(-1);
const lengths = (answers: HostAnswer[]) =>
  answers.map((answer) => (answer.type === "body" ? answer.data.length : answer.type));

describe("HttpDriver", () => {
  it("hands over the head, whole pieces, the rest and the end", async () => {
    const server = await startServer();
    const answers = await all(makeDriver(), request(`${server.url}/f`));
    expect(answers[0]).toMatchObject({ type: "head", status: 200, headers: { "content-length": String(FILE.length) } });
    const size = BODY_PIECE_LENGTH;
    expect(lengths(answers)).toEqual(["head", size, size, size, 1000, "end"]);
    const bodies = answers.flatMap((answer) => (answer.type === "body" ? [answer.data] : []));
    expect(new Uint8Array(Buffer.concat(bodies))).toEqual(FILE);
  });

  it("cuts pieces alike however the network cuts them", async () => {
    const data = FILE.subarray(0, 2 * BODY_PIECE_LENGTH);
    const url = await startRaw(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${data.length}\r\n\r\n`);
      for (let offset = 0, step = 1; offset < data.length; offset += step, step = (step * 7 + 3) % 9001) {
        await new Promise((resolve) => socket.write(data.subarray(offset, offset + step), resolve));
      }
    });
    expect(lengths(await all(makeDriver(), request(url)))).toEqual([
      "head",
      BODY_PIECE_LENGTH,
      BODY_PIECE_LENGTH,
      "end",
    ]);
  });

  it("sends method, fields and body, and joins fields that come twice", async () => {
    let seen = "";
    const url = await startRaw((socket) => {
      socket.on("data", (chunk) => {
        seen += chunk.toString();
        if (seen.endsWith("ab")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\n\r\n");
      });
    });
    const what = request(url, { method: "POST", headers: { range: "bytes=1-" }, body: new Uint8Array([97, 98]) });
    expect(await all(makeDriver(), what)).toMatchObject([{ status: 200, headers: { "x-a": "1, 2" } }, { type: "end" }]);
    expect(seen).toMatch(/^POST \/f HTTP\/1\.1\r\nrange: bytes=1-\r\ncontent-length: 2\r\n.*\r\n\r\nab$/s);
  });

  it("takes the answer to HEAD for what it is", async () => {
    const server = await startServer();
    const answers = await all(makeDriver(), request(`${server.url}/f`, { method: "HEAD", bodyMax: 0 }));
    expect(lengths(answers)).toEqual(["head", "end"]);
  });

  it("hands over whole pieces only when the connection dies, and all of them", async () => {
    const server = await startServer();
    for (const [bytes, pieces] of [
      [1, 0],
      [BODY_PIECE_LENGTH - 1, 0],
      [BODY_PIECE_LENGTH, 1],
      [3 * BODY_PIECE_LENGTH + 999, 3],
    ] as const) {
      server.setFaults([{ name: "dieAfterBytes", bytes }]);
      const answers = await all(makeDriver(), request(`${server.url}/f`));
      expect(lengths(answers)).toEqual(["head", ...Array.from({ length: pieces }, () => BODY_PIECE_LENGTH), "failed"]);
      expect(answers.at(-1)).toMatchObject({ code: "HOST_RESET" });
    }
  });

  it("loses nothing of what came before the end while nobody asked", async () => {
    const dead = Promise.withResolvers<void>();
    const url = await startRaw((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${FILE.length}\r\n\r\n`);
      socket.write(FILE.subarray(0, BODY_PIECE_LENGTH + 10), () => {
        socket.on("close", () => dead.resolve());
        socket.destroy();
      });
    });
    const driver = makeDriver();
    driver.start(1, request(url));
    expect(await driver.next(1)).toMatchObject({ type: "head" });
    await dead.promise;
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(await driver.next(1)).toMatchObject({ type: "body", data: { length: BODY_PIECE_LENGTH } });
    expect(await driver.next(1)).toMatchObject({ type: "failed", code: "HOST_RESET" });
  });

  it("reads no further than its user asks for", async () => {
    let socketOfServer: TLSSocket | undefined;
    const url = await startRaw((socket) => {
      socketOfServer = socket;
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const more = () => {
        if (socket.destroyed) return;
        if (socket.write(FILE)) setImmediate(more);
        else socket.once("drain", more);
      };
      more();
    });
    const driver = makeDriver();
    driver.start(1, request(url, { bodyMax: Number.MAX_SAFE_INTEGER }));
    await driver.next(1);
    let written = -1;
    let unchanged = 0;
    while (unchanged < 200) {
      await new Promise(setImmediate);
      const now = socketOfServer?.bytesWritten ?? 0;
      unchanged = now === written ? unchanged + 1 : 0;
      written = now;
    }
    // What the two systems' socket buffers hold, and no more.
    expect(written).toBeLessThan(20_000_000);
    expect(await driver.next(1)).toMatchObject({ type: "body" });
  });

  it("stops at bodyMax, announced or not, with the whole pieces before it", async () => {
    const server = await startServer();
    const bodyMax = BODY_PIECE_LENGTH + 5;
    const announced = await all(makeDriver(), request(`${server.url}/f`, { bodyMax }));
    expect(lengths(announced)).toEqual(["head", "failed"]);
    const url = await startRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.end(FILE);
    });
    const silent = await all(makeDriver(), request(url, { bodyMax }));
    expect(lengths(silent)).toEqual(["head", BODY_PIECE_LENGTH, "failed"]);
    for (const answers of [announced, silent]) expect(answers.at(-1)).toMatchObject({ code: "HOST_BODY_TOO_LONG" });
    const fits = await all(makeDriver(), request(`${server.url}/f`, { bodyMax: FILE.length }));
    expect(fits.at(-1)).toEqual({ type: "end" });
  });

  it("keeps two requests apart", async () => {
    const server = await startServer({ files: { "/a": FILE.subarray(0, 10), "/b": FILE.subarray(10, 30) } });
    const driver = makeDriver();
    driver.start(1, request(`${server.url}/a`));
    driver.start(2, request(`${server.url}/b`));
    expect(() => driver.start(2, request(`${server.url}/b`))).toThrow(UsageError);
    const order = [2, 1, 1, 2, 2, 1];
    const answers: string[] = [];
    for (const id of order) {
      const answer = await driver.next(id);
      answers.push(answer.type === "body" ? `${id} ${answer.data.length}` : `${id} ${answer.type}`);
    }
    expect(answers).toEqual(["2 head", "1 head", "1 10", "2 20", "2 end", "1 end"]);
    await expect(driver.next(1)).rejects.toThrow(UsageError);
  });

  it("is done with a request that is abandoned, also while it is waited for", async () => {
    const ended = Promise.withResolvers<void>();
    const url = await startRaw((socket) => socket.on("close", () => ended.resolve()));
    const driver = makeDriver();
    driver.start(1, request(url));
    const waiting = driver.next(1);
    driver.abandon(1);
    expect(await waiting).toMatchObject({ type: "failed", code: "HOST_FAILED" });
    driver.abandon(1);
    await expect(driver.next(1)).rejects.toThrow(UsageError);
    driver.start(1, request(url)); // the number is free again
    const again = driver.next(1);
    await driver.close();
    expect(await again).toMatchObject({ code: "HOST_FAILED" });
    expect(() => driver.start(2, request(url))).toThrow(UsageError);
  });
});

describe("HttpDriver names what went wrong", () => {
  it("HOST_REFUSED where nobody listens, or no such host is", async () => {
    const server = await startServer();
    await server.close();
    ends.pop();
    expect(await failure(request(`${server.url}/f`))).toMatchObject({ type: "failed", code: "HOST_REFUSED" });
    expect(await failure(request("https://host.invalid/f"))).toMatchObject({ code: "HOST_REFUSED" });
  });

  it.skipIf(process.platform === "darwin")("HOST_TLS_UNTRUSTED for another name", async () => {
    const server = await startServer({ host: "127.0.0.2" }); // an address that only Linux has by itself
    expect(await failure(request(`${server.url}/f`))).toMatchObject({ code: "HOST_TLS_UNTRUSTED" });
  });

  it("HOST_TLS_UNTRUSTED for another CA, and for no CA at all", async () => {
    const server = await startServer();
    const other = makeTls("another authority").ca;
    const url = `${server.url}/f`;
    expect(await failure(request(url, { ca: other }))).toMatchObject({ code: "HOST_TLS_UNTRUSTED" });
    for (const ca of ["", "no certificate"]) {
      expect(await failure(request(url, { ca }))).toMatchObject({ code: "HOST_TLS_UNTRUSTED" });
    }
  });

  it("HOST_TLS for a server with TLS 1.2, unless that is allowed, and then for other suites than the one", async () => {
    const answer = (socket: TLSSocket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    const old = (ciphers: string) => startRaw(answer, { maxVersion: "TLSv1.2", ciphers });
    const right = await old("ECDHE-RSA-AES256-GCM-SHA384");
    expect(await failure(request(right))).toMatchObject({ code: "HOST_TLS" });
    expect(await failure(request(right, { tlsMin: "1.2" }))).toEqual({ type: "end" });
    for (const suite of ["ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384"]) {
      expect(await failure(request(await old(suite), { tlsMin: "1.2" }))).toMatchObject({ code: "HOST_TLS" });
    }
  });

  it("HOST_RESET for a connection that ends before the head, in TLS or after", async () => {
    const server = await startServer({ faults: [{ name: "gone" }] });
    expect(await failure(request(`${server.url}/f`))).toMatchObject({ code: "HOST_RESET" });
    const url = await startRaw((socket) => socket.destroy());
    expect(await failure(request(url))).toMatchObject({ code: "HOST_RESET" });
  });

  it("HOST_TIMEOUT for a server that says nothing, before the head or after", async () => {
    const silent = createPlainServer();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    ends.push(async () => silent.close());
    const { port } = silent.address() as { port: number };
    expect(await failure(request(`https://127.0.0.1:${port}/`), { headMs: 20 })).toMatchObject({
      code: "HOST_TIMEOUT",
    });
    const url = await startRaw((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"));
    expect(await failure(request(url), { idleMs: 20 })).toMatchObject({ code: "HOST_TIMEOUT" });
  });

  it.each([
    "220 smtp.example ESMTP\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
  ])("HOST_PROTOCOL for what is no HTTP: %j", async (text) => {
    const url = await startRaw((socket) => socket.end(text));
    expect(await failure(request(url))).toMatchObject({ code: "HOST_PROTOCOL" });
  });

  it("HOST_FAILED for what is no URL", async () => {
    expect(await failure(request("no url"))).toMatchObject({ code: "HOST_FAILED" });
  });
});
