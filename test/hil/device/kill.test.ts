import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { removeFolders } from "../../support/device-folder.ts";
import { DeviceRig } from "../../support/device-rig.ts";

const MAIN = fileURLToPath(new URL("../../../hil/cli/main.ts", import.meta.url));
const SEED = process.env.OTABENCH_SEED ?? "kill";

let rig: DeviceRig;
afterEach(() => rig.close());
afterAll(removeFolders);

function start(action: string): ChildProcess {
  const who = ["--state", rig.state, "--user", "admin", "--password-file", join(rig.folder, "password")];
  return spawn(process.execPath, [MAIN, "device", action, ...who], { stdio: "ignore" });
}

describe("a device whose process is killed at any moment", () => {
  it(`has all of the old or all of the new, knows where it was, and gets there (SEED=${SEED})`, async () => {
    const prng = new Prng(SEED);
    const releases = [prng.bytes(150_000), prng.bytes(150_000)];
    rig = await DeviceRig.start({ faults: [{ name: "slow", bytesPerSecond: 300_000 }] });
    await rig.init();
    let next = 0;
    rig.publish(releases[0] as Uint8Array);
    const wholes = (): boolean => {
      if (!existsSync(rig.target)) return true;
      const found = readFileSync(rig.target);
      return releases.some((release) => found.equals(release));
    };
    for (let kills = 0; kills < 10; kills++) {
      const child = start("all");
      const gone = once(child, "exit");
      // from before the program runs until after it has done everything
      const timer = setTimeout(() => child.kill("SIGKILL"), 300 + prng.below(1500));
      await gone;
      clearTimeout(timer);
      expect(wholes(), `after kill ${kills}`).toBe(true);
      const status = await rig.run(["status"]);
      expect(status.err, `after kill ${kills}`).toBe("");
      if (next === 0 && existsSync(rig.target)) {
        next = 1;
        rig.publish(releases[1] as Uint8Array);
      }
    }
    rig.server.setFaults([]);
    expect((await rig.run(["all"])).err).toBe("");
    expect(new Uint8Array(readFileSync(rig.target))).toEqual(releases[next]);
    const { code, out } = await rig.run(["log"]);
    expect(out).toContain("the chain is whole");
    expect(code).toBe(0);
  }, 120_000);

  it("never works in two processes at once", async () => {
    const prng = new Prng("two at once");
    const release = prng.bytes(100_000);
    rig = await DeviceRig.start({ faults: [{ name: "slow", bytesPerSecond: 200_000 }] });
    rig.publish(release);
    await rig.init();
    const codes = await Promise.all(
      Array.from({ length: 4 }, async () => ((await once(start("all"), "exit")) as [number])[0]),
    );
    expect(codes).toContain(0);
    for (const code of codes) expect([0, 2]).toContain(code); // 2: STATE_LOCKED, or a step that another one has undone
    expect(new Uint8Array(readFileSync(rig.target))).toEqual(release);
    const { out } = await rig.run(["log"]);
    expect(out).toContain("the chain is whole");
    expect(out).toContain("STATE_LOCKED");
  }, 120_000);
});
