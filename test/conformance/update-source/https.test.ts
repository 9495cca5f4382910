import { HttpsSource } from "../../../gateway/source/https/https-source.ts";
import { makeKeys, makeTls } from "../../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { signWith } from "../../../hil/crypto/signing-key.ts";
import { HttpDriver } from "../../../hil/link/http-driver.ts";
import { startHttpsServer } from "../../../hil/server/https/https-server.ts";
import { testTls } from "../../support/https-client.ts";
import { testUpdateSystem } from "./suite.ts";
import type { UpdateServerRig } from "./update-system.ts";

const PATH = "/firmware_v2.bin";
const owner = makeKeys("owner").package;
const stranger = makeKeys("stranger").package;
const otherCa = makeTls("another authority").ca;

async function start(): Promise<UpdateServerRig> {
  const { certificate, privateKey, ca } = testTls();
  const server = await startHttpsServer({ certificate, privateKey });
  return {
    publish(release) {
      if (release === undefined) {
        server.withdraw(PATH);
        server.withdraw(`${PATH}.sig`);
      } else {
        server.publish(PATH, release.file);
        server.publish(`${PATH}.sig`, signWith(release.signed ? owner : stranger, release.file));
      }
    },
    makeSource: ({ sizeMax, trusting = true }) =>
      new HttpsSource({
        baseUrl: server.url,
        ca: trusting ? ca : otherCa,
        ...(sizeMax !== undefined && { sizeMax }),
      }),
    cutAfter: (bytes, requests) => server.setFaults([{ name: "dieAfterBytes", bytes, requests, path: PATH }]),
    corruptByteAt: (offset) => server.setFaults([{ name: "corruptByteAt", offset, path: PATH }]),
    truncateTo: (length) => server.setFaults([{ name: "truncateTo", length, path: PATH }]),
    slow: (bytesPerSecond) => server.setFaults([{ name: "slow", bytesPerSecond }]),
    gone: () => server.setFaults([{ name: "gone" }]),
    healthy: () => server.setFaults([]),
    close: () => server.close(),
  };
}

testUpdateSystem({
  name: "https",
  resumes: true,
  start,
  makeDriver: () => new HttpDriver(),
  verify: (file, signature) =>
    signature !== undefined && nodeCrypto.verify(signature.algorithm, owner.publicKey, file, signature.signature),
});
