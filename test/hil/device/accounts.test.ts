import { readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { Accounts } from "../../../hil/device/accounts.ts";
import { hashPassword, isPassword } from "../../../hil/device/password-hash.ts";
import { mayDo, type Permission, ROLE_NAMES } from "../../../hil/device/roles.ts";
import { CHEAP, HandClock, makeState, removeFolders } from "../../support/device-folder.ts";

afterAll(removeFolders);

const PASSWORD = "correct horse";

async function makeAccounts() {
  const clock = new HandClock();
  const folder = makeState();
  const accounts = new Accounts(folder, clock.now, CHEAP);
  await accounts.add("root", "admin", PASSWORD);
  const fails = (name: string, password: string) =>
    accounts.login(name, password).then(
      () => "ok",
      (error: { code: string }) => error.code,
    );
  return { accounts, clock, folder, fails };
}

describe("scrypt hashes", () => {
  // RFC 7914, 12, the second and the third vector
  it.each([
    [
      "password",
      "NaCl",
      "ln=10,r=8,p=16",
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    ],
    [
      "pleaseletmein",
      "SodiumChloride",
      "ln=14,r=8,p=1",
      "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
    ],
  ])("agree with RFC 7914 on %s", async (password, salt, cost, hex) => {
    const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
    const stored = `$scrypt$${cost}$${base64(Buffer.from(salt))}$${base64(Buffer.from(hex, "hex"))}`;
    expect(await isPassword(password, stored)).toBe(true);
    expect(await isPassword(`${password}.`, stored)).toBe(false);
  });

  it("are salted, say what they cost, and cost 32 MiB three times by default", async () => {
    const [one, two] = [await hashPassword(PASSWORD, CHEAP), await hashPassword(PASSWORD, CHEAP)];
    expect(one).not.toBe(two);
    const stored = await hashPassword(PASSWORD);
    expect(stored).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$/);
    expect(stored).not.toContain(PASSWORD);
    expect(await isPassword(PASSWORD, stored)).toBe(true);
  });

  it("take a letter for the same however it was composed", async () => {
    const stored = await hashPassword("M\u00fcnchen 1972", CHEAP);
    expect(await isPassword("Mu\u0308nchen 1972", stored)).toBe(true);
  });

  it.each([
    "",
    "plain text",
    "$scrypt$ln=30,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
    "$scrypt$ln=15,r=8,p=99$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
    "$scrypt$ln=15,r=999,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
    "$scrypt$ln=0,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
  ])("that ask for too much, or are none, are refused: %s", async (stored) => {
    await expect(isPassword("x", stored)).rejects.toMatchObject({ code: "STATE_DAMAGED" });
  });
});

describe("roles", () => {
  it("are a table: viewer is within user, user within admin", () => {
    expect(ROLE_NAMES).toEqual(["admin", "user", "viewer"]);
    const may = (what: Permission) => ROLE_NAMES.map((role) => mayDo(role, what));
    for (const what of ["schedule", "users"] as const) expect(may(what)).toEqual([true, false, false]);
    for (const what of ["check", "download", "verify", "apply", "run"] as const)
      expect(may(what)).toEqual([true, true, false]);
    for (const what of ["status", "log"] as const) expect(may(what)).toEqual([true, true, true]);
  });
});

describe("accounts of a device", () => {
  it("let in who has the password, and nobody else", async () => {
    const { accounts, fails, folder } = await makeAccounts();
    await accounts.add("eve", "viewer", "another password");
    expect(await accounts.login("eve", "another password")).toEqual({ name: "eve", role: "viewer" });
    expect(await fails("eve", PASSWORD)).toBe("LOGIN_WRONG");
    expect(await fails("nobody", PASSWORD)).toBe("LOGIN_WRONG");
    expect(await fails("", "")).toBe("LOGIN_WRONG");
    expect(await fails("__proto__", "")).toBe("LOGIN_WRONG");
    const file = folder.file("users.json");
    expect(readFileSync(file, "utf8")).not.toContain(PASSWORD);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each(["root", "nobody"])("are locked after three wrong passwords, for longer each time: %s", async (name) => {
    const { clock, fails } = await makeAccounts();
    for (let tries = 0; tries < 3; tries++) expect(await fails(name, "wrong")).toBe("LOGIN_WRONG");
    for (const seconds of [30, 60, 120]) {
      clock.pass(seconds * 1000 - 1);
      expect(await fails(name, PASSWORD)).toBe("LOGIN_LOCKED");
      clock.pass(1);
      expect(await fails(name, "wrong")).toBe("LOGIN_WRONG");
    }
    clock.pass(240_000);
    expect(await fails(name, PASSWORD)).toBe(name === "root" ? "ok" : "LOGIN_WRONG");
    if (name === "root") expect(await fails(name, "wrong")).toBe("LOGIN_WRONG"); // counted anew
  });

  it("are locked for an hour at most, and no longer when the clock is set back", async () => {
    const { clock, fails } = await makeAccounts();
    for (let tries = 0; tries < 20; tries++) {
      expect(await fails("root", "wrong")).toBe("LOGIN_WRONG");
      clock.pass(3_600_000);
    }
    clock.pass(-1);
    expect(await fails("root", PASSWORD)).toBe("LOGIN_LOCKED");
    clock.pass(-365 * 86_400_000);
    expect(await fails("root", PASSWORD)).toBe("LOGIN_LOCKED");
    clock.pass(3_600_000);
    expect(await fails("root", PASSWORD)).toBe("ok");
  });

  it("are not locked by others' wrong passwords, and remember theirs over a restart", async () => {
    const { accounts, clock, folder, fails } = await makeAccounts();
    await accounts.add("eve", "viewer", "another password");
    for (let tries = 0; tries < 5; tries++) await fails("eve", "wrong");
    expect(await fails("root", PASSWORD)).toBe("ok");
    await expect(new Accounts(folder, clock.now, CHEAP).login("eve", "another password")).rejects.toMatchObject({
      code: "LOGIN_LOCKED",
    });
  });

  it("do not fill the disk however many names are guessed", async () => {
    const { fails, folder } = await makeAccounts();
    for (let name = 0; name < 300; name++) await fails(`guess${name}`, "wrong");
    const { wrong } = JSON.parse(readFileSync(folder.file("users.json"), "utf8")) as { wrong: object };
    expect(Object.keys(wrong).length).toBeLessThanOrEqual(64);
  });

  it("count tries that are made at once one by one", async () => {
    const { fails } = await makeAccounts();
    const all = await Promise.all(Array.from({ length: 6 }, () => fails("root", "wrong")));
    expect(all.filter((code) => code === "LOGIN_WRONG")).toHaveLength(3);
    expect(all.filter((code) => code === "LOGIN_LOCKED")).toHaveLength(3);
  });

  it("always have an admin", async () => {
    const { accounts } = await makeAccounts();
    const invalid = { code: "ACCOUNT_INVALID" };
    await expect(accounts.remove("root")).rejects.toMatchObject(invalid);
    await expect(accounts.setRole("root", "user")).rejects.toMatchObject(invalid);
    await accounts.add("second", "user", PASSWORD);
    await accounts.setRole("second", "admin");
    await accounts.remove("root");
    expect(accounts.list()).toEqual([{ name: "second", role: "admin" }]);
  });

  it.each([
    ["Root", PASSWORD],
    ["", PASSWORD],
    ["a b", PASSWORD],
    ["?3", PASSWORD],
    ["root", PASSWORD],
    ["new", "short"],
    ["new", "x".repeat(257)],
  ])("are not made for %j with password %j", async (name, password) => {
    const { accounts } = await makeAccounts();
    await expect(accounts.add(name, "user", password)).rejects.toMatchObject({ code: "ACCOUNT_INVALID" });
    expect(accounts.list()).toHaveLength(1);
  });

  it("are not read from a file that is none", async () => {
    const { accounts, folder, fails } = await makeAccounts();
    for (const text of ["", "{", "[]", '{"format":1,"users":[{"name":"x","role":"god","hash":""}],"wrong":{}}']) {
      writeFileSync(folder.file("users.json"), text);
      expect(() => accounts.list()).toThrow(expect.objectContaining({ code: "STATE_DAMAGED" }));
      expect(await fails("root", PASSWORD)).toBe("STATE_DAMAGED");
    }
  });
});
