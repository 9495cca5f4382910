import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../../../hil/cli/cli.ts";
import { srupCommand } from "../../../hil/cli/srup-command.ts";
import { runSrup } from "../../../hil/cli/srup-parts.ts";
import { seededRsaKey } from "../../../hil/crypto/seeded-keys.ts";
import { newPrivateKeys, publicKeysOf, signaturesOf } from "../../../hil/crypto/srup-keys.ts";
import { StateFile } from "../../../hil/record/state-file.ts";
import { KeyServiceState } from "../../../hil/server/srup/key-service-state.ts";
import { keptIo } from "./io.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-srup-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [srupCommand(runSrup)] }, ["srup", ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

describe("otabench srup --signatures", () => {
  const [state, keyex] = [join(folder, "server"), join(folder, "keyex")];
  const nobody = ["--keyex", "http://127.0.0.1:1"];

  it.each(["server", "device"])("names what there is before anything is made: %s", async (part) => {
    const { code, err } = await run(part, "--state", state, ...nobody, "--signatures", "dsa");
    expect(err).toContain('--signatures "dsa" is none of rsa, ed25519, ml-dsa-65');
    expect(code).toBe(2);
    expect(existsSync(join(state, "server.json"))).toBe(false);
  });

  it("makes a server's keys once, and a token over both", async () => {
    const first = await run("server", "--state", state, ...nobody, "--signatures", "ml-dsa-65");
    expect(first).toMatchObject({ code: 3, err: expect.stringContaining("HOST_REFUSED") as string });
    const path = join(state, "server.pub.pem");
    const text = readFileSync(path, "utf8");
    expect(signaturesOf(text)).toBe("ml-dsa-65");
    const none = await run("token", path, "--state", keyex);
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining("there is no key service in") as string });
    new KeyServiceState(new StateFile(join(keyex, "key-service.json")), () => seededRsaKey("srup keys", "keyex"));
    const token = await run("token", path, "--state", keyex);
    expect(Buffer.from(token.out.trim(), "base64")).toHaveLength(256);
    const other = await run("server", "--state", state, ...nobody, "--signatures", "ed25519");
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining("SRUP_SIGNATURES") as string });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it.each([
    ["server", "missing.bin", "--keyex", "http://127.0.0.1:1"],
    ["server", "--keyex", "http://127.0.0.1:1", "--token", "missing.stk"],
    ["server", "--keyex", "http://127.0.0.1:1", "--broker", ""],
    ["server", "--keyex", "http://127.0.0.1:1", "--broker", "mqtt://a:99999"],
    ["device", "--keyex", "http://127.0.0.1:1", "--ca", "missing.pem"],
    ["token", "missing.pem"],
  ])("names files that are not there, and brokers that are none: %s %s %s %s %s", async (...words) => {
    expect(await run(...words, "--state", keyex)).toMatchObject({ code: 2 });
  });

  it("has no token for a file that is no server's", async () => {
    const { code, err } = await run("token", "package.json", "--state", keyex);
    expect(err).toContain("that is no public key of a server");
    expect(code).toBe(2);
  });
});

describe("the keys of a party of SRUP", () => {
  const rsa = seededRsaKey("srup keys", "rsa");

  it.each(["rsa", "ed25519", "ml-dsa-65"] as const)("say how it signs: %s", (signatures) => {
    const text = newPrivateKeys(rsa, signatures);
    expect(signaturesOf(text)).toBe(signatures);
    const open = publicKeysOf(text) as string;
    expect(open).not.toContain("PRIVATE");
    expect(publicKeysOf(open)).toBe(open);
    expect(signaturesOf(open)).toBe(signatures);
  });

  it("say nothing when they are none", () => {
    const [, ed25519 = ""] = newPrivateKeys(rsa, "ed25519").split(/(?=-----BEGIN PRIVATE KEY)/);
    expect(ed25519).toContain("-----BEGIN");
    for (const text of [
      "",
      "no key",
      ed25519,
      ed25519 + newPrivateKeys(rsa, "rsa"),
      newPrivateKeys(rsa, "rsa").repeat(2),
    ])
      expect(signaturesOf(text)).toBeUndefined();
  });
});
