import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { fetchFile } from "../../hil/cli/ssu-files.ts";
import { ssuIdentity, ssuTrust } from "../../hil/crypto/ssu-credentials.ts";
import { SsuClient } from "../../hil/link/ssu/ssu-client.ts";
import { FolderStore } from "../../hil/server/ssu/file-store.ts";
import { type SsuServer, type SsuServerEvent, startSsuServer } from "../../hil/server/ssu/ssu-server.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge } from "../support/judges.ts";
import { CHECK_PAGE, PEER, python, startPythonSsuServer } from "./support/ssu-python.ts";

const tls = testTls();
const bytes = (length: number): Uint8Array => new Prng("ssu-python").bytes(length);

const KINDS = [
  { kind: "plaintext", plain: true },
  { kind: "secure", plain: false },
];

describeWithJudge("python3-cryptography", "a peer in Python, written from the page", () => {
  let folder = "";
  let server: SsuServer | undefined;
  let process: ChildProcess | undefined;
  const events: SsuServerEvent[] = [];
  const file = bytes(400_000);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otabench-ssu-python-"));
    events.length = 0;
    writeFileSync(join(folder, "fw.bin"), file);
    writeFileSync(join(folder, "ca.pem"), tls.ca);
    writeFileSync(join(folder, "server.pem"), tls.certificate);
    writeFileSync(join(folder, "server.key"), tls.privateKey, { mode: 0o600 });
  });
  afterEach(() => {
    server?.close();
    server = undefined;
    process?.kill();
    process = undefined;
    rmSync(folder, { recursive: true });
  });

  async function serve(accepts: "plain" | "secure" | "either"): Promise<string> {
    server = await startSsuServer({
      store: new FolderStore(folder),
      accepts,
      identity: ssuIdentity(tls.certificate, tls.privateKey),
      onEvent: (event) => events.push(event),
    });
    return String(server.port);
  }

  async function served(...options: readonly string[]): Promise<number> {
    const files = ["server.pem", "server.key", "fw.bin"].map((name) => join(folder, name));
    const started = await startPythonSsuServer(files, ...options);
    process = started.process;
    return started.port;
  }

  const believes = (): string[] => ["--ca", join(folder, "ca.pem")];

  it("finds every example of the page right", async () => {
    const { text, status } = await python(CHECK_PAGE, "docs/protocols/ssu.md", "fixtures/vectors/ssu/ca.pem");
    expect({ text, status }).toEqual({ text: "37 values are right\n", status: 0 });
  });

  it.each(KINDS)("fetches over a $kind stream on a lossy way, and goes on where it was cut off", async ({ plain }) => {
    const port = await serve("either");
    const out = join(folder, "out");
    const how = [...(plain ? ["--plain"] : believes()), "--loss", "3"];
    const fetched = await python(PEER, "get", "127.0.0.1", port, "fw.bin", out, ...how);
    expect(fetched).toMatchObject({ status: 0 });
    expect(readFileSync(out).equals(file)).toBe(true);
    writeFileSync(out, file.subarray(0, 123_456));
    await python(PEER, "get", "127.0.0.1", port, "fw.bin", out, ...how);
    expect(readFileSync(out).equals(file)).toBe(true);
    const got = events.flatMap((event) =>
      event.type === "app" && event.event.type === "got" ? [event.event.from] : [],
    );
    expect(got).toEqual([0, 123_456]);
  });

  it.each(KINDS)("sends over a $kind stream on a lossy way", async ({ plain }) => {
    const port = await serve("either");
    const how = [...(plain ? ["--plain"] : believes()), "--loss", "3"];
    const { text } = await python(PEER, "put", "127.0.0.1", port, join(folder, "fw.bin"), ...how);
    expect(text).toMatch(/^received_fw\.bin\n/);
    expect(readFileSync(join(folder, "received_fw.bin")).equals(file)).toBe(true);
  });

  it.each(KINDS)("serves over a $kind stream on a lossy way", async ({ plain }) => {
    writeFileSync(join(folder, "fw.bin"), file.subarray(0, 150_000));
    const port = await served(...(plain ? ["--plain"] : []), "--loss", "2");
    const out = join(folder, "out");
    const trust = ssuTrust({ ca: tls.ca });
    const at = { host: "127.0.0.1", port, trust, serverName: "localhost" };
    const client = await SsuClient.connect({ ...at, security: plain ? 0 : 1 });
    expect(client.facts.secure).toBe(!plain);
    expect((await client.list()).map(({ name, size }) => [name, size])).toEqual([["fw.bin", 150_000]]);
    await fetchFile(client, "fw.bin", out);
    await client.close();
    expect(readFileSync(out).equals(file.subarray(0, 150_000))).toBe(true);
  });

  it("is refused without security by a server that requires it, and refuses to go without it itself", async () => {
    const port = await serve("secure");
    const refused = await python(PEER, "list", "127.0.0.1", port, "--plain");
    expect(refused).toEqual({ status: 1, text: "REFUSED: reason 71\n" });
    const trust = ssuTrust({ ca: tls.ca });
    const at = {
      host: "127.0.0.1",
      port: await served("--plain"),
      trust,
      serverName: "localhost",
      security: 1,
    } as const;
    await expect(SsuClient.connect(at)).rejects.toMatchObject({ code: "SSU_REFUSED" });
  });

  it("tells a server whose certificate is for another name by its alert", async () => {
    const port = await serve("secure");
    const { text } = await python(PEER, "list", "127.0.0.1", port, ...believes(), "--name", "other.example");
    expect(text).toBe("ALERT_SENT: 112 the certificate is not for other.example\n");
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "failed",
        failure: expect.objectContaining({ code: "SSU_ALERT_RECEIVED", alert: 112 }),
      }),
    );
  });
});
