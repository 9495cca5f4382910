import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { openTerminal } from "../../../hil/cli/terminal.ts";
import { removeFolders } from "../../support/device-folder.ts";
import { DeviceRig, PASSWORD } from "../../support/device-rig.ts";
import { keptIo } from "./io.ts";

const OTHER = "another password";
const file = new Prng("menu").bytes(20_000);

let rig: DeviceRig;
afterEach(() => rig.close());
afterAll(removeFolders);

async function ready(): Promise<void> {
  rig = await DeviceRig.start();
  rig.publish(file);
  await rig.init();
}

/** A command line before somebody who gives these answers and then leaves. */
async function answered(words: readonly string[], answers: readonly string[]) {
  const io = keptIo();
  const input = new PassThrough();
  input.end(answers.map((answer) => `${answer}\n`).join(""));
  const terminal = (output: { write(text: string): unknown }) => openTerminal(input, output);
  const code = await rig.runBare([...words, "--state", rig.state], io, { terminal });
  return { code, out: io.out(), err: io.err() };
}

describe("otabench device", () => {
  it("asks who it is, and for the password, where neither is told", async () => {
    await ready();
    const { code, out, err } = await answered(["check"], ["admin", PASSWORD]);
    expect(code).toBe(0);
    expect(out).toBe("check     the server has /firmware_v2.bin, 20000 bytes\n");
    expect(err).toBe("user: password: ");
    expect((await answered(["check"], ["admin", OTHER])).err).toContain("LOGIN_WRONG");
    expect((await answered(["check"], ["admin"])).err).toContain("INPUT_ENDED");
  });

  it("asks twice for the first password, and takes no two that differ", async () => {
    rig = await DeviceRig.start();
    const words = ["init", "--server", `localhost:${rig.server.port}`, "--seed", "1", "--target", rig.target];
    expect((await answered(words, [PASSWORD, OTHER])).err).toContain("the two are not the same");
    expect((await answered(words, ["short", "short"])).err).toContain("8 characters at least");
    const { code, out } = await answered([...words, "--user", "root"], [PASSWORD, PASSWORD]);
    expect(code).toBe(0);
    expect(out).toContain("root is admin");
    expect((await answered(words, [PASSWORD, PASSWORD])).err).toContain("STATE_EXISTS");
    expect((await answered(["status"], ["root", PASSWORD])).code).toBe(0);
  });

  it("allows each role what it may do and nothing else, and writes down who tried", async () => {
    await ready();
    for (const role of ["user", "viewer"]) await rig.run(["users", "add", role, role, ...newPassword(PASSWORD)]);
    const verdicts = async (user: string) => {
      const found: string[] = [];
      for (const action of ["status", "log", "check", "download", "verify", "apply", "all", "users", "schedule off"]) {
        const { err } = await rig.run(action.split(" "), user);
        if (err.includes("ACTION_FORBIDDEN")) found.push(action);
        else expect(err, `${user} ${action}`).toBe("");
      }
      return found;
    };
    expect(await verdicts("viewer")).toEqual(["check", "download", "verify", "apply", "all", "users", "schedule off"]);
    expect(await verdicts("user")).toEqual(["users", "schedule off"]);
    expect((await rig.run(["run"], "viewer")).err).toContain("ACTION_FORBIDDEN");
    const { out } = await rig.run(["log"]);
    expect(out).toMatch(/viewer +apply +ACTION_FORBIDDEN/);
    expect(out).toContain("the chain is whole");
  });

  it("changes accounts: roles, passwords, the own password, and takes them away", async () => {
    await ready();
    await rig.run(["users", "add", "eve", "viewer", ...newPassword(PASSWORD)]);
    expect((await rig.run(["users", "role", "eve", "user"])).out).toMatch(/eve +user/);
    expect((await rig.run(["users", "password", "admin", ...newPassword(OTHER)], "eve")).err).toContain("FORBIDDEN");
    expect((await rig.run(["users", "password", ...newPassword(OTHER)], "eve")).code).toBe(0);
    expect((await rig.run(["check"], "eve")).err).toContain("LOGIN_WRONG");
    expect((await answered(["check"], ["eve", OTHER])).code).toBe(0);
    expect((await rig.run(["users", "remove", "eve"])).out).not.toContain("eve");
    expect((await rig.run(["users", "remove", "admin"])).err).toContain("somebody has to be admin");
    for (const bad of [
      ["users", "add", "x", "god"],
      ["users", "role", "admin"],
      ["users", "sudo"],
    ])
      expect((await rig.run(bad)).code).toBe(2);
  });

  it("writes no password into any file, or onto the screen", async () => {
    await ready();
    const { out, err } = await answered(["all"], ["admin", PASSWORD]);
    await rig.run(["users", "add", "eve", "viewer", ...newPassword(OTHER)]);
    for (const name of ["users.json", "audit.ndjson", "state.json", "device.json"]) {
      const text = readFileSync(join(rig.state, name), "utf8");
      expect(text).not.toContain(PASSWORD);
      expect(text).not.toContain(OTHER);
    }
    expect(out + err).not.toContain(PASSWORD);
  });

  it("sets and shows the schedule, and refuses what is none", async () => {
    await ready();
    const set = await rig.run(["schedule", "daily", "03:30", "--jitter", "1800", "--zone", "Europe/Berlin"]);
    expect(set.out).toBe("daily at 03:30 Europe/Berlin, up to 1800 s later\n");
    expect((await rig.run(["schedule", "*/20", "8-9", "*", "*", "MON-FRI"])).out).toContain(
      'cron "*/20 8-9 * * MON-FRI"',
    );
    expect((await rig.run(["schedule", "--json"])).out).toContain('"kind":"cron"');
    for (const words of [["daily", "25:00"], ["61 * * * *"], ["daily", "03:30", "--zone", "Mars"]])
      expect((await rig.run(["schedule", ...words])).err).toContain("SCHEDULE_INVALID");
    expect((await rig.run(["schedule", "daily", "03:30", "--jitter", "much"])).code).toBe(2);
    expect((await rig.run(["schedule", "off"])).out).toBe("off\n");
  });

  it("ends with 1 when the audit log was changed, and names the line", async () => {
    await ready();
    await rig.run(["check"]);
    const path = join(rig.state, "audit.ndjson");
    writeFileSync(path, readFileSync(path, "utf8").replace('"event":"check"', '"event":"chuck"'));
    const { code, out } = await rig.run(["log", "--last", "2"]);
    expect(code).toBe(1);
    expect(out).toContain("line 3: AUDIT_LINE_CHANGED");
    expect(out).toContain("THE CHAIN IS BROKEN");
  });

  it.each([
    [[], "the action is missing"],
    [["update"], 'there is no action "update"'],
    [["constructor"], 'there is no action "constructor"'],
    [["init"], "--server URL is missing"],
    [["init", "ftp", "--server", "x:1", "--seed", "1"], '"ftp" is no update system'],
    [["init", "--server", "x:1"], "--ca and --signer, or --keys, or --seed"],
    [["init", "--server", "x:1", "--seed", "1"], "one of --target FILE and --vehicle VEHICLE"],
    [["init", "--server", "x:1", "--seed", "1", "--target", "a", "--vehicle", "b"], "one of --target FILE and"],
    [["init", "--server", "x:1", "--seed", "1", "--target", "a", "--current", "2"], "is no version x.y.z"],
    [["init", "--server", "x:1", "--seed", "1", "--target", "a", "--ca", "package.json"], "holds no certificate"],
    [["log", "--last", "-1"], "last"],
  ])("%j is refused", async (words, message) => {
    await ready();
    const fresh = words[0] === "init" ? join(rig.folder, "fresh") : rig.state;
    const password = join(rig.folder, "password");
    const io = keptIo();
    const code = await rig.runBare([...words, "--state", fresh, "-u", "admin", "--password-file", password], io);
    expect(io.err()).toContain(message);
    expect(code).toBe(2);
  });

  it("says that a folder is none of a device", async () => {
    await ready();
    const io = keptIo();
    const password = join(rig.folder, "password");
    expect(await rig.runBare(["check", "--state", rig.folder, "-u", "x", "--password-file", password], io)).toBe(2);
    expect(io.err()).toContain("STATE_MISSING");
    expect(await rig.runBare(["check"], keptIo())).toBe(2);
  });
});

/** Options that name a file with a new password. */
function newPassword(password: string): string[] {
  const path = join(rig.folder, "new");
  writeFileSync(path, password);
  return ["--new-password-file", path];
}

describe("the menu of otabench device", () => {
  const menu = (...answers: string[]) => answered(["menu"], ["admin", PASSWORD, ...answers]);

  it("does step by step what is chosen, by number or by name, and ends with quit", async () => {
    await ready();
    const { code, out } = await menu("1", "download", "VERIFY", "4", "nonsense", "", "quit", "1");
    expect(code).toBe(0);
    const steps = [...out.matchAll(/admin> (check|download|verify|apply) +(.*)/g)].map(([, ...said]) => said);
    expect(steps).toEqual([
      ["check", "the server has /firmware_v2.bin, 20000 bytes"],
      ["download", expect.stringMatching(/^20000 bytes, 20000 of them now/)],
      ["verify", "good: no format that tells versions"],
      ["apply", "updated"],
    ]);
    expect(out).toContain("there is nothing of that name here");
    expect(new Uint8Array(readFileSync(rig.target))).toEqual(file);
  });

  it("does all at once, tells what goes wrong, and goes on", async () => {
    await ready();
    rig.server.setFaults([{ name: "corruptByteAt", offset: 5 }]);
    const { code, out } = await menu("all", "apply", "status", "log");
    expect(out).toContain("PACKAGE_SIGNATURE_WRONG");
    expect(out).toContain("STEP_MISSING");
    expect(out).toContain("applied   nothing yet");
    expect(out).toMatch(/verify +PACKAGE_SIGNATURE_WRONG/);
    expect(code).toBe(0);
  });

  it("sets the schedule and accounts", async () => {
    await ready();
    const schedule = ["schedule", "daily 03:30", "600", "", "schedule", "daily 99:99", "", "", "schedule", ""];
    const add = ["users", "add eve viewer", OTHER, OTHER, "users", "add bob user", OTHER, PASSWORD];
    const change = ["users", "role eve user", "users", "role eve god", "users", "password eve", PASSWORD, PASSWORD];
    const others = ["users", "sudo", "users", "", "password", OTHER, OTHER, "users", "remove eve", "users", ""];
    const { out } = await menu(...schedule, ...add, ...change, ...others);
    expect(out).toContain("now: daily at 03:30 UTC, up to 600 s later");
    expect(out).toContain("SCHEDULE_INVALID");
    expect(out).toMatch(/eve +user/);
    expect(out).toContain("the roles are admin, user, viewer");
    expect(out).toContain("ACCOUNT_INVALID");
    expect(out.slice(out.lastIndexOf("users: ")).includes("eve")).toBe(false);
    expect((await answered(["users"], ["admin", OTHER])).out).toMatch(/^admin +admin\n$/);
  });

  it("has nothing in it that the role does not allow", async () => {
    await ready();
    await rig.run(["users", "add", "eve", "viewer", ...newPassword(OTHER)]);
    const { out } = await answered(["menu"], ["eve", OTHER, "apply", "users", "log", "0"]);
    const entries = out.split("\n").filter((line) => /^ +\d {2}/.test(line));
    expect(entries.slice(0, 4).map((line) => line.trim().split(/ +/)[1])).toEqual([
      "log",
      "password",
      "status",
      "quit",
    ]);
    expect(out.match(/there is nothing of that name here/g)).toHaveLength(2);
    expect(out).toContain("the chain is whole");
  });
});
