import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { logIn } from "../../../hil/device/device-session.ts";
import { packageFor } from "../../conformance/update-source/releases.ts";
import { CHEAP, removeFolders } from "../../support/device-folder.ts";
import { DeviceRig, PASSWORD, PATH } from "../../support/device-rig.ts";

const VIN = "KMHXX00XXXX000001";
const prng = new Prng("device");
const first = prng.bytes(200_000);
const second = prng.bytes(150_000);

let rig: DeviceRig;
afterEach(() => rig.close());
afterAll(removeFolders);

/** A device with a file for its target, and what the server has. */
async function ready(file: Uint8Array, more: readonly string[] = []): Promise<DeviceRig> {
  rig = await DeviceRig.start();
  rig.publish(file);
  await rig.init(["--target", rig.target, ...more]);
  return rig;
}

/** Stops a download when some of it has come. @returns how much is kept */
async function downloadPart(): Promise<number> {
  const stop = new AbortController();
  const session = await logIn(rig.state, "admin", PASSWORD, { now: rig.clock.now, scryptCost: CHEAP });
  rig.server.setFaults([{ name: "slow", bytesPerSecond: 1_000_000 }]);
  const download = session.download({ stop: stop.signal, onProgress: () => stop.abort() });
  await expect(download).rejects.toMatchObject({ code: "PULL_STOPPED" });
  rig.server.setFaults([]);
  const { size } = statSync(join(rig.state, "package.bin.part"));
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThan(first.length);
  return size;
}

const installed = (): Uint8Array => new Uint8Array(readFileSync(rig.target));
const state = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(rig.state, "state.json"), "utf8")) as Record<string, unknown>;
const audit = (): string[] =>
  readFileSync(join(rig.state, "audit.ndjson"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string; outcome: string })
    .map(({ event, outcome }) => `${event} ${outcome}`)
    .filter((line) => line !== "login ok");

describe("a device, step by step", () => {
  it("checks, downloads, verifies and applies; and has nothing to do after that", async () => {
    await ready(first);
    expect(await rig.step("check")).toEqual({ step: "check", verdict: "offer", release: PATH, size: first.length });
    expect(await rig.step("download")).toMatchObject({ verdict: "downloaded", size: first.length, from: 0 });
    expect(existsSync(rig.target)).toBe(false);
    expect(await rig.step("verify")).toMatchObject({ verdict: "verified" });
    expect(await rig.step("apply")).toMatchObject({ verdict: "updated" });
    expect(installed()).toEqual(first);
    expect(await rig.step("check")).toEqual({ step: "check", verdict: "upToDate" });
    expect(audit()).toEqual([
      "device.setUp ok",
      "check ok",
      "download ok",
      "verify ok",
      "apply.begin ok",
      "apply ok",
      "check ok",
    ]);
    expect(readdirSync(rig.state).filter((name) => name.startsWith("package.bin"))).toEqual([]);
  });

  it("does all at once, and stops where there is nothing to do", async () => {
    await ready(first);
    const { code, out } = await rig.run(["all"]);
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.split(/\s+/)[0])).toEqual(["check", "download", "verify", "apply", ""]);
    expect(installed()).toEqual(first);
    expect((await rig.run(["all"])).out).toBe("check     up to date\n");
    rig.publish(second);
    expect((await rig.run(["all", "--json"])).code).toBe(0);
    expect(installed()).toEqual(second);
  });

  it("says that a step is missing", async () => {
    await ready(first);
    for (const action of ["verify", "apply"]) {
      const { code, err } = await rig.run([action]);
      expect(err).toContain("STEP_MISSING");
      expect(code).toBe(2);
    }
    await rig.step("download");
    expect((await rig.run(["apply"])).err).toContain("STEP_MISSING");
    expect(existsSync(rig.target)).toBe(false);
  });

  it("does nothing twice: what is here is not fetched again", async () => {
    await ready(first);
    await rig.step("check");
    await rig.step("download");
    const before = rig.events.length;
    expect(await rig.step("download")).toMatchObject({ verdict: "alreadyDownloaded", size: first.length });
    expect(rig.events.length).toBe(before);
    await rig.step("verify");
    await rig.step("apply");
    writeFileSync(rig.target, first); // as if nothing had happened
    await rig.step("download");
    expect(await rig.step("verify")).toMatchObject({ verdict: "upToDate" });
    expect(await rig.step("apply")).toMatchObject({ verdict: "upToDate" });
  });

  it("goes on at the byte where an earlier process was stopped", async () => {
    await ready(first);
    const length = await downloadPart();
    const rest = first.length - length;
    expect(await rig.step("download")).toMatchObject({ verdict: "downloaded", from: length, bytes: rest });
    expect((await rig.run(["all"])).code).toBe(0);
    expect(installed()).toEqual(first);
  });

  it("begins anew when what an earlier process left is of another release, or is damaged", async () => {
    await ready(first);
    const length = await downloadPart();
    writeFileSync(join(rig.state, "package.bin.part"), new Uint8Array(length));
    expect((await rig.run(["all"])).err).toContain("PACKAGE_SIGNATURE_WRONG");
    await downloadPart();
    rig.publish(second);
    expect(await rig.step("download")).toMatchObject({ from: 0, bytes: second.length });
    expect((await rig.run(["all"])).code).toBe(0);
    expect(installed()).toEqual(second);
  });

  it("finds that what was fetched has been changed since, before it is used", async () => {
    await ready(first);
    await rig.step("download");
    await rig.step("verify");
    writeFileSync(join(rig.state, "package.bin"), second);
    expect((await rig.run(["apply"])).err).toContain("STEP_MISSING");
    expect(existsSync(rig.target)).toBe(false);
    expect((await rig.run(["all"])).code).toBe(0);
  });

  it("applies again what it was applying when the power went", async () => {
    await ready(first);
    await rig.step("download");
    await rig.step("verify");
    const path = join(rig.state, "state.json");
    const { verified } = state() as { verified: object };
    writeFileSync(path, JSON.stringify({ ...state(), applying: verified }));
    writeFileSync(`${rig.target}.part`, "torn");
    expect((await rig.run(["status"])).out).toContain("an update was interrupted");
    expect(await rig.step("apply")).toMatchObject({ verdict: "updated" });
    expect(installed()).toEqual(first);
    expect(existsSync(`${rig.target}.part`)).toBe(false);
    expect((await rig.run(["status"])).out).not.toContain("interrupted");
  });

  it("keeps who may read and run the target file", async () => {
    await ready(first);
    writeFileSync(rig.target, "old", { mode: 0o755 });
    await rig.run(["all"]);
    expect(installed()).toEqual(first);
    expect(statSync(rig.target).mode & 0o777).toBe(0o755);
    expect(statSync(rig.state).mode & 0o777).toBe(0o700);
  });

  it("does not let two processes work at once", async () => {
    await ready(first);
    writeFileSync(join(rig.state, "work.lock"), `${process.pid} `);
    const { err } = await rig.run(["check"]);
    expect(err).toContain("STATE_LOCKED");
    writeFileSync(join(rig.state, "work.lock"), "999999999 1"); // nobody is that
    expect((await rig.run(["check"])).code).toBe(0);
  });

  it.each(["device.json", "state.json", "users.json", "schedule.json", "plan.json"])(
    "says that %s is damaged, and leaves it as it is",
    async (name) => {
      await ready(first);
      await rig.run(["check"]);
      writeFileSync(join(rig.state, name), "{");
      const { code, err } = await rig.run(["status"]);
      expect(err).toContain("STATE_DAMAGED");
      expect(code).toBe(2);
      expect(readFileSync(join(rig.state, name), "utf8")).toBe("{");
    },
  );
});

describe("a device before a server that is not honest", () => {
  it.each([
    ["PACKAGE_SIGNATURE_MISSING", null],
    ["PACKAGE_SIGNATURE_WRONG", "stranger"],
  ])("refuses with %s, and throws away what it fetched", async (code, signer) => {
    await ready(first);
    rig.publish(second, signer === null ? null : makeKeys(signer));
    expect((await rig.run(["all"])).err).toContain(code);
    expect(existsSync(rig.target)).toBe(false);
    expect(existsSync(join(rig.state, "package.bin"))).toBe(false);
    rig.publish(second);
    expect((await rig.run(["all"])).code).toBe(0);
  });

  it("refuses an old release that was signed properly and replaced since: its version says so", async () => {
    await ready(packageFor(VIN, "1.6.0"));
    expect((await rig.run(["all"])).code).toBe(0);
    rig.publish(packageFor(VIN, "1.7.0"));
    expect((await rig.run(["all"])).code).toBe(0);
    const now = installed();
    rig.publish(packageFor(VIN, "1.6.0"));
    const { code, err } = await rig.run(["all"]);
    expect(err).toContain("PACKAGE_VERSION_OLDER");
    expect(code).toBe(1);
    expect(installed()).toEqual(now);
    expect(audit().at(-1)).toBe("verify PACKAGE_VERSION_OLDER");
  });

  it("refuses a file without versions that it had and replaced: it remembers its digest", async () => {
    await ready(first);
    await rig.run(["all"]);
    rig.publish(second);
    await rig.run(["all"]);
    rig.publish(first);
    const { code, err } = await rig.run(["all"]);
    expect(err).toContain("RELEASE_REPLAYED");
    expect(code).toBe(1);
    expect(installed()).toEqual(second);
  });

  it("refuses a version below that of the factory, and software for another ECU", async () => {
    await ready(packageFor(VIN, "1.6.0"), ["--current", "1.6.1", "--ecu", "ECU_011"]);
    expect((await rig.run(["all"])).err).toContain("PACKAGE_VERSION_OLDER");
    await rig.close();
    await ready(packageFor(VIN, "1.6.0"), ["--ecu", "ECU_012"]);
    expect((await rig.run(["all"])).err).toContain("PACKAGE_TARGET_WRONG");
    expect(existsSync(rig.target)).toBe(false);
  });

  it("takes no more than it was told to", async () => {
    await ready(first, ["--max", "199999"]);
    expect((await rig.run(["all"])).err).toContain("SOURCE_TOO_LARGE");
    expect(existsSync(rig.target)).toBe(false);
  });

  it("throws away a file that ends too early, or has a turned byte", async () => {
    await ready(first);
    rig.server.setFaults([{ name: "truncateTo", length: 100_000, path: PATH }]);
    expect((await rig.run(["all"])).err).toContain("PACKAGE_SIGNATURE_WRONG");
    rig.server.setFaults([{ name: "corruptByteAt", offset: 5, path: PATH }]);
    expect((await rig.run(["all"])).err).toContain("PACKAGE_SIGNATURE_WRONG");
    rig.server.setFaults([]);
    expect((await rig.run(["all"])).code).toBe(0);
  });
});
