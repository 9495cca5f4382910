import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian's own Python, which has the modules that Debian's packages bring; `python3` on the path may be another one. */
export const PYTHON3 = "/usr/bin/python3";

interface OptionalProgram {
  /** What suites call it. */
  readonly name: string;
  /** The Debian package, or packages, that bring it. */
  readonly debianPackage: string;
  /** A module to be imported by {@link PYTHON3}; otherwise `name` is looked up on the path. */
  readonly pythonModule?: string;
  /** A library to be compiled against, as pkg-config knows it. */
  readonly library?: string;
}

/** Every program that a suite may use and that is not brought by `npm ci`. */
export const OPTIONAL_PROGRAMS: readonly OptionalProgram[] = [
  { name: "tshark", debianPackage: "tshark" },
  { name: "curl", debianPackage: "curl" },
  { name: "openssl", debianPackage: "openssl" },
  { name: "srec_cat", debianPackage: "srecord" },
  { name: "mosquitto", debianPackage: "mosquitto" },
  { name: "python3", debianPackage: "python3", pythonModule: "ssl" },
  { name: "python3-can", debianPackage: "python3-can", pythonModule: "can" },
  { name: "python3-serial", debianPackage: "python3-serial", pythonModule: "serial" },
  { name: "python3-scapy", debianPackage: "python3-scapy", pythonModule: "scapy" },
  { name: "python3-cryptography", debianPackage: "python3-cryptography", pythonModule: "cryptography" },
  { name: "python3-intelhex", debianPackage: "python3-intelhex", pythonModule: "intelhex" },
  {
    name: "ngtcp2",
    debianPackage: "gcc libc6-dev pkg-config libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev",
    library: "libngtcp2_crypto_gnutls",
  },
];

const found = new Map<string, boolean>();

/**
 * Whether a program or a Python module of {@link OPTIONAL_PROGRAMS} is on this machine. Each is looked for once.
 * @throws {Error} for a name that is not in the table
 */
export function hasProgram(name: string): boolean {
  const known = found.get(name);
  if (known !== undefined) return known;
  const program = OPTIONAL_PROGRAMS.find((candidate) => candidate.name === name);
  if (program === undefined) throw new Error(`${name} is not in test/support/programs.ts`);
  const there = isThere(program);
  found.set(name, there);
  return there;
}

/** "srec_cat is missing (apt-get install srecord)" */
export function missingText(name: string): string {
  const program = OPTIONAL_PROGRAMS.find((candidate) => candidate.name === name);
  return `${name} is missing (apt-get install ${program?.debianPackage ?? name})`;
}

function isThere({ name, pythonModule, library }: OptionalProgram): boolean {
  if (pythonModule !== undefined) return canImport(pythonModule);
  if (library !== undefined) return isOnPath("gcc") && isOnPath("pkg-config") && canLink(library);
  return isOnPath(name);
}

function isOnPath(name: string): boolean {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function canLink(library: string): boolean {
  try {
    execFileSync("pkg-config", ["--exists", library], { stdio: "ignore", timeout: 30_000 });
    return true;
  } catch {
    return false;
  }
}

function canImport(module: string): boolean {
  try {
    execFileSync(PYTHON3, ["-c", `import ${module}`], { stdio: "ignore", timeout: 30_000 });
    return true;
  } catch {
    return false;
  }
}
