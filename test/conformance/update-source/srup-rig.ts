import { createPrivateKey } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { SrupSignatures } from "../../../gateway/source/srup/key-text.ts";
import { SrupSource } from "../../../gateway/source/srup/srup-source.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { SrupDriver } from "../../../hil/link/srup/srup-driver.ts";
import { startBroker as startOwnBroker } from "../../../hil/server/srup/broker.ts";
import { SrupNetwork } from "../../../hil/server/srup/srup-network.ts";
import { pemOf } from "../../gateway/source/srup/vectors.ts";
import { testTls } from "../../support/https-client.ts";
import type { UpdateServerRig, UpdateSystem } from "./update-system.ts";

const otherCa = makeTls("another authority").ca;
const key = createPrivateKey(pemOf("keys/device.pem"));
const makeKey = (): typeof key => key;
/** Sources of one test case that share a driver are made in a row. */
let inARow = 0;
function nextDevice(): string {
  queueMicrotask(() => {
    inARow = 0;
  });
  return `vehicle ${inARow++}`;
}

async function start(startBroker: typeof startOwnBroker, signatures: SrupSignatures): Promise<UpdateServerRig> {
  const { certificate, privateKey, ca } = testTls();
  const network = await SrupNetwork.start({
    tls: { certificate, privateKey },
    makeKey,
    startBroker,
    signatures,
    operator: { compare: async () => "accept" },
  });
  const server = `https://localhost:${network.keyService.port}`;
  const closing: (() => void)[] = [];
  const limits = { waitMs: 400, patienceMs: 10_000 };
  return {
    publish: (release) => network.publish(release?.file, release?.signature),
    makeSource: ({ sizeMax, trusting = true }) =>
      new SrupSource({
        server,
        device: nextDevice(),
        ca: trusting ? ca : otherCa,
        signatures,
        ...limits,
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    cutAfter: (bytes, requests) => network.setFaults([{ name: "dieAfterBytes", bytes, requests }]),
    corruptByteAt: (offset) => network.setFaults([{ name: "corruptByteAt", offset }]),
    truncateTo: (length) => network.setFaults([{ name: "truncateTo", length }]),
    slow: (bytesPerSecond) => network.setFaults([{ name: "slow", bytesPerSecond }]),
    gone: () => network.setFaults([{ name: "gone" }]),
    healthy: () => network.setFaults([]),
    async strangeVersion() {
      const stranger = createServer((_, response) => response.end("SRUP 7.3"));
      const { promise, resolve } = Promise.withResolvers<void>();
      stranger.listen(0, "127.0.0.1", resolve);
      await promise;
      closing.push(() => stranger.close());
      const { port } = stranger.address() as AddressInfo;
      return new SrupSource({ server: `http://localhost:${port}`, device: nextDevice(), ca, ...limits });
    },
    async close() {
      for (const each of closing) each();
      await network.close();
    },
  };
}

/** @param startBroker another one than our own @param signatures of all parties */
export const makeSrupRig = (startBroker = startOwnBroker, signatures: SrupSignatures = "rsa"): UpdateSystem => ({
  name: signatures === "rsa" ? "srup" : `srup by ${signatures}`,
  // only within the session that has fetched the beginning: the digest is over all of it
  resumes: false,
  offersByVersion: false,
  start: () => start(startBroker, signatures),
  makeDriver: () => new SrupDriver({ makeKey }),
});

export const srupRig = makeSrupRig();
