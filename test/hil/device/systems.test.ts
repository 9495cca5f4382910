import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { SYSTEM_NAMES } from "../../../hil/bench/source-schema.ts";
import { type ServerOpen, serve } from "../../../hil/system/serve.ts";
import { removeFolders } from "../../support/device-folder.ts";
import { DeviceRig } from "../../support/device-rig.ts";
import { keptIo } from "../cli/io.ts";

let rig: DeviceRig;
afterEach(() => rig.close());
afterAll(removeFolders);

/** Runs `work` while a server of that system serves that file as that version. */
async function whileServing(system: string, file: Uint8Array, version: string, work: (port: number) => Promise<void>) {
  const path = join(rig.folder, "served.bin");
  writeFileSync(path, file);
  const stop = new AbortController();
  const opened = Promise.withResolvers<ServerOpen>();
  const settings = { system, version, sign: true, seed: "1", host: "127.0.0.1", port: 0, tls12: false };
  const serving = serve({
    ...settings,
    files: [path],
    stop: stop.signal,
    onOpen: opened.resolve,
    onEvent: () => {},
  });
  try {
    await work((await Promise.race([opened.promise, serving.then(() => opened.promise)])).port);
  } finally {
    stop.abort();
    await serving;
  }
}

describe("a device before each update system", () => {
  it.each(SYSTEM_NAMES)("%s: does all at once, and has nothing to do the second time", async (system) => {
    rig = await DeviceRig.start();
    const file = new Prng(system).bytes(100_000);
    await whileServing(system, file, "1.2.0", async (port) => {
      const who = ["--user", "admin", "--password-file", join(rig.folder, "password"), "--state", rig.state];
      const server = ["--server", `localhost:${port}`, "--seed", "1", "--target", rig.target];
      const io = keptIo();
      expect(await rig.runBare(["init", system, ...server, ...who], io), io.err()).toBe(0);
      const first = await rig.run(["all"]);
      expect(first.err).toBe("");
      expect(first.out).toContain("apply     updated");
      expect(new Uint8Array(readFileSync(rig.target))).toEqual(file);
      expect((await rig.run(["all"])).out).toBe("check     up to date\n");
    });
  });
});
