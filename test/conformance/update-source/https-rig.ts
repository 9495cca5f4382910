import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:tls";
import { HttpsSource } from "../../../gateway/source/https/https-source.ts";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { HttpDriver } from "../../../hil/link/http-driver.ts";
import { startHttpsServer } from "../../../hil/server/https/https-server.ts";
import { testTls } from "../../support/https-client.ts";
import type { UpdateServerRig, UpdateSystem } from "./update-system.ts";

const PATH = "/firmware_v2.bin";
const otherCa = makeTls("another authority").ca;

/** Answers whatever is asked in a version of HTTP that there is not. */
async function startStranger(): Promise<{ url: string; close: () => void }> {
  const { certificate, privateKey } = testTls();
  const sockets = new Set<Socket>();
  const server = createServer({ cert: certificate, key: privateKey, minVersion: "TLSv1.3" }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n"));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function start(): Promise<UpdateServerRig> {
  const { certificate, privateKey, ca } = testTls();
  const server = await startHttpsServer({ certificate, privateKey });
  const closing: (() => void)[] = [];
  return {
    publish(release) {
      if (release === undefined) {
        server.withdraw(PATH);
        server.withdraw(`${PATH}.sig`);
      } else {
        server.publish(PATH, release.file);
        server.publish(`${PATH}.sig`, release.signature);
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
    async strangeVersion() {
      const stranger = await startStranger();
      closing.push(stranger.close);
      return new HttpsSource({ baseUrl: stranger.url, ca });
    },
    async close() {
      for (const each of closing) each();
      await server.close();
    },
  };
}

export const httpsRig: UpdateSystem = {
  name: "https",
  resumes: true,
  offersByVersion: false,
  start,
  makeDriver: () => new HttpDriver(),
};
