import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../../../hil/cli/cli.ts";
import { keysCommand } from "../../../hil/cli/keys-command.ts";
import { keptIo } from "./io.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-keys-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function keys(...argv: string[]) {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [keysCommand] }, ["keys", ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

describe("otabench keys", () => {
  it("writes the same keys for one seed, and tells their files", async () => {
    const first = await keys("--out", join(folder, "a"), "--seed", "7", "--json");
    const second = await keys("-o", join(folder, "b"), "--seed", "7");
    expect([first.code, second.code]).toEqual([0, 0]);
    const { files } = JSON.parse(first.out) as { files: string[] };
    expect(second.out.trimEnd().split("\n")).toHaveLength(files.length);
    const [image] = files as [string];
    expect(statSync(image).mode & 0o777).toBe(0o600);
    expect(readFileSync(image, "utf8")).toBe(readFileSync(image.replace("/a/", "/b/"), "utf8"));
  });

  it("overwrites nothing", async () => {
    const where = join(folder, "c");
    await keys("--out", where, "--seed", "1");
    const { code, err } = await keys("--out", where, "--seed", "2");
    expect(code).toBe(2);
    expect(err).toMatch(/^otabench: KEYS_EXIST: /);
  });

  it.each([[[]], [["--out", "x", "y"]]])("refuses %j", async (argv) => {
    const { code, err } = await keys(...argv);
    expect(code).toBe(2);
    expect(err).toMatch(/^otabench: USAGE: /);
  });
});
