import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type AppFrame, encodeFrame } from "../../../gateway/source/ssu/app-frames.ts";
import { runCli } from "../../../hil/cli/cli.ts";
import { ssuCommand } from "../../../hil/cli/ssu-command.ts";
import { ssuIdentity } from "../../../hil/crypto/ssu-credentials.ts";
import { testTls } from "../../support/https-client.ts";
import { startStrangeSsuServer } from "../../support/ssu-strange-server.ts";
import { keptIo } from "./io.ts";

const BIN = "hil/cli/otabench.mjs";
const folder = mkdtempSync(join(tmpdir(), "otabench-ssu-cli-"));
const path = (name: string): string => join(folder, name);
const file = new Prng("ssu cli").bytes(300_000);
const tls = testTls();
const running: ChildProcessWithoutNullStreams[] = [];

function otabench(...args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [BIN, "ssu", ...args]);
  running.push(child);
  return child;
}

/** Lines of a program as they come. */
const linesOf = (child: ChildProcessWithoutNullStreams): AsyncIterator<string> =>
  createInterface({ input: child.stdout })[Symbol.asyncIterator]();

async function run(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [ssuCommand] }, ["ssu", ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

beforeAll(() => {
  const { certificate, privateKey, ca } = tls;
  writeFileSync(path("ca.pem"), ca);
  writeFileSync(path("server.pem"), certificate);
  writeFileSync(path("server.key"), privateKey, { mode: 0o600 });
  writeFileSync(path("fw.bin"), file);
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function serve(): Promise<{ child: ChildProcessWithoutNullStreams; at: string }> {
  const child = otabench("serve", folder, "--cert", path("server.pem"), "--key", path("server.key"), "--json");
  const { value } = await linesOf(child).next();
  const { port } = (JSON.parse(value as string) as { listening: { port: number } }).listening;
  return { child, at: `localhost:${port}` };
}

describe("otabench ssu", () => {
  it("serves a folder until it is told to end; lists, gets and puts", async () => {
    const { child, at } = await serve();
    const ca = ["--ca", path("ca.pem")];
    expect((await run("list", at, ...ca)).out).toMatch(/^[0-9a-f]{64} +300000 {2}fw\.bin$/m);
    const got = await run("get", at, "fw.bin", ...ca, "--out", path("got.bin"), "--json");
    expect(JSON.parse(got.out)).toMatchObject({ name: "fw.bin", size: 300_000, from: 0, secure: true });
    expect(readFileSync(path("got.bin")).equals(file)).toBe(true);
    const put = await run("put", at, path("got.bin"), ...ca, "--as", "log 1.bin");
    expect(put.out).toMatch(/^received_log 1\.bin /);
    expect(readFileSync(path("received_log 1.bin")).equals(file)).toBe(true);
    child.kill("SIGTERM");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(0);
  });

  it("chats: each line of standard input is said to all, and the end of it ends the chat", async () => {
    const { at } = await serve();
    const enter = (nick: string): ChildProcessWithoutNullStreams =>
      otabench("chat", at, "--ca", path("ca.pem"), "--nick", nick, "--json");
    const anna = enter("anna");
    const heard = linesOf(anna);
    anna.stdin.write("hello\n");
    expect(JSON.parse((await heard.next()).value as string)).toMatchObject({ nick: "anna", text: "hello" });
    const ben = enter("ben");
    const past = linesOf(ben);
    expect(JSON.parse((await past.next()).value as string)).toMatchObject({ nick: "anna", text: "hello" });
    expect(JSON.parse((await heard.next()).value as string)).toEqual({ type: "joined", nick: "ben" });
    ben.stdin.end();
    expect(JSON.parse((await heard.next()).value as string)).toEqual({ type: "left", nick: "ben" });
    anna.stdin.end();
    const [code] = (await once(anna, "exit")) as [number];
    expect(code).toBe(0);
  });

  it("names the alert that a client ended its stream with", async () => {
    const lines = linesOf(otabench("serve", folder, "--cert", path("server.pem"), "--key", path("server.key")));
    const port = /:(\d+)$/.exec((await lines.next()).value as string)?.[1];
    const { err } = await run("list", `localhost:${port}`, "--ca", path("ca.pem"), "--name", "other.example");
    expect(err).toContain("SSU_ALERT_SENT");
    expect((await lines.next()).value).toMatch(/^client 0: 127\.0\.0\.1:/);
    expect((await lines.next()).value).toMatch(/^client 0: SSU_ALERT_RECEIVED: .*: unrecognized_name \(112\)$/);
  });

  it("ends when the launcher that started its Node is killed", async () => {
    const old = `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})`;
    const child = spawn(process.execPath, ["--import", old, BIN, "ssu", "serve", folder, "--security", "plain"]);
    running.push(child);
    const lines = linesOf(child);
    expect((await lines.next()).value).toMatch(/^ssu {2}127\.0\.0\.1:\d+$/);
    child.kill("SIGKILL");
    expect(await lines.next()).toMatchObject({ done: true }); // nobody has its standard output any more
  });

  it("names what went wrong", async () => {
    const { at } = await serve();
    expect((await run("get", at, "none", "--ca", path("ca.pem"))).err).toContain("SSU_NOT_FOUND");
    expect((await run("get", at, "fw.bin", "--plain")).err).toContain("SSU_REFUSED");
    expect((await run("list", "127.0.0.1:9", "--plain")).err).toContain("SSU_REFUSED");
  });

  it.each([
    ["list", [], { type: "error", code: 11, reason: "\u001b[31mno\u009b" }, "SSU_STORAGE: ?[31mno?"],
    ["list", [], { type: "joined", nick: "x" }, "SSU_MALFORMED"],
    ["chat", ["--nick", "anna"], { type: "error", code: 4, reason: "no nick" }, "SSU_BAD_NAME"],
  ] as const)(
    "%s ends when it has said what is wrong, standard input open or not",
    async (action, more, frame, said) => {
      const identity = ssuIdentity(tls.certificate, tls.privateKey);
      const stranger = await startStrangeSsuServer(identity, encodeFrame(frame));
      const child = otabench(action, `localhost:${stranger.port}`, "--ca", path("ca.pem"), ...more);
      const told = text(child.stderr);
      const [code] = (await once(child, "exit")) as [number];
      expect(await told).toContain(`otabench: ${said}`);
      expect(code).toBe(1);
      stranger.close();
    },
  );

  it("a chat ends when its server has gone, and shows nothing of anybody that steers a terminal", async () => {
    const identity = ssuIdentity(tls.certificate, tls.privateKey);
    const frames: AppFrame[] = [
      { type: "welcome", members: 1 },
      { type: "said", number: 1, at: 2 ** 53 - 1, nick: "ev\u001b[31mil\n", text: "\u001b]0;x\u0007\u009b2J" },
      { type: "joined", nick: "a\u202eb\r" },
      { type: "left", nick: "\u007f" },
    ];
    const stranger = await startStrangeSsuServer(identity, Buffer.concat(frames.map(encodeFrame)));
    const child = otabench("chat", `localhost:${stranger.port}`, "--ca", path("ca.pem"), "--nick", "anna");
    expect(await text(child.stdout)).toBe("? ev?[31mil?: ?]0;x??2J\na?b? has come\n? has gone\n");
    stranger.close();
    const { child: server, at } = await serve();
    const anna = otabench("chat", at, "--ca", path("ca.pem"), "--nick", "anna", "--json");
    anna.stdin.write("hello\n");
    await linesOf(anna).next();
    server.kill("SIGTERM");
    const told = text(anna.stderr);
    const [code] = (await once(anna, "exit")) as [number];
    expect(await told).toContain("SSU_RESET");
    expect(code).not.toBe(0);
  });

  it.each([
    [["list", "localhost:1"], "--ca FILE is missing"],
    [["list", "localhost", "--plain"], "is no HOST:PORT"],
    [["get", "localhost:1", "../fw", "--plain"], "is no name of a file"],
    [["get", "localhost:1", "--plain"], "SERVER NAME is what is needed"],
    [["serve", "package.json"], "is no folder"],
    [["serve", "."], "--cert FILE and --key FILE are missing"],
    [["serve", ".", "--security", "some"], "--security is plain, secure or either"],
    [["chat", "localhost:1", "--plain"], "--nick NAME is missing"],
    [["fetch"], "is none of serve, list, get, put, chat"],
  ])("%j is refused", async (argv, message) => {
    const { code, err } = await run(...argv);
    expect(err).toContain(message);
    expect(code).not.toBe(0);
  });
});
