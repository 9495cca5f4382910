import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small certification authority over OpenSSL, so that nothing of ours judges what it made itself. */
export class OpensslAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), "otabench-ssu-ca-"));
  #serial = 100;

  constructor(name = "test CA") {
    this.#openssl("genpkey", "-algorithm", "ed25519", "-out", "ca.key");
    const usage = "keyUsage=critical,keyCertSign,cRLSign";
    this.#openssl(
      "req",
      "-x509",
      "-key",
      "ca.key",
      "-days",
      "30",
      "-subj",
      `/CN=${name}`,
      "-addext",
      usage,
      "-out",
      "ca.pem",
    );
    writeFileSync(join(this.folder, "index.txt"), "");
    writeFileSync(join(this.folder, "crlnumber"), "01\n");
    const config =
      "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=default\ncertificate=ca.pem\nprivate_key=ca.key\n";
    writeFileSync(join(this.folder, "ca.cnf"), config);
  }

  get ca(): string {
    return this.read("ca.pem");
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  /** @param algorithm as OpenSSL calls it, with parameters behind it @param extensions lines of an extension section */
  issue(
    name: string,
    { algorithm = ["ed25519"], days = 30, extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1" } = {},
    by = "ca",
  ): { certificate: string; privateKey: string } {
    const parameters = algorithm.slice(1).flatMap((parameter) => ["-pkeyopt", parameter]);
    this.#openssl("genpkey", "-algorithm", algorithm[0] as string, ...parameters, "-out", `${name}.key`);
    this.#openssl("req", "-new", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-out", `${name}.csr`);
    writeFileSync(join(this.folder, `${name}.cnf`), extensions);
    const signer = ["-CA", `${by}.pem`, "-CAkey", `${by}.key`, "-set_serial", String(this.#serial++)];
    const rest = ["-days", String(days), "-extfile", `${name}.cnf`, "-out", `${name}.pem`];
    this.#openssl("x509", "-req", "-in", `${name}.csr`, ...signer, ...rest);
    return { certificate: this.read(`${name}.pem`), privateKey: this.read(`${name}.key`) };
  }

  /** A revocation list with these certificates on it, PEM. */
  revoke(...names: readonly string[]): Uint8Array {
    for (const name of names) this.#openssl("ca", "-config", "ca.cnf", "-revoke", `${name}.pem`);
    this.#openssl("ca", "-config", "ca.cnf", "-gencrl", "-crldays", "7", "-out", "crl.pem");
    return new Uint8Array(readFileSync(join(this.folder, "crl.pem")));
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "ignore" });
  }
}
