import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { runCli } from "../../../hil/cli/cli.ts";
import { pullCommand } from "../../../hil/cli/pull-command.ts";
import { serverCommand } from "../../../hil/cli/server-command.ts";
import { exclusively } from "../../../hil/record/file-lock.ts";
import { pullRun } from "../../../hil/system/pull-run.ts";
import { type ServerOpen, serve } from "../../../hil/system/serve.ts";
import { keptIo } from "../cli/io.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-pull-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs `work` while a server of ours serves that file. */
async function whileServing(
  system: string,
  file: Uint8Array,
  work: (port: number) => Promise<void>,
  sign = true,
  told: { readonly port?: number; readonly state?: string; readonly signatures?: string } = {},
) {
  const path = join(folder, "served.bin");
  writeFileSync(path, file);
  const stop = new AbortController();
  const opened = Promise.withResolvers<ServerOpen>();
  const lines: string[] = [];
  const serving = serve({
    system,
    files: [path],
    version: "2.0.0",
    sign,
    host: "127.0.0.1",
    port: 0,
    tls12: false,
    stop: stop.signal,
    onOpen: opened.resolve,
    onEvent: (line) => lines.push(line),
    ...told,
  });
  try {
    await Promise.race([serving, opened.promise]);
    await work((await opened.promise).port);
  } finally {
    stop.abort();
    await serving;
  }
  return lines;
}

async function pullBy(argv: readonly string[]) {
  const io = keptIo();
  const code = await runCli({ version: "0", commands: [pullCommand(pullRun), serverCommand(serve)] }, argv, io);
  return { code, out: io.out(), err: io.err() };
}

const file = new Prng("pull").bytes(200_000);

describe("otabench server and otabench pull", () => {
  it.each(["https", "rsu", "ssu"])("%s: one serves a file, the other pulls, checks and writes it", async (system) => {
    const out = join(folder, `${system}.bin`);
    await whileServing(system, file, async (port) => {
      const { code, out: said } = await pullBy([
        "pull",
        system,
        "--server",
        `localhost:${port}`,
        "--seed",
        "1",
        "-o",
        out,
      ]);
      expect(said).toContain("signed as it must be");
      expect(code).toBe(0);
    });
    expect(new Uint8Array(readFileSync(out))).toEqual(file);
    expect(readFileSync(`${out}.sig`)).toHaveLength(256);
    expect(existsSync(`${out}.part`)).toBe(false);
  });

  it.each(["https", "rsu", "ssu"])(
    "%s: a file that somebody else signed, or nobody, is not written",
    async (system) => {
      const out = join(folder, `${system}-bad.bin`);
      const wrong = join(folder, "served.bin.sig");
      for (const signature of [new Uint8Array(256), undefined]) {
        if (signature !== undefined) writeFileSync(wrong, signature);
        const pulled = async (port: number): Promise<void> => {
          const server = `localhost:${port}`;
          const { code, err } = await pullBy(["pull", system, "--server", server, "--seed", "1", "-o", out]);
          expect(err).toContain(signature === undefined ? "PACKAGE_SIGNATURE_MISSING" : "PACKAGE_SIGNATURE_WRONG");
          expect(code).toBe(1);
          if (signature !== undefined) return;
          const taken = await pullBy([
            "pull",
            system,
            "--server",
            server,
            "--seed",
            "1",
            "--unsigned",
            "-o",
            `${out}2`,
          ]);
          expect(taken.out).toContain("signature not checked");
        };
        await whileServing(system, file, pulled, false);
        rmSync(wrong, { force: true });
      }
      expect([out, `${out}.part`, `${out}.part.json`].filter((path) => existsSync(path))).toEqual([]);
    },
  );

  it("srup: a server with its state in a folder has its devices still when it comes again", async () => {
    const state = join(folder, "srup-server");
    const out = join(folder, "srup.bin");
    const pull = (port: number) => {
      const device = ["--state", join(folder, "srup-device"), "--wait", "2"];
      return pullBy(["pull", "srup", "--server", `localhost:${port}`, "--seed", "1", "-o", out, ...device]);
    };
    let used = 0;
    const first = await whileServing(
      "srup",
      file,
      async (port) => {
        used = port;
        expect(await pull(port)).toMatchObject({ code: 0 });
      },
      true,
      { state },
    );
    const newer = file.toReversed();
    const second = await whileServing(
      "srup",
      newer,
      async (port) => {
        rmSync(out);
        expect(await pull(port)).toMatchObject({ code: 0, err: "" });
      },
      true,
      { state, port: used },
    );
    expect(new Uint8Array(readFileSync(out))).toEqual(newer);
    const device = /joinEnded device=(\w+) outcome=accept/;
    const [, known] = device.exec(first.join("\n")) ?? [];
    expect(known).toBeDefined();
    expect(device.exec(second.join("\n"))?.[1]).toBe(known);
  });

  it("srup: two processes are not the same device at the same time", async () => {
    const state = join(folder, "srup-alone");
    mkdirSync(state);
    const words = ["pull", "srup", "--server", "localhost:1", "--seed", "1", "-o", join(folder, "x"), "--state", state];
    await exclusively(join(state, "lock"), 0, async () => {
      const { code, err } = await pullBy(words);
      expect(err).toContain("FILE_LOCKED");
      expect(code).toBe(2);
    });
  });

  it("srup: both sign by what they are told to, and a device that signs otherwise learns why it gets nothing", async () => {
    const [state, device, older] = ["srup6-server", "srup6-device", "srup5-device"].map((name) => join(folder, name));
    const out = join(folder, "srup6.bin");
    const pull = (port: number, ...more: readonly string[]) =>
      pullBy(["pull", "srup", "--server", `localhost:${port}`, "--seed", "1", "-o", out, "--wait", "2", ...more]);
    const told = { state: state as string, signatures: "ml-dsa-65" };
    let used = 0;
    await whileServing(
      "srup",
      file,
      async (port) => {
        used = port;
        expect(await pull(port, "--state", device as string, "--signatures", "ml-dsa-65")).toMatchObject({ code: 0 });
        expect(await pull(port, "--state", older as string)).toMatchObject({
          code: 1,
          err: expect.stringContaining("SRUP_VERSION: the server speaks protocol version") as string,
        });
        expect(await pull(port, "--state", device as string, "--signatures", "rsa")).toMatchObject({
          err: expect.stringContaining("SRUP_SIGNATURES") as string,
        });
      },
      true,
      told,
    );
    expect(new Uint8Array(readFileSync(out))).toEqual(file);
    const again = { state: state as string, port: used };
    await whileServing(
      "srup",
      file.toReversed(),
      async (port) => {
        rmSync(out);
        expect(await pull(port, "--state", device as string)).toMatchObject({ code: 0, err: "" });
      },
      true,
      again,
    );
    const other = whileServing("srup", file, async () => {}, true, { ...told, signatures: "ed25519" });
    await expect(other).rejects.toMatchObject({ code: "SRUP_SIGNATURES" });
  });

  it.each(["https", "rsu", "ssu"])("%s: a name that the server does not know is an error", async (system) => {
    await whileServing(system, file, async (port) => {
      const out = join(folder, `unknown-${system}.bin`);
      const name = system === "https" ? "/no-such.bin" : "no-such.bin";
      const argv = ["pull", system, "--server", `localhost:${port}`, "--seed", "1", "-o", out];
      const { code, err } = await pullBy([...argv, "--name", name]);
      expect(err).toContain(`SOURCE_UNKNOWN: the server has no "${name}": `);
      expect(code).toBe(1);
      expect(existsSync(out)).toBe(false);
      const { out: said } = await pullBy([...argv, "--json"]);
      const { retransmissions } = JSON.parse(said) as { retransmissions: number | null };
      expect(retransmissions).toEqual(system === "ssu" ? expect.any(Number) : null);
    });
  });

  it("goes on where an earlier pull of the same content ended", async () => {
    const out = join(folder, "resumed.bin");
    await whileServing("https", file, async (port) => {
      const argv = ["pull", "https", "--server", `localhost:${port}`, "--seed", "1", "-o", out, "--json"];
      const first = JSON.parse((await pullBy(argv)).out) as { release: string };
      rmSync(out);
      const { createHash } = await import("node:crypto");
      const validator = `"${createHash("sha256").update(file).digest("hex")}"`;
      const offer = { server: `https://localhost:${port}`, release: first.release, size: file.length, validator };
      writeFileSync(`${out}.part`, file.subarray(0, 70_000));
      writeFileSync(`${out}.part.json`, JSON.stringify(offer));
      expect(JSON.parse((await pullBy(argv)).out)).toMatchObject({ from: 70_000, bytes: 130_000, verified: true });
      expect(new Uint8Array(readFileSync(out))).toEqual(file);
      writeFileSync(`${out}.part`, new Uint8Array(70_000));
      writeFileSync(`${out}.part.json`, JSON.stringify({ ...offer, validator: '"other"' }));
      expect(JSON.parse((await pullBy(argv)).out)).toMatchObject({ from: 0, bytes: 200_000, verified: true });
    });
  });

  it("lets one at a time fetch to a name", async () => {
    const place = join(folder, "both");
    mkdirSync(place);
    const out = join(place, "fw.bin");
    await whileServing("https", file, async (port) => {
      const argv = ["pull", "https", "--server", `localhost:${port}`, "--seed", "1", "-o", out];
      const refused = await exclusively(`${out}.part.lock`, 0, () => pullBy(argv));
      expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("FILE_LOCKED") as string });
      expect(readdirSync(place)).toEqual([]);
      expect(await pullBy(argv)).toMatchObject({ code: 0 });
      expect(readdirSync(place).toSorted()).toEqual(["fw.bin", "fw.bin.sig"]);
    });
  });

  it("fetches nothing that it could not write", async () => {
    await whileServing("https", file, async (port) => {
      const { code, err } = await pullBy([
        "pull",
        "https",
        "--server",
        `localhost:${port}`,
        "--seed",
        "1",
        "-o",
        folder,
      ]);
      expect(err).toContain(`FILE_UNWRITABLE: can't write ${folder}: it is a folder`);
      expect(code).toBe(2);
      expect(existsSync(`${folder}.part`)).toBe(false);
    });
  });

  it("ends with a named error where there is no server, or one of another CA", async () => {
    const out = join(folder, "none.bin");
    await whileServing("https", file, async (port) => {
      const { code, err } = await pullBy(["pull", "https", "--server", `localhost:${port}`, "--seed", "2", "-o", out]);
      expect(err).toContain("SOURCE_UNTRUSTED");
      expect(code).toBe(1);
    });
  });

  it.each([
    [["pull"], "the update system is missing"],
    [["pull", "ftp", "--server", "x:1", "--seed", "1", "-o", "f"], '"ftp" is no update system'],
    [["pull", "https", "--seed", "1", "-o", "f"], "--server URL is missing"],
    [["pull", "https", "--server", "x:1", "--seed", "1"], "--out FILE or --vehicle VEHICLE is missing"],
    [["pull", "https", "--server", "x:1", "-o", "f"], "--ca FILE is missing"],
    [["pull", "https", "--server", "x:1", "--ca", "f", "-o", "f"], "--signer FILE is missing"],
    [["pull", "https", "--server", "http://x:1", "--seed", "1", "-o", "f"], "is no https://HOST:PORT"],
    [["pull", "https", "--server", "x:1", "--seed", "1", "-o", "f", "--max", "0"], "is no number of bytes"],
    [["pull", "https", "--server", "x:1", "--seed", "1", "-o", "f", "--wait", "5"], 'Unrecognized key: "waitS"'],
    [["pull", "rsu", "--server", "x:1", "--seed", "1", "-o", "f", "--wait", "9999"], "no number of seconds up to 3600"],
    [["pull", "rsu", "--server", "x:1", "--seed", "1", "-o", "f", "--name", "a/b"], "is no name of up to 64"],
    [["pull", "ssu", "--server", "x:1", "--seed", "1", "-o", "f", "--name", "../f"], "is no name of a file"],
    [["pull", "ssu", "--server", "rsu://x:1", "--seed", "1", "-o", "f"], "is no ssu://HOST:PORT"],
    [["server", "ssu", "../package.json=package.json"], "is no name for a file on this server"],
    [["server", "https", "package.json", "--device-ca", "package.json"], "https does not ask devices who they are"],
    [
      ["server", "rsu", "package.json", "--device-ca", "package.json", "--device-auth", "no"],
      "neither request nor require",
    ],
    [["server", "https", "package.json", "--state", "s"], "the server of https has no state to keep"],
    [["pull", "srup", "--server", "x:1", "--seed", "1", "-o", "f", "--signatures", "dsa"], '"dsa" is none of rsa'],
    [["pull", "ssu", "--server", "x:1", "--seed", "1", "-o", "f", "--signatures", "rsa"], "ssu does not sign messages"],
    [["server", "srup", "package.json", "--signatures", "ML-DSA-65"], '"ML-DSA-65" is none of rsa, ed25519, ml-dsa-65'],
    [["server", "https", "package.json", "--signatures", "rsa"], "https does not sign messages"],
    [["server", "https"], "the file to serve is missing"],
    [["server", "https", "no-such-file"], "FILE_UNREADABLE"],
    [["server", "https", "package.json", "--version", "2"], "is no version x.y.z"],
  ])("%j is refused", async (argv, message) => {
    const { code, err } = await pullBy(argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  it("installs what was pulled in a virtual vehicle", async () => {
    const { publishRelease } = await import("../../../hil/scenario/publish-release.ts");
    const options = { release: undefined, keysDir: undefined, seed: "1" };
    const [path] = await publishRelease("fixtures/scenarios/first-update.yaml", join(folder, "release"), options);
    const release = new Uint8Array(readFileSync(path as string));
    await whileServing("https", release, async (port) => {
      const vehicle = "fixtures/vehicles/two-zone.yaml";
      const argv = ["pull", "https", "--server", `localhost:${port}`, "--seed", "1", "--vehicle", vehicle];
      const { code, out } = await pullBy(argv);
      expect(out).toContain("ECU_022   1.0.0 -> 2.0.0  updated");
      expect(out).toContain("verdict   updated");
      expect(code).toBe(0);
    });
  });
});
