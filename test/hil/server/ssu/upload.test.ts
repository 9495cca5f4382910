import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s } from "../../../../emulator/kernel/time.ts";
import type { FileFacts } from "../../../../gateway/source/ssu/app-frames.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { SsuClient } from "../../../../hil/link/ssu/ssu-client.ts";
import type { SsuStreamOptions } from "../../../../hil/link/ssu/ssu-stream.ts";
import { FolderStore } from "../../../../hil/server/ssu/file-store.ts";
import { type SsuServer, startSsuServer } from "../../../../hil/server/ssu/ssu-server.ts";
import { testTls } from "../../../support/https-client.ts";
import { startStrangeSsuServer } from "../../../support/ssu-strange-server.ts";

const config = { giveUp: s(3), openTimeout: s(3), timeWait: ms(100) };
const data = new Prng(1).bytes(100_000);
const read = (offset: number, length: number): Uint8Array => data.subarray(offset, offset + length);
const factsOf = (name: string): FileFacts => ({
  name,
  size: data.length,
  digest: new Uint8Array(createHash("sha256").update(data).digest()),
});

let server: SsuServer | undefined;
afterEach(() => {
  server?.close();
  vi.restoreAllMocks();
});

async function start(): Promise<{ folder: string; at: SsuStreamOptions; store: FolderStore }> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-ssu-"));
  const store = new FolderStore(folder);
  server = await startSsuServer({ store, accepts: "plain", config });
  return { folder, store, at: { host: "127.0.0.1", port: server.port, security: 0, config } };
}

describe("an upload", () => {
  it("that can't have its name ends that client, not the server, and waits for another try", async () => {
    const { folder, at } = await start();
    mkdirSync(join(folder, "received_log", "full"), { recursive: true });
    const client = await SsuClient.connect(at);
    await expect(client.put(factsOf("log"), read)).rejects.toMatchObject({ code: "SSU_STORAGE" });
    const second = await SsuClient.connect(at);
    expect(await second.put(factsOf("log.txt"), read)).toEqual({ name: "received_log.txt", offset: data.length });
    await second.close();
    expect(readFileSync(join(folder, "received_log.txt")).equals(data)).toBe(true);
  });

  it("has a name that leaves room for what comes before it", async () => {
    const { at } = await start();
    const client = await SsuClient.connect(at);
    await expect(client.put(factsOf("n".repeat(192)), read)).rejects.toMatchObject({ code: "SSU_BAD_NAME" });
    const { name } = await client.put(factsOf("n".repeat(191)), read);
    expect((await client.list()).map((file) => file.name)).toEqual([name]);
    await client.close();
  });

  it("is another client's to go on with when its sender has been silent for 5 s, and not before", async () => {
    const { folder, store } = await start();
    const now = vi.spyOn(performance, "now").mockReturnValue(1000);
    const gone = store.receive(factsOf("log"));
    gone?.write(data.subarray(0, 1000));
    now.mockReturnValue(5999);
    expect(store.receive(factsOf("log"))).toBeUndefined();
    now.mockReturnValue(6000);
    const next = store.receive(factsOf("log"));
    expect(next?.offset).toBe(1000);
    expect(() => gone?.write(data.subarray(1000))).toThrow(expect.objectContaining({ code: "SSU_UPLOAD_TAKEN_OVER" }));
    expect(() => gone?.finish()).toThrow(expect.objectContaining({ code: "SSU_UPLOAD_TAKEN_OVER" }));
    gone?.close();
    expect(store.receive(factsOf("log"))).toBeUndefined();
    next?.write(data.subarray(1000));
    expect(next?.finish()).toBe("received_log");
    expect(readFileSync(join(folder, "received_log")).equals(data)).toBe(true);
  });
});

describe("a server that is there and says nothing", () => {
  it("is waited for as long as an answer may take, when it is asked, when it is sent something, and at the end", async () => {
    const tls = testTls();
    const silent = await startStrangeSsuServer(ssuIdentity(tls.certificate, tls.privateKey), "none");
    const { port } = silent;
    const trust = ssuTrust({ ca: tls.ca });
    const at = { host: "127.0.0.1", port, security: 1, trust, serverName: "127.0.0.1", patienceMs: 50 } as const;
    const tooLong = { code: "SSU_TIMEOUT", message: "the peer is there, and does not go on" };
    try {
      for (const work of [
        (client: SsuClient) => client.stat("a"),
        (client: SsuClient) => client.stream.write(new Uint8Array(2_000_000)),
      ]) {
        const client = await SsuClient.connect(at);
        await expect(work(client)).rejects.toMatchObject(tooLong);
        client.stream.abort();
      }
      await expect((await SsuClient.connect(at)).close()).rejects.toMatchObject(tooLong);
    } finally {
      silent.close();
    }
  });
});

describe("a folder that is taken away", () => {
  it("ends who asks for a list of it, and nobody else", async () => {
    const { folder, at } = await start();
    writeFileSync(join(folder, "a.bin"), data);
    renameSync(folder, `${folder}-away`);
    const client = await SsuClient.connect(at);
    await expect(client.list()).rejects.toMatchObject({ code: "SSU_STORAGE" });
    renameSync(`${folder}-away`, folder);
    const second = await SsuClient.connect(at);
    expect((await second.list()).map(({ name }) => name)).toEqual(["a.bin"]);
    await second.close();
    rmSync(folder, { recursive: true });
  });
});
