import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { ms, s } from "../../../../emulator/kernel/time.ts";
import { type AppFrame, encodeFrame } from "../../../../gateway/source/ssu/app-frames.ts";
import { isFileName } from "../../../../gateway/source/ssu/file-name.ts";
import { fetchFile, sendFile } from "../../../../hil/cli/ssu-files.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { SsuClient } from "../../../../hil/link/ssu/ssu-client.ts";
import { SsuStream, type SsuStreamOptions } from "../../../../hil/link/ssu/ssu-stream.ts";
import { FolderStore } from "../../../../hil/server/ssu/file-store.ts";
import { type SsuServer, type SsuServerOptions, startSsuServer } from "../../../../hil/server/ssu/ssu-server.ts";
import { testTls } from "../../../support/https-client.ts";
import { startStrangeSsuServer } from "../../../support/ssu-strange-server.ts";

const tls = testTls();
const bytes = (length: number, seed = 1): Uint8Array => new Prng(seed).bytes(length);
const digestOf = (data: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(data).digest());
const patience = { giveUp: s(3), openTimeout: s(3), timeWait: ms(100) };

let server: SsuServer | undefined;
afterEach(() => server?.close());

async function start(options: Partial<SsuServerOptions> = {}): Promise<{ folder: string; at: SsuStreamOptions }> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-ssu-"));
  server = await startSsuServer({
    store: new FolderStore(folder),
    accepts: "either",
    identity: ssuIdentity(tls.certificate, tls.privateKey),
    config: patience,
    ...options,
  });
  const trust = ssuTrust({ ca: tls.ca });
  const at = {
    host: "127.0.0.1",
    port: server.port,
    security: 1,
    trust,
    serverName: "127.0.0.1",
    config: patience,
  } as const;
  return { folder, at };
}

describe("the file server", () => {
  it.each([
    ["secure", 1],
    ["plaintext", 0],
  ] as const)(
    "gives files out and takes them in over a %s stream, for several clients at once",
    async (_, security) => {
      const { folder, at } = await start();
      for (const name of ["a.bin", "b.bin", "empty"]) {
        writeFileSync(join(folder, name), bytes(name === "empty" ? 0 : 700_000, name.charCodeAt(0)));
      }
      const out = mkdtempSync(join(tmpdir(), "otabench-ssu-out-"));
      await Promise.all(
        ["a.bin", "b.bin", "empty"].map(async (name) => {
          const client = await SsuClient.connect({ ...at, security });
          expect(client.facts.secure).toBe(security === 1);
          const fetched = await fetchFile(client, name, join(out, name));
          expect(fetched.from).toBe(0);
          const sent = await sendFile(client, join(out, name), undefined);
          expect(sent.name).toBe(`received_${name}`);
          await client.close();
          expect(readFileSync(join(folder, `received_${name}`)).equals(readFileSync(join(folder, name)))).toBe(true);
        }),
      );
      const client = await SsuClient.connect(at);
      expect((await client.list()).map(({ name }) => name)).toEqual(readdirSync(folder).sort());
      await client.close();
    },
  );

  it("goes on with a fetch where it was cut off, and from the beginning with another file of that name", async () => {
    const { folder, at } = await start();
    const out = mkdtempSync(join(tmpdir(), "otabench-ssu-out-"));
    const whole = bytes(300_000);
    writeFileSync(join(folder, "fw"), whole);
    const hex = Buffer.from(digestOf(whole)).toString("hex");
    writeFileSync(join(out, `.got.${hex.slice(0, 16)}.part`), whole.subarray(0, 123_457));
    const client = await SsuClient.connect(at);
    expect((await fetchFile(client, "fw", join(out, "got"))).from).toBe(123_457);
    expect(readFileSync(join(out, "got")).equals(whole)).toBe(true);
    writeFileSync(join(folder, "fw"), bytes(300_000, 2));
    await expect(client.get("fw", 100, digestOf(whole))).rejects.toMatchObject({ code: "SSU_CHANGED" });
    expect((await fetchFile(client, "fw", join(out, "got"))).from).toBe(0);
    await expect(client.get("fw", 300_001)).rejects.toMatchObject({ code: "SSU_BAD_OFFSET" });
    await client.close();
  });

  it("throws away what came of a fetch whose beginning was something else", async () => {
    const { folder, at } = await start();
    const out = mkdtempSync(join(tmpdir(), "otabench-ssu-out-"));
    const whole = bytes(50_000);
    writeFileSync(join(folder, "fw"), whole);
    const hex = Buffer.from(digestOf(whole)).toString("hex");
    writeFileSync(join(out, `.got.${hex.slice(0, 16)}.part`), bytes(1000, 9));
    const client = await SsuClient.connect(at);
    await expect(fetchFile(client, "fw", join(out, "got"))).rejects.toMatchObject({ code: "SSU_DIGEST" });
    await client.close();
    expect(readdirSync(out)).toEqual([]);
  });

  it("goes on with an upload where it was cut off, and keeps nothing whose digest is wrong", async () => {
    const { folder, at } = await start();
    const data = bytes(400_000);
    const facts = { name: "log", size: data.length, digest: digestOf(data) };
    const stream = await SsuStream.connect({ ...at, early: Uint8Array.of(0x53, 0x53, 0x55, 0x41, 1) });
    await stream.write(encodeFrame({ type: "put", ...facts }));
    await stream.write(encodeFrame({ type: "data", data: data.subarray(0, 50_000) }));
    await stream.write(encodeFrame({ type: "list" })); // not now: the server ends, and keeps what it has
    while ((await stream.read(true).catch(() => undefined)) !== undefined);
    stream.abort();
    const client = await SsuClient.connect(at);
    const read = (offset: number, length: number): Uint8Array => data.subarray(offset, offset + length);
    expect(await client.put(facts, read)).toEqual({ name: "received_log", offset: 50_000 });
    expect(readFileSync(join(folder, "received_log")).equals(data)).toBe(true);
    const lie = { ...facts, digest: digestOf(bytes(1)) };
    await expect(client.put(lie, read)).rejects.toMatchObject({ code: "SSU_DIGEST" });
    await client.close();
    expect(readdirSync(folder)).toEqual(["received_log"]);
  });

  it("gives out nothing but plain files of its folder, whatever name is tried", async () => {
    const { folder, at } = await start();
    writeFileSync(join(folder, ".hidden"), "x");
    writeFileSync(join(folder, "here"), "x");
    mkdirSync(join(folder, "below"));
    writeFileSync(join(folder, "below", "file"), "x");
    symlinkSync("/etc/passwd", join(folder, "link"));
    const client = await SsuClient.connect(at);
    const bad = [
      "../here",
      "/etc/passwd",
      "..",
      ".",
      "",
      "a\0b",
      "below/file",
      "below\\file",
      ".hidden",
      "x".repeat(201),
      "e\u0301",
    ];
    for (const name of [...bad, "a\u202eb", "here ", "a:b", "\u{1f4a9}".repeat(51)]) {
      await expect(client.stat(name), JSON.stringify(name)).rejects.toMatchObject({ code: "SSU_BAD_NAME" });
      const facts = { name, size: 1, digest: new Uint8Array(32) };
      await expect(client.put(facts, () => bytes(1))).rejects.toMatchObject({ code: "SSU_BAD_NAME" });
    }
    for (const name of ["link", "below", "nothing", "HERE"]) {
      await expect(client.stat(name)).rejects.toMatchObject({ code: "SSU_NOT_FOUND" });
    }
    expect((await client.list()).map(({ name }) => name)).toEqual(["here"]);
    await client.close();
    expect(["a", "fw 1.2.bin", "Größe", "\u{1f600}", "x".repeat(200)].every(isFileName)).toBe(true);
  });

  it("keeps 16 uploads that were broken off, none for longer than a day, and shows none of them", async () => {
    const { folder, at } = await start();
    const now = Date.now() / 1000;
    for (let index = 0; index < 30; index++) {
      const part = join(folder, `.ssu-part-${index}`);
      writeFileSync(part, "x");
      utimesSync(part, now, now - index * 3600 * 2);
    }
    const client = await SsuClient.connect(at);
    expect(await client.list()).toEqual([]);
    expect(readdirSync(folder).length).toBe(12); // of 22 hours at most
    for (let index = 12; index < 30; index++) writeFileSync(join(folder, `.ssu-part-${index}`), "x");
    await client.put({ name: "a", size: 1, digest: digestOf(bytes(1)) }, () => bytes(1));
    expect(readdirSync(folder).filter((name) => name.startsWith(".ssu-part-")).length).toBe(15);
    await client.close();
  });

  it("has no chat room when it is told so", async () => {
    const client = await SsuClient.connect((await start({ chat: false })).at);
    await expect(client.join("anna")).rejects.toMatchObject({ code: "SSU_NOT_ALLOWED" });
    await client.report("updated");
    await client.close();
  });

  it("takes no file that is too large, and none at all when it is told so", async () => {
    const { at } = await start({ uploadMax: 1000 });
    const client = await SsuClient.connect(at);
    const put = (size: number): Promise<unknown> =>
      client.put({ name: "a", size, digest: digestOf(bytes(size)) }, () => bytes(size));
    await expect(put(1001)).rejects.toMatchObject({ code: "SSU_TOO_LARGE" });
    await put(1000);
    await client.close();
    server?.close();
    const other = await SsuClient.connect((await start({ uploadMax: 0 })).at);
    await expect(other.put({ name: "a", size: 1, digest: digestOf(bytes(1)) }, () => bytes(1))).rejects.toMatchObject({
      code: "SSU_NOT_ALLOWED",
    });
    await other.close();
  });

  it.each([
    ["another version", [0x53, 0x53, 0x55, 0x41, 2], 1],
    ["something else", [0x47, 0x45, 0x54, 0x20, 0x2f], 2],
    ["a frame that is too long", [0x53, 0x53, 0x55, 0x41, 1, 5, 0, 1, 0, 1], 2],
    ["a frame that is the server's", [0x53, 0x53, 0x55, 0x41, 1, 0x85, 0, 0, 0, 0], 2],
    ["a name that is no UTF-8", [0x53, 0x53, 0x55, 0x41, 1, 2, 0, 0, 0, 1, 0xff], 2],
  ])("answers %s with an error and ends", async (_, first, code) => {
    const { at } = await start();
    const stream = await SsuStream.connect({ ...at, early: Uint8Array.from(first) });
    const answer: number[] = [];
    for (let data = await stream.read(true); data !== undefined; data = await stream.read(true)) answer.push(...data);
    expect([answer[0], answer[5]]).toEqual([0xff, code]);
    stream.end();
    await stream.finished();
    stream.close();
  });

  it("resumes with a ticket, and lets only be early what changes nothing", async () => {
    const { folder, at } = await start();
    writeFileSync(join(folder, "fw"), bytes(1000));
    const tickets: Parameters<NonNullable<SsuStreamOptions["onTicket"]>>[0][] = [];
    const client = await SsuClient.connect({ ...at, onTicket: (ticket) => tickets.push(ticket) });
    await client.list();
    await client.close();
    const preamble = [0x53, 0x53, 0x55, 0x41, 1];
    const ask = async (frame: Uint8Array): Promise<number[]> => {
      const early = Uint8Array.of(...preamble, ...frame);
      const onTicket = (ticket: (typeof tickets)[0]): number => tickets.push(ticket);
      const stream = await SsuStream.connect({ ...at, ticket: tickets.pop(), early, onTicket });
      expect(stream.facts).toMatchObject({ resumed: true, earlyAccepted: true });
      stream.end();
      const answer: number[] = [];
      for (let data = await stream.read(true); data !== undefined; data = await stream.read(true)) answer.push(...data);
      await stream.finished();
      stream.close();
      return answer;
    };
    expect((await ask(encodeFrame({ type: "stat", name: "fw" })))[0]).toBe(0x82);
    const answer = await ask(encodeFrame({ type: "report", text: "twice" }));
    expect([answer[0], answer[5]]).toEqual([0xff, 9]);
    expect(server?.room.history).toEqual([]);
  });
});

describe("the chat room", () => {
  it("tells all what one says, the last of it to those who come later, and who comes and goes", async () => {
    const { at } = await start();
    const anna = await SsuClient.connect(at);
    await anna.join("Anna");
    await anna.say("first");
    expect(await anna.heard()).toMatchObject({ type: "said", number: 1, nick: "Anna", text: "first" });
    const bob = await SsuClient.connect({ ...at, security: 0 });
    await expect(bob.join("anna")).rejects.toMatchObject({ code: "SSU_NICK_TAKEN" });
    await expect(bob.join("no\nnick")).rejects.toMatchObject({ code: "SSU_BAD_NAME" });
    for (const reporter of ["report", "Report", "ｒeport"]) {
      await expect(bob.join(reporter)).rejects.toMatchObject({ code: "SSU_NICK_TAKEN" });
    }
    await bob.join("Bob");
    expect(await bob.heard()).toMatchObject({ type: "said", text: "first" });
    expect(await anna.heard()).toEqual({ type: "joined", nick: "Bob" });
    await bob.say("Grüße");
    expect(await anna.heard()).toMatchObject({ number: 2, nick: "Bob", text: "Grüße" });
    const device = await SsuClient.connect(at);
    await device.report("updated");
    expect(await anna.heard()).toMatchObject({ nick: "report", text: "updated" });
    await device.close();
    await bob.close();
    expect(await anna.heard()).toEqual({ type: "left", nick: "Bob" });
    await anna.say("\u001b[2J").catch(() => undefined);
    await expect(anna.heard()).rejects.toMatchObject({ code: "SSU_MALFORMED" });
    await anna.close();
  });
});

describe("a client", () => {
  it("names what is wrong with the server", async () => {
    const { at } = await start();
    const other = ssuTrust({ ca: testTls().ca, now: () => Date.now() / 1000 + 20 * 365 * 86_400 });
    await expect(SsuClient.connect({ ...at, trust: other })).rejects.toMatchObject({ code: "SSU_ALERT_SENT" });
    await expect(SsuClient.connect({ ...at, serverName: "elsewhere" })).rejects.toThrow("unrecognized_name (112)");
    await expect(SsuClient.connect({ ...at, port: 9 })).rejects.toMatchObject({ code: "SSU_REFUSED" });
  });

  it("shows nothing of a server that does something to a terminal, and takes no name from it that is a path", async () => {
    const identity = ssuIdentity(tls.certificate, tls.privateKey);
    const trust = ssuTrust({ ca: tls.ca });
    const facing = async (frame: AppFrame, use: (client: SsuClient) => Promise<void>): Promise<void> => {
      const stranger = await startStrangeSsuServer(identity, encodeFrame(frame));
      const at = { host: "127.0.0.1", port: stranger.port, security: 1, trust, serverName: "127.0.0.1" } as const;
      const client = await SsuClient.connect({ ...at, config: patience });
      await use(client);
      client.stream.abort();
      stranger.close();
    };
    const text = "\u001b[2Jgone\u202e";
    await facing({ type: "error", code: 3, reason: text }, async (client) => {
      await expect(client.stat("fw")).rejects.toMatchObject({ code: "SSU_NOT_FOUND", message: "?[2Jgone?" });
    });
    await facing({ type: "said", number: 1, at: 0, nick: text, text }, async (client) => {
      expect(await client.heard()).toMatchObject({ nick: "?[2Jgone?", text: "?[2Jgone?" });
    });
    for (const name of ["../x", "/etc/passwd", text, ""]) {
      await facing({ type: "files", files: [{ name, size: 1, digest: new Uint8Array(32) }] }, async (client) => {
        await expect(client.list()).rejects.toMatchObject({ code: "SSU_MALFORMED" });
      });
    }
  });

  it("asks a server that has fallen silent, and ends when no answer comes", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const begin = performance.now();
    const passing = async <Result>(work: Promise<Result>): Promise<Result> => {
      let isOver = false;
      void work.catch(() => {}).finally(() => (isOver = true));
      while (!isOver) {
        vi.advanceTimersByTime(20);
        await new Promise(setImmediate); // what is on the socket arrives
      }
      return work;
    };
    try {
      const { at } = await start();
      const client = await passing(SsuClient.connect({ ...at, config: {} }));
      await passing(client.join("anna"));
      (server as SsuServer).losesOneIn = 1; // all of them
      await expect(passing(client.heard())).rejects.toMatchObject({ code: "SSU_TIMEOUT" });
      expect((performance.now() - begin) / 1000).toBeCloseTo(55, -1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("notices a server that has gone in the middle", async () => {
    const { folder, at } = await start();
    writeFileSync(join(folder, "fw"), bytes(5_000_000));
    const client = await SsuClient.connect(at);
    const head = await client.get("fw");
    const fetching = (async () => {
      let length = 0;
      for await (const data of client.pieces(head)) {
        length += data.length;
        server?.close();
      }
      return length;
    })();
    await expect(fetching).rejects.toMatchObject({ code: "SSU_RESET" });
    client.stream.abort();
  });
});
