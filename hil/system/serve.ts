import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { packVersion } from "../../emulator/wire/version.ts";
import { readKeys } from "../crypto/key-files.ts";
import { type KeySet, makeKeys } from "../crypto/keys.ts";
import { identityTexts, type NamedText } from "../crypto/named-certificate.ts";
import { isPrivateKey } from "../crypto/private-key.ts";
import { makeFolder } from "../record/claim.ts";
import { FileError } from "../record/record-error.ts";
import { signRelease } from "../release/build-release.ts";
import { deviceSettings } from "./settings.ts";
import { updateSystem } from "./systems.ts";
import type { Publication, UpdateSystem } from "./update-system.ts";

/** What `otabench server` was told. */
interface ServeOptions {
  readonly system: string;
  /** `path` or `name=path`. */
  readonly files: readonly string[];
  /** x.y.z of what is served. */
  readonly version: string;
  /** Sign the files with the package key, instead of taking the signatures that lie beside them. */
  readonly sign: boolean;
  /** Paths of PEM files; those of the keys, if left out. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly keysDir?: string | undefined;
  readonly seed?: string | undefined;
  /** Loopback if left out. */
  readonly host?: string | undefined;
  /** That of the system, if left out; 0 for any free one. */
  readonly port?: number | undefined;
  readonly tls12: boolean;
  /** Path of a PEM file: devices must, or may, show a certificate that leads to this one. */
  readonly deviceCa?: string | undefined;
  readonly deviceAuth?: string | undefined;
  /** Folder where the server keeps which devices it has; memory if left out. */
  readonly state?: string | undefined;
  /** srup: what the server signs its messages with; what it has in `state`, or RSA, if left out. */
  readonly signatures?: string | undefined;
  /** How long, seconds; until `stop` if left out. */
  readonly seconds?: number | undefined;
  readonly stop: AbortSignal;
  readonly onOpen: (open: ServerOpen) => void;
  readonly onEvent: (line: string) => void;
}

/** Where a server is, and what it has. */
export interface ServerOpen {
  readonly system: string;
  readonly host: string;
  readonly port: number;
  readonly files: readonly { readonly name: string; readonly size: number; readonly signed: boolean }[];
}

/** Serves until it is stopped. @throws {BenchError} */
export type Serve = (options: ServeOptions) => Promise<void>;

const DEFAULT_SEED = "1";

const named = (path: string): NamedText => ({ path, text: readBytes(path).toString("utf8") });

export const serve: Serve = async (options) => {
  const { tls12, signatures } = options;
  const system = updateSystem(deviceSettings(options.system, { tls12, signatures }));
  if (packVersion(options.version) === undefined) throw new UsageError(`"${options.version}" is no version x.y.z`);
  const keys = options.keysDir === undefined ? makeKeys(options.seed ?? DEFAULT_SEED) : readKeys(options.keysDir);
  const publications = options.files.map((file) => publicationOf(file, options, keys));
  const names = publications.map(({ name = askedOf(system) }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`two files can't both be "${twice}"`);
  const { certificate, key, host, seconds, stop } = options;
  if ((certificate === undefined) !== (key === undefined)) throw new UsageError("--cert and --key go together");
  const identity =
    certificate === undefined || key === undefined
      ? { certificate: keys.tls.certificate, privateKey: keys.tls.privateKey }
      : identityTexts(named(certificate), named(key));
  const server = await system.startServer({
    ...identity,
    ...(host !== undefined && { host }),
    ...deviceAuthOf(options),
    ...stateOf(options),
    port: options.port ?? Number(new URL(system.server).port || 443),
    onEvent: options.onEvent,
  });
  try {
    for (const publication of publications) server.publish(publication);
    const files = publications.map(({ name = askedOf(system), file, signature }) => ({
      name,
      size: file.length,
      signed: signature !== undefined,
    }));
    options.onOpen({ system: system.name, host: host ?? "localhost", port: server.port, files });
    const enough = seconds === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(seconds * 1000)]);
    const alive = setInterval(() => {}, 1 << 30);
    if (!enough.aborted) await once(enough, "abort").finally(() => clearInterval(alive));
    clearInterval(alive);
  } finally {
    await server.close();
  }
};

/** What devices ask for that are told nothing else. */
function askedOf({ name, peer, server }: UpdateSystem): string {
  const asked = peer.slice(server.length);
  return name === "https" ? asked : asked.slice(1) || "firmware";
}

function deviceAuthOf({ system, deviceCa, deviceAuth = "require" }: ServeOptions) {
  if (deviceCa === undefined) return {};
  if (system !== "rsu") throw new UsageError(`${system} does not ask devices who they are`);
  if (deviceAuth !== "request" && deviceAuth !== "require")
    throw new UsageError(`"${deviceAuth}" is neither request nor require`);
  return { deviceCa: readBytes(deviceCa).toString("utf8"), deviceAuth } as const;
}

function stateOf({ system, state }: ServeOptions): { readonly state?: string } {
  if (state === undefined) return {};
  if (system !== "srup") throw new UsageError(`the server of ${system} has no state to keep`);
  makeFolder(state);
  return { state };
}

function publicationOf(text: string, { version, sign }: ServeOptions, keys: KeySet): Publication {
  const equals = text.indexOf("=");
  const path = text.slice(equals + 1);
  const file = new Uint8Array(readBytes(path));
  if (isPrivateKey(file)) throw new UsageError(`${path} holds a private key, which is nothing to serve`);
  const beside = existsSync(`${path}.sig`) ? new Uint8Array(readBytes(`${path}.sig`)) : undefined;
  const signature = sign ? signRelease(file, keys.package).signature : beside;
  return {
    file,
    version,
    builtAt: statSync(path).mtime,
    ...(signature !== undefined && { signature }),
    ...(equals >= 0 && { name: text.slice(0, equals) }),
  };
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
