import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { removeFolders } from "../support/device-folder.ts";
import { DeviceRig } from "../support/device-rig.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";

const MAIN = fileURLToPath(new URL("../../hil/cli/main.ts", import.meta.url));
const SESSION = fileURLToPath(new URL("support/terminal_session.py", import.meta.url));
const PASSWORD = "t0p secret pass";

interface Session {
  readonly screen: string;
  readonly echo: readonly boolean[];
  readonly code: number;
}

/** Somebody at a terminal who waits for a text, types another, and so on. */
async function typing(words: readonly string[], dialogue: readonly (readonly [string, string])[]): Promise<Session> {
  const command = [process.execPath, MAIN, "device", ...words, "--state", rig.state];
  const child = spawn(PYTHON3, [
    SESSION,
    "/bin/sh",
    "-c",
    'trap : INT; "$@"; code=$?; stty -a; exit $code',
    "sh",
    ...command,
  ]);
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += String(data)));
  child.stderr.on("data", (data) => (err += String(data)));
  child.stdin.end(JSON.stringify(dialogue));
  await once(child, "close");
  expect(err).toBe("");
  return JSON.parse(out) as Session;
}

let rig: DeviceRig;
afterEach(() => rig.close());
afterAll(removeFolders);

describeWithJudge("python3", "otabench device on a terminal", () => {
  it("is set up and used by somebody who types, and shows no password", async () => {
    const file = new Prng("terminal").bytes(50_000);
    rig = await DeviceRig.start();
    rig.publish(file);
    const server = ["--server", `localhost:${rig.server.port}`, "--seed", "1", "--target", rig.target];
    const setUp = await typing(
      ["init", ...server],
      [
        ["new password: ", `${PASSWORD}x\u007f\r`],
        ["once more: ", `${PASSWORD}\r`],
      ],
    );
    expect(setUp).toMatchObject({ code: 0, echo: [false, false] });
    const used = await typing(
      ["menu"],
      [
        ["user: ", "admin\r"],
        ["password: ", `${PASSWORD}\r`],
        ["admin> ", "all\r"],
        ["admin> ", "log\r"],
        ["admin> ", "0\r"],
      ],
    );
    expect(used).toMatchObject({ code: 0, echo: [true, false, true, true, true] });
    expect(used.screen).toMatch(/apply +updated/);
    expect(used.screen).toContain("the chain is whole");
    expect(setUp.screen + used.screen).not.toContain("t0p");
    expect(new Uint8Array(readFileSync(rig.target))).toEqual(file);
    expect(readFileSync(join(rig.state, "audit.ndjson"), "utf8")).not.toContain("t0p");
  }, 120_000);

  it("stops what it does at ^C, and not the menu", async () => {
    rig = await DeviceRig.start({ faults: [{ name: "slow", bytesPerSecond: 100_000 }] });
    rig.publish(new Prng("slow").bytes(5_000_000));
    await rig.init();
    const who = ["--user", "admin", "--password-file", join(rig.folder, "password")];
    const { screen, code } = await typing(
      ["menu", ...who],
      [
        ["admin> ", "download\r"],
        [" bytes\r", "\u0003"],
        ["PULL_STOPPED", ""],
        ["admin> ", "status\r"],
        ["admin> ", "quit\r"],
      ],
    );
    expect(screen).toMatch(/65536 bytes/);
    expect(code).toBe(0);
  }, 120_000);

  it("gives the terminal back as it was when a password is given up", async () => {
    rig = await DeviceRig.start();
    await rig.init();
    const { screen, code } = await typing(["status", "--user", "admin"], [["password: ", "half\u0003"]]);
    expect(code).toBe(2);
    expect(screen).toContain("interrupted");
    expect(screen).not.toContain("half");
    expect(screen).toMatch(/ icanon .* echo /s);
  }, 120_000);
});
