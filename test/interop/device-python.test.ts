import { createPublicKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { makeKeys } from "../../hil/crypto/keys.ts";
import { signWith } from "../../hil/crypto/signing-key.ts";
import { keptIo } from "../hil/cli/io.ts";
import { removeFolders } from "../support/device-folder.ts";
import { DeviceRig } from "../support/device-rig.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge } from "../support/judges.ts";
import { type PythonServer, startPythonServer } from "./support/python-server.ts";

describeWithJudge("python3", "otabench device before Python's http.server with TLS 1.2", () => {
  const key = makeKeys("owner").package;
  let rig: DeviceRig;
  let python: PythonServer;
  beforeEach(async () => {
    rig = await DeviceRig.start();
    python = await startPythonServer();
    writeFileSync(join(rig.folder, "ca.pem"), testTls().ca);
    const signer = createPublicKey({ key: Buffer.from(key.publicKey), format: "der", type: "spki" });
    writeFileSync(join(rig.folder, "signer.pem"), signer.export({ format: "pem", type: "spki" }));
  });
  afterEach(async () => {
    await python.close();
    await rig.close();
  });
  afterAll(removeFolders);

  function publish(file: Uint8Array): void {
    writeFileSync(join(python.folder, "firmware_v2.bin"), file);
    writeFileSync(join(python.folder, "firmware_v2.bin.sig"), signWith(key, file));
  }

  async function init(...more: readonly string[]): Promise<void> {
    const trust = ["--ca", join(rig.folder, "ca.pem"), "--signer", join(rig.folder, "signer.pem")];
    const who = ["--state", rig.state, "--user", "admin", "--password-file", join(rig.folder, "password")];
    const io = keptIo();
    const words = ["init", "--server", python.url, "--target", rig.target, ...trust, ...who, ...more];
    expect(await rig.runBare(words, io), io.err()).toBe(0);
  }

  it("does all at once when it was told to take TLS 1.2, one release after the other", async () => {
    await init("--tls12");
    for (const name of ["first", "second"]) {
      const file = new Prng(name).bytes(200_000);
      publish(file);
      const { code, err } = await rig.run(["all"]);
      expect(err).toBe("");
      expect(code).toBe(0);
      expect(new Uint8Array(readFileSync(rig.target))).toEqual(file);
    }
    publish(new Prng("first").bytes(200_000));
    expect((await rig.run(["all"])).err).toContain("RELEASE_REPLAYED");
  });

  it("takes nothing when it was not", async () => {
    publish(new Uint8Array(1000));
    await init();
    const { code, err } = await rig.run(["all"]);
    expect(err).toContain("SOURCE_TLS");
    expect(code).toBe(1);
  });
});
