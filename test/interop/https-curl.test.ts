import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { makeTls } from "../../hil/crypto/keys.ts";
import { type HttpsServer, startHttpsServer } from "../../hil/server/https/https-server.ts";
import { testTls } from "../support/https-client.ts";
import { describeWithJudge } from "../support/judges.ts";

const run = promisify(execFile);

describeWithJudge("curl", "curl before our HTTPS server", () => {
  const file = new Prng("curl").bytes(300_000);
  let folder: string;
  let server: HttpsServer;
  let old: HttpsServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "otabench-curl-"));
    writeFileSync(join(folder, "ca.pem"), testTls().ca);
    writeFileSync(join(folder, "other.pem"), makeTls("another authority").ca);
    const { certificate, privateKey } = testTls();
    const files = { "/firmware_v2.bin": file };
    server = await startHttpsServer({ certificate, privateKey, files });
    old = await startHttpsServer({ certificate, privateKey, files, tlsMin: "1.2" });
  });
  afterAll(async () => {
    await server.close();
    await old.close();
    rmSync(folder, { recursive: true });
  });

  /** @returns what -w writes: status, bytes, TLS version */
  async function curl(...args: string[]): Promise<string> {
    const into = join(folder, "got");
    const format = "%{http_code} %{size_download}";
    const all = [
      "-q",
      "-s",
      "-S",
      "--noproxy",
      "*",
      "--cacert",
      join(folder, "ca.pem"),
      "-o",
      into,
      "-w",
      format,
      ...args,
    ];
    const { stdout } = await run("curl", all, { timeout: 30_000 });
    return stdout;
  }
  const got = () => new Uint8Array(readFileSync(join(folder, "got")));
  const path = "/firmware_v2.bin";

  it("gets the file", async () => {
    expect(await curl(server.url + path)).toBe("200 300000");
    expect(got()).toEqual(file);
  });

  it.each([
    ["0-499", 0, 500],
    ["299999-", 299_999, 300_000],
    ["-1000", 299_000, 300_000],
    ["100-999999", 100, 300_000],
  ])("gets the range %s", async (range, start, end) => {
    expect(await curl("-r", range, server.url + path)).toBe(`206 ${end - start}`);
    expect(got()).toEqual(file.subarray(start, end));
  });

  it("resumes a file that it has the beginning of", async () => {
    writeFileSync(join(folder, "got"), file.subarray(0, 123_456));
    expect(await curl("-C", "-", server.url + path)).toBe(`206 ${300_000 - 123_456}`);
    expect(got()).toEqual(file);
  });

  it("has it once it has it, by the entity tag", async () => {
    const tag = `"${createHash("sha256").update(file).digest("hex")}"`;
    expect(await curl("-H", `If-None-Match: ${tag}`, server.url + path)).toBe("304 0");
    expect(await curl("-r", "0-9", "-H", `If-Range: ${tag}`, server.url + path)).toBe("206 10");
    expect(await curl("-r", "0-9", "-H", 'If-Range: "x"', server.url + path)).toBe("200 300000");
  });

  it("is told by a curl error that it was cut off", async () => {
    server.setFaults([{ name: "dieAfterBytes", bytes: 1000 }]);
    await expect(curl(server.url + path)).rejects.toSatisfy(
      ({ code }: { code: number }) => [18, 56].includes(code), // CURLE_PARTIAL_FILE or, of newer ones, CURLE_RECV_ERROR
    );
    server.setFaults([]);
  });

  it("gets TLS 1.2 only where it is allowed, and that with one suite", async () => {
    const tls12 = ["--tls-max", "1.2"];
    await expect(curl(...tls12, server.url + path)).rejects.toMatchObject({ code: 35 });
    expect(await curl(...tls12, old.url + path)).toBe("200 300000");
    expect(await curl(...tls12, "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384", old.url + path)).toBe("200 300000");
    await expect(curl(...tls12, "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256", old.url + path)).rejects.toMatchObject({
      code: 35,
    });
  });

  it("does not trust the server with another CA", async () => {
    await expect(curl("--cacert", join(folder, "other.pem"), server.url + path)).rejects.toMatchObject({ code: 60 });
  });

  it("gets nothing by tricks with the path", async () => {
    for (const trick of ["/../firmware_v2.bin", "/%2e%2e/etc/passwd", "/./firmware_v2.bin", "/"]) {
      expect(await curl("--path-as-is", server.url + trick)).toBe("404 0");
    }
  });
});
