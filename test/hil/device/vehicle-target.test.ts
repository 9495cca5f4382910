import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { publishRelease } from "../../../hil/scenario/publish-release.ts";
import { removeFolders } from "../../support/device-folder.ts";
import { DeviceRig } from "../../support/device-rig.ts";

const VEHICLE = "fixtures/vehicles/two-zone.yaml";

let rig: DeviceRig;
beforeEach(async () => {
  rig = await DeviceRig.start();
});
afterEach(() => rig.close());
afterAll(removeFolders);

/** Puts one release of a scenario onto the server. */
async function publish(scenario: string, release?: string): Promise<void> {
  const options = { release, keysDir: undefined, seed: "1" };
  const [path] = await publishRelease(`fixtures/scenarios/${scenario}.yaml`, rig.folder, options);
  rig.publish(new Uint8Array(readFileSync(path as string)));
}

describe("a device that is a virtual vehicle", () => {
  it("is updated, kept, and takes the next update with all that the first one left", async () => {
    await publish("server-dies", "large");
    await rig.init(["--vehicle", VEHICLE]);
    const first = await rig.run(["all"]);
    expect(first.out).toMatch(/ECU_011 {2}1\.0\.0 -> 1\.1\.0 {2}updated/);
    expect(first.code).toBe(0);
    await rig.step("download");
    expect(await rig.step("verify")).toMatchObject({ verdict: "upToDate", versions: { ECU_011: "1.1.0" } });
    await publish("server-dies", "next");
    const second = await rig.run(["all"]);
    expect(second.out).toMatch(/ECU_011 {2}1\.1\.0 -> 1\.2\.0 {2}updated/);
    expect(second.code).toBe(0);
    await publish("server-dies", "large");
    const third = await rig.run(["all"]);
    expect(third.err).toContain("PACKAGE_VERSION_OLDER");
    expect(third.code).toBe(1);
  }, 60_000);

  it("takes nothing that is for another vehicle, whoever signed it", async () => {
    await publish("https", "second");
    const other = join(rig.folder, "vehicle.yaml");
    writeFileSync(other, readFileSync(VEHICLE, "utf8").replace("KMHXX00XXXX000001", "KMHXX00XXXX000002"));
    await rig.init(["--vehicle", other]);
    const { code, err } = await rig.run(["all"]);
    expect(err).toContain("PACKAGE_TARGET_WRONG");
    expect(code).toBe(1);
  });

  it("says that the kept vehicle was built from another file, or is damaged, and leaves it as it is", async () => {
    await publish("server-dies", "next");
    const own = join(rig.folder, "vehicle.yaml");
    const text = readFileSync(VEHICLE, "utf8").replaceAll("../", `${process.cwd()}/fixtures/`);
    writeFileSync(own, text);
    await rig.init(["--vehicle", own]);
    expect((await rig.run(["all"])).err).toBe("");
    writeFileSync(own, text.replace("KMHXX00XXXX000001", "KMHXX00XXXX000002"));
    expect((await rig.run(["check"])).err).toContain("VEHICLE_CHANGED");
    writeFileSync(own, text);
    expect((await rig.run(["check"])).code).toBe(0);
    const kept = join(rig.state, "vehicle.state");
    const bytes = readFileSync(kept);
    for (const damage of [bytes.subarray(0, bytes.length - 1), Buffer.alloc(0), Buffer.from("{}"), turned(bytes)]) {
      writeFileSync(kept, damage);
      expect((await rig.run(["check"])).err).toContain("STATE_DAMAGED");
      expect(readFileSync(kept).equals(damage)).toBe(true);
    }
  }, 60_000);
});

function turned(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length >> 1;
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
