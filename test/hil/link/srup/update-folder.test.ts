import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SrupDeviceInput } from "../../../../gateway/source/srup/device-io.ts";
import { UpdateFolder } from "../../../../hil/link/srup/update-folder.ts";

const FILE = Buffer.alloc(200_000, 7);
const DIGEST = createHash("sha256").update(FILE).digest("hex");
const ANSWERS: Readonly<Record<string, RequestListener>> = {
  "/file": (_, response) => response.end(FILE),
  "/moved": (_, response) => response.writeHead(302, { location: "/file" }).end(),
  "/round": (_, response) => response.writeHead(302, { location: "/round" }).end(),
  "/nowhere": (_, response) => response.writeHead(302, { location: "http://[" }).end(),
  "/cut": (_, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write("x", () => response.destroy());
  },
  "/long": (_, response) => response.end(Buffer.alloc(1 << 20)),
  "/silent": () => {},
};

describe("the folder of a SRUP device", () => {
  let folder = "";
  let server: Server;
  let url = "";
  let told: SrupDeviceInput[] = [];
  let installed: (string | undefined)[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "otabench-srup-"));
    told = [];
    installed = [];
    server = createServer((request, response) => {
      const answer = ANSWERS[request.url ?? ""];
      if (answer === undefined) response.writeHead(404).end();
      else answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const updates = (): UpdateFolder =>
    new UpdateFolder({
      folder,
      ca: "",
      bodyMax: 500_000,
      digestOf: () => DIGEST,
      tell: (input) => told.push(input),
      installed: (path) => installed.push(path),
    });

  it.each(["/file", "/moved"])(
    "has a file on disk before the role hears of it, and once it is activated: %s",
    async (path) => {
      const files = updates();
      files.said({ type: "download", download: 3, url: `${url}${path}` });
      await expect.poll(() => told).toEqual([{ type: "downloaded", download: 3, digest: DIGEST }]);
      expect(readdirSync(folder)).toEqual([`3-${DIGEST}.fetched`]);

      const afterRestart = updates();
      expect(afterRestart.fetched()).toEqual([3]);
      afterRestart.said({ type: "activate", download: 3, token: new Uint8Array(0) });
      expect(installed).toEqual([join(folder, `${DIGEST}.bin`)]);
      expect(readFileSync(join(folder, `${DIGEST}.bin`)).equals(FILE)).toBe(true);
      afterRestart.said({ type: "activate", download: 3, token: new Uint8Array(0) });
      expect(installed.at(-1)).toBeUndefined();
    },
  );

  it("fetches the next file while one waits, and keeps the newest good one", async () => {
    const files = updates();
    files.said({ type: "download", download: 0, url: `${url}/file` });
    files.said({ type: "download", download: 1, url: `${url}/missing` });
    await expect.poll(() => told.length).toBe(2);
    expect(files.fetched()).toEqual([0]);
    files.said({ type: "download", download: 2, url: `${url}/file` });
    await expect.poll(() => told.length).toBe(3);
    expect(files.fetched()).toEqual([2]);
  });

  it.each([
    ["/missing", "status"],
    ["/round", "protocol"],
    ["/nowhere", "protocol"],
    ["/cut", "unreachable"],
    ["/long", "tooLarge"],
  ])("says why a file can't be had, and keeps nothing of it: %s", async (path, failure) => {
    const files = updates();
    files.said({ type: "download", download: 0, url: `${url}${path}` });
    await expect.poll(() => told).toEqual([{ type: "downloadFailed", download: 0, failure }]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says so when there is no server, no URL or no place", async () => {
    const files = updates();
    files.said({ type: "download", download: 0, url: "http://127.0.0.1:1/" });
    files.said({ type: "download", download: 1, url: "http://[" });
    writeFileSync(join(folder, "x"), "");
    const nowhere = new UpdateFolder({
      folder: join(folder, "x"),
      ca: "",
      bodyMax: 500_000,
      digestOf: () => DIGEST,
      tell: (input) => told.push(input),
      installed: () => {},
    });
    await expect.poll(() => told.length).toBe(2);
    nowhere.said({ type: "download", download: 2, url: `${url}/file` });
    await expect
      .poll(() => told)
      .toMatchObject([{ failure: "unreachable" }, { failure: "url" }, { failure: "storage" }]);
  });

  it("stops fetching what is not wanted any more, and says nothing of it", async () => {
    const files = updates();
    files.said({ type: "download", download: 0, url: `${url}/silent` });
    await expect.poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(1);
    files.said({ type: "abandon", download: 0 });
    await files.close();
    expect(told).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
