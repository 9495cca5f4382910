import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { testTls } from "../../../support/https-client.ts";

const SOURCES = ["rsu_peer.c", "quic.c", "pdu.c"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const LIBRARIES = ["libngtcp2", "libngtcp2_crypto_gnutls", "gnutls"];
const PATIENCE_MS = 60_000;

/** Device and server of the original's kind on ngtcp2, compiled for this run. */
export class Ngtcp2Peer {
  readonly #folder = mkdtempSync(join(tmpdir(), "otabench-ngtcp2-"));
  readonly #running = new Set<ChildProcess>();

  constructor() {
    const flags = execFileSync("pkg-config", ["--cflags", "--libs", ...LIBRARIES], { encoding: "utf8" });
    execFileSync("gcc", ["-O1", "-o", this.#path("rsu_peer"), ...SOURCES, ...flags.trim().split(/\s+/)]);
    const { ca, certificate, privateKey } = testTls();
    writeFileSync(this.#path("ca.pem"), ca);
    writeFileSync(this.#path("server.pem"), certificate);
    writeFileSync(this.#path("server.key"), privateKey, { mode: 0o600 });
  }

  /** @returns what it said last, and the firmware that it wrote */
  async device(port: number, versions: readonly string[] = []): Promise<{ said: string; firmware: Buffer }> {
    const args = ["client", String(port), this.#path("ca.pem"), this.#path("out.bin"), ...versions];
    const { promise, resolve } = Promise.withResolvers<string>();
    execFile(this.#path("rsu_peer"), args, { timeout: PATIENCE_MS }, (_, stdout) => resolve(stdout.trim()));
    const said = await promise;
    return { said, firmware: readFileSync(this.#path("out.bin")) };
  }

  /** @returns where it listens, and the lines that it writes */
  async serve(firmware: Uint8Array): Promise<{ port: number; lines: readonly string[] }> {
    writeFileSync(this.#path("firmware.bin"), firmware);
    const args = ["server", ...["server.pem", "server.key", "firmware.bin"].map((name) => this.#path(name))];
    const server = spawn(this.#path("rsu_peer"), args, { stdio: ["ignore", "pipe", "ignore"] });
    this.#running.add(server);
    const lines: string[] = [];
    const reader = createInterface({ input: server.stdout });
    const [port] = (await once(reader, "line")) as [string];
    reader.on("line", (line) => lines.push(line));
    return { port: Number(port), lines };
  }

  async close(): Promise<void> {
    for (const each of this.#running) {
      each.kill();
      if (each.exitCode === null && each.signalCode === null) await once(each, "exit");
    }
    rmSync(this.#folder, { recursive: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
