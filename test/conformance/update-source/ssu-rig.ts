import { SsuSource } from "../../../gateway/source/ssu/ssu-source.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { ssuIdentity } from "../../../hil/crypto/ssu-credentials.ts";
import { SsuDriver } from "../../../hil/link/ssu/ssu-driver.ts";
import type { ServerFault } from "../../../hil/server/server-faults.ts";
import { PublishedStore } from "../../../hil/server/ssu/published-store.ts";
import { startSsuServer } from "../../../hil/server/ssu/ssu-server.ts";
import { testTls } from "../../support/https-client.ts";
import { startStrangeSsuServer } from "../../support/ssu-strange-server.ts";
import type { UpdateServerRig, UpdateSystem } from "./update-system.ts";

const NAME = "firmware_v2.bin";
const SIGNATURE = `${NAME}.sig`;
const otherCa = makeTls("another authority").ca;

async function start(security: "secure" | "plain"): Promise<UpdateServerRig> {
  const { certificate, privateKey, ca } = testTls();
  const identity = ssuIdentity(certificate, privateKey);
  const store = new PublishedStore();
  const server = await startSsuServer({ store, accepts: security, identity, uploadMax: 0 });
  const closing: (() => void)[] = [];
  const setFaults = (...faults: ServerFault[]): void => {
    store.setFaults(faults);
    server.isGone = faults.some(({ name }) => name === "gone");
  };
  const sourceAt = (port: number, trusted: string, sizeMax?: number): SsuSource =>
    new SsuSource({
      server: `ssu://localhost:${port}`,
      ca: trusted,
      name: NAME,
      signatureName: SIGNATURE,
      security,
      ...(sizeMax !== undefined && { sizeMax }),
    });
  return {
    publish(release) {
      if (release === undefined) {
        store.withdraw(NAME);
        return;
      }
      store.publish(NAME, release.file);
      store.publish(SIGNATURE, release.signature);
    },
    makeSource: ({ sizeMax, trusting = true }) => sourceAt(server.port, trusting ? ca : otherCa, sizeMax),
    cutAfter: (bytes, requests) => setFaults({ name: "dieAfterBytes", bytes, requests, path: NAME }),
    corruptByteAt: (offset) => setFaults({ name: "corruptByteAt", offset, path: NAME }),
    truncateTo: (length) => setFaults({ name: "truncateTo", length, path: NAME }),
    slow: (bytesPerSecond) => setFaults({ name: "slow", bytesPerSecond }),
    gone: () => setFaults({ name: "gone" }),
    healthy: () => setFaults(),
    async strangeVersion() {
      const stranger = await startStrangeSsuServer(identity);
      closing.push(() => stranger.close());
      return new SsuSource({
        server: `ssu://localhost:${stranger.port}`,
        ca,
        name: NAME,
        signatureName: SIGNATURE,
      });
    },
    async close() {
      for (const each of closing) each();
      server.close();
    },
  };
}

export const ssuRig: UpdateSystem = {
  name: "ssu",
  resumes: true,
  offersByVersion: false,
  start: () => start("secure"),
  makeDriver: () => new SsuDriver(),
};
