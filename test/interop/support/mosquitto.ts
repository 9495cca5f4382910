import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker, BrokerOptions } from "../../../hil/server/srup/broker.ts";

const PATIENCE_MS = 10_000;

/** Debian's mosquitto, with TLS and client certificates, in the place of our own broker. */
export async function startMosquitto({ certificate, privateKey, ca }: BrokerOptions): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), "otabench-mosquitto-"));
  const port = await freePort();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const config = write(
    "mosquitto.conf",
    [
      `listener ${port} 127.0.0.1`,
      `cafile ${write("ca.pem", ca)}`,
      `certfile ${write("server.pem", certificate)}`,
      `keyfile ${write("server.key", privateKey)}`,
      "require_certificate true",
      "use_identity_as_username true",
      "allow_anonymous false",
      "persistence false",
      "user root",
      "",
    ].join("\n"),
  );
  const process = spawn("mosquitto", ["-c", config], {
    stdio: "ignore",
    env: { PATH: `${globalThis.process.env.PATH}:/usr/sbin` },
  });
  const exited = once(process, "exit");
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await listens(port))) {
    if (process.exitCode !== null || Date.now() > deadline) throw new Error("mosquitto does not come up");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    async close() {
      process.kill();
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1", () => {
    socket.destroy();
    resolve(true);
  });
  socket.on("error", () => resolve(false));
  return promise;
}
