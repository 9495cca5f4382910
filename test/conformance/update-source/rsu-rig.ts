import { RsuSource } from "../../../gateway/source/rsu/rsu-source.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { RsuDriver } from "../../../hil/link/rsu/rsu-driver.ts";
import { startRsuServer } from "../../../hil/server/rsu/rsu-server.ts";
import { testTls } from "../../support/https-client.ts";
import { oldPdu, startOldServer } from "../../support/rsu-peer.ts";
import type { UpdateServerRig, UpdateSystem } from "./update-system.ts";

const TARGET = "vehicle";
const otherCa = makeTls("another authority").ca;

async function start(): Promise<UpdateServerRig> {
  const { certificate, privateKey, ca } = testTls();
  const server = await startRsuServer({ certificate, privateKey });
  const closing: (() => Promise<void>)[] = [];
  return {
    publish(release) {
      if (release === undefined) server.withdraw(TARGET);
      else server.publish(TARGET, { version: release.version, data: release.file, signature: release.signature });
    },
    makeSource: ({ sizeMax, trusting = true }) =>
      new RsuSource({
        server: `rsu://localhost:${server.port}`,
        ca: trusting ? ca : otherCa,
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    cutAfter: (bytes, requests) => server.setFaults([{ name: "dieAfterBytes", bytes, requests }]),
    corruptByteAt: (offset) => server.setFaults([{ name: "corruptByteAt", offset }]),
    truncateTo: (length) => server.setFaults([{ name: "truncateTo", length }]),
    slow: (bytesPerSecond) => server.setFaults([{ name: "slow", bytesPerSecond }]),
    gone: () => server.setFaults([{ name: "gone" }]),
    healthy: () => server.setFaults([]),
    async strangeVersion() {
      const stranger = await startOldServer({
        firmware: new Uint8Array(1),
        onVersion: (stream) => stream.end(oldPdu(1, new Uint8Array(0), "7.3.0", "9.0.0")),
      });
      closing.push(() => stranger.close());
      return new RsuSource({ server: `rsu://localhost:${stranger.port}`, ca });
    },
    async close() {
      for (const each of closing) await each();
      await server.close();
    },
  };
}

export const rsuRig: UpdateSystem = {
  name: "rsu",
  resumes: true,
  offersByVersion: true,
  start,
  makeDriver: () => new RsuDriver(),
};
