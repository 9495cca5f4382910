import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { makeTls } from "../../../hil/crypto/keys.ts";
import { describeWithJudge } from "../../support/judges.ts";

const TLS = makeTls("certificates");

/** One handshake on loopback; the protocol and the cipher, or why the client refused. */
async function handshake(client: ConnectionOptions, host = "localhost"): Promise<string> {
  const server = createServer({ key: TLS.privateKey, cert: TLS.certificate });
  server.on("tlsClientError", () => {});
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise<string>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, servername: host, ...client }, () => {
        resolve(`${socket.getProtocol()} ${socket.getCipher().standardName}`);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

describe("the TLS server of a key set", () => {
  it("speaks TLS 1.3", async () => {
    expect(await handshake({ ca: TLS.ca, minVersion: "TLSv1.3" })).toMatch(/^TLSv1\.3 TLS_/);
  });

  it("speaks TLS 1.2 with ECDHE-RSA-AES256-GCM-SHA384", async () => {
    const options = { ca: TLS.ca, maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES256-GCM-SHA384" } as const;
    expect(await handshake(options)).toBe("TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
  });

  it("is not trusted by a client that has another CA of the same name, or none", async () => {
    await expect(handshake({ ca: makeTls("another").ca })).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO_|CERT_SIGNATURE_FAILURE/),
    });
    await expect(handshake({})).rejects.toMatchObject({ code: expect.stringMatching(/UNABLE_TO_|SELF_SIGNED/) });
  });

  it("is for localhost, 127.0.0.1 and ::1, and for no other host", () => {
    const certificate = new X509Certificate(TLS.certificate);
    expect(certificate.checkHost("localhost")).toBe("localhost");
    expect(certificate.checkHost("example.org")).toBeUndefined();
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.checkIP("::1")).toBe("::1");
    expect(certificate.checkIP("127.0.0.2")).toBeUndefined();
    expect(certificate.ca).toBe(false);
  });

  it("is valid now and for years to come", () => {
    const { validFromDate, validToDate } = new X509Certificate(TLS.certificate);
    expect(validFromDate.getTime()).toBeLessThan(Date.now());
    expect(validToDate.getTime()).toBeGreaterThan(Date.now() + 5 * 365 * 86_400_000);
  });
});

describeWithJudge("openssl", "OpenSSL's strict check", () => {
  it("accepts the server below its CA and refuses it below another", () => {
    const folder = mkdtempSync(join(tmpdir(), "otabench-certificates-"));
    try {
      writeFileSync(join(folder, "server.pem"), TLS.certificate);
      writeFileSync(join(folder, "ca.pem"), TLS.ca);
      writeFileSync(join(folder, "other.pem"), makeTls("another").ca);
      const check = (ca: string): string =>
        execFileSync(
          "openssl",
          [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "localhost",
            "-CAfile",
            ca,
            "server.pem",
          ],
          { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
        );
      expect(check("ca.pem")).toBe("server.pem: OK\n");
      expect(() => check("other.pem")).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
