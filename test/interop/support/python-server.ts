import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { testTls } from "../../support/https-client.ts";
import { PYTHON3 } from "../../support/programs.ts";

const SERVER = fileURLToPath(new URL("plain_https_server.py", import.meta.url));

/** Python's http.server with TLS 1.2 over a folder. */
export interface PythonServer {
  readonly url: string;
  /** What lies here is served. */
  readonly folder: string;
  close(): Promise<void>;
}

export async function startPythonServer(): Promise<PythonServer> {
  const own = mkdtempSync(join(tmpdir(), "otabench-https-"));
  const { certificate, privateKey } = testTls();
  writeFileSync(join(own, "server.pem"), certificate);
  writeFileSync(join(own, "server.key"), privateKey, { mode: 0o600 });
  const folder = mkdtempSync(join(own, "published-"));
  const keyFiles = [join(own, "server.pem"), join(own, "server.key")];
  const process = spawn(PYTHON3, [SERVER, folder, ...keyFiles, "0"], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(createInterface({ input: process.stdout }), "line")) as [string];
  return {
    url: `https://127.0.0.1:${line}`,
    folder,
    async close() {
      process.kill();
      if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
      rmSync(own, { recursive: true });
    },
  };
}
