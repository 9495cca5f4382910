import { createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCli } from "../../hil/cli/cli.ts";
import type { DeviceParts } from "../../hil/cli/device-command.ts";
import { runDevice } from "../../hil/cli/device-command.ts";
import { deviceCommand } from "../../hil/cli/device-words.ts";
import { type KeySet, makeKeys } from "../../hil/crypto/keys.ts";
import { signRelease } from "../../hil/release/build-release.ts";
import { type HttpsServer, type HttpsServerOptions, startHttpsServer } from "../../hil/server/https/https-server.ts";
import { type KeptIo, keptIo } from "../hil/cli/io.ts";
import { CHEAP, HandClock, makeFolder } from "./device-folder.ts";

export const PATH = "/firmware_v2.bin";
export const PASSWORD = "correct horse";
/** Of the keys that the server has and the device trusts. */
const SEED = "1";

let made: KeySet | undefined;
const rigKeys = (): KeySet => {
  made ??= makeKeys(SEED);
  return made;
};

type ServerEvent = Parameters<NonNullable<HttpsServerOptions["onEvent"]>>[0];

/** A device in a folder, by its command line, and a server of ours that it was set up for. */
export class DeviceRig {
  readonly server: HttpsServer;
  readonly events: readonly ServerEvent[];
  readonly clock = new HandClock();
  readonly folder = makeFolder();
  readonly state = join(this.folder, "state");
  readonly target = join(this.folder, "target.bin");
  readonly #passwordFile = join(this.folder, "password");
  /** By files: keys of a seed take long to make. */
  readonly #trust = ["--ca", join(this.folder, "ca.pem"), "--signer", join(this.folder, "signer.pem")];

  private constructor(server: HttpsServer, events: readonly ServerEvent[]) {
    this.server = server;
    this.events = events;
    writeFileSync(this.#passwordFile, `${PASSWORD}\n`);
    const { tls, package: signer } = rigKeys();
    writeFileSync(this.#trust[1] as string, tls.ca);
    const key = createPublicKey({ key: Buffer.from(signer.publicKey), format: "der", type: "spki" });
    writeFileSync(this.#trust[3] as string, key.export({ format: "pem", type: "spki" }));
  }

  static async start(options: Partial<HttpsServerOptions> = {}): Promise<DeviceRig> {
    const { certificate, privateKey } = rigKeys().tls;
    const events: ServerEvent[] = [];
    const server = await startHttpsServer({
      certificate,
      privateKey,
      onEvent: (told) => events.push(told),
      ...options,
    });
    return new DeviceRig(server, events);
  }

  /** @param keys whose package key signs it; nobody's if null */
  publish(file: Uint8Array, keys: KeySet | null = rigKeys()): void {
    this.server.publish(PATH, file);
    if (keys === null) this.server.withdraw(`${PATH}.sig`);
    else this.server.publish(`${PATH}.sig`, signRelease(file, keys.package).signature);
  }

  /** Sets the device up. @param more further options, instead of the target file too @param port of whom it asks */
  async init(more: readonly string[] = ["--target", this.target], port = this.server.port): Promise<void> {
    const server = `https://localhost:${port}`;
    const { code, err } = await this.run(["init", "--server", server, ...this.#trust, "--id", "rig", ...more], "admin");
    if (code !== 0) throw new Error(err);
  }

  /** One command line of `otabench device`, by an account whose password is that of all here. */
  async run(words: readonly string[], user = "admin", parts: Partial<DeviceParts> = {}) {
    const who = ["--state", this.state, "--user", user, "--password-file", this.#passwordFile];
    const io = keptIo();
    const code = await this.runBare([...words, ...who], io, parts);
    return { code, out: io.out(), err: io.err() };
  }

  /** The same without a word on who it is. */
  runBare(words: readonly string[], io: KeptIo, parts: Partial<DeviceParts> = {}): Promise<number> {
    const all: DeviceParts = {
      calendar: { now: this.clock.now, until: async () => {} },
      scryptCost: CHEAP,
      terminal: () => nobody,
      ...parts,
    };
    const command = deviceCommand((args, inner) => runDevice(args, inner, all));
    return runCli({ version: "0", commands: [command] }, ["device", ...words], io);
  }

  /** Of one step, as JSON. */
  async step(action: string, user?: string): Promise<Record<string, unknown>> {
    return JSON.parse((await this.run([action, "--json"], user)).out) as Record<string, unknown>;
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

const nobody = { write: () => {}, line: async () => undefined, secret: async () => undefined, close: () => {} };
