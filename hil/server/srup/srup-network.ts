import { join } from "node:path";
import { z } from "zod";
import { type KeyWish, makeRsaKey } from "../../link/srup/device-identity.ts";
import { StateFile } from "../../record/state-file.ts";
import { type HttpsServer, startHttpsServer } from "../https/https-server.ts";
import type { ServerFault } from "../server-faults.ts";
import { type Broker, type BrokerOptions, startBroker } from "./broker.ts";
import { C2Server, digestOf, type Operator, type SrupServerEvent } from "./c2-server.ts";
import { type KeyService, startKeyService } from "./key-service.ts";
import { KeyServiceState } from "./key-service-state.ts";
import { serverIdentity } from "./server-identity.ts";

/** The keys are those of the command and control server. */
export interface SrupNetworkOptions extends KeyWish {
  readonly operator: Operator;
  /** Of the key service; 0, if not given: any free one. */
  readonly port?: number;
  /** That of the last time if `state` knows it, or else any free one. */
  readonly brokerPort?: number;
  readonly filePort?: number;
  /** Where to listen; 127.0.0.1 if not given. */
  readonly host?: string;
  /** The name that devices know this machine by; "localhost" if not given. */
  readonly name?: string;
  /** Of the key service, PEM; plain HTTP without. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Folder where everything is kept that a restart must not lose; memory if left out. */
  readonly state?: string;
  readonly faults?: readonly ServerFault[];
  readonly settleMs?: number;
  /** Another broker than our own. */
  readonly startBroker?: (options: BrokerOptions) => Promise<Broker>;
  readonly asksSimple?: boolean;
  readonly manual?: boolean;
  readonly onEvent?: (event: SrupServerEvent) => void;
  readonly onLine?: (line: string) => void;
}

interface Part {
  close(): Promise<unknown>;
}

/** Devices have been told of both, and come back there. */
const portsSchema = z.object({ broker: z.int().optional(), files: z.int().optional() }).catch({});

/** A key service, a broker, a file server and a command and control server of one network, on this machine. */
export class SrupNetwork {
  readonly keyService: KeyService;
  readonly broker: Broker;
  readonly server: C2Server;
  readonly #files: HttpsServer;
  readonly #fileBase: string;
  #path: string | undefined;
  #faults: readonly ServerFault[];

  private constructor(
    parts: { keyService: KeyService; broker: Broker; files: HttpsServer; server: C2Server },
    { name = "localhost", faults = [] }: SrupNetworkOptions,
  ) {
    this.keyService = parts.keyService;
    this.broker = parts.broker;
    this.server = parts.server;
    this.#files = parts.files;
    this.#fileBase = `http://${name}:${parts.files.port}`;
    this.#faults = faults;
  }

  /**
   * @throws {LinkError} "LINK_REFUSED" when a port can't be had @throws {FileError}
   * @throws {UsageError} "SRUP_SIGNATURES" when the server in `state` signs by something else
   */
  static async start(options: SrupNetworkOptions): Promise<SrupNetwork> {
    const opened: Part[] = [];
    try {
      return await SrupNetwork.#open(options, async (opening) => {
        const part = await opening;
        opened.push(part);
        return part;
      });
    } catch (error) {
      // what listens would keep the program from ending
      await Promise.all(opened.map((part) => part.close()));
      throw error;
    }
  }

  static async #open(
    options: SrupNetworkOptions,
    keep: <Opened extends Part>(opening: Promise<Opened>) => Promise<Opened>,
  ): Promise<SrupNetwork> {
    const { host = "127.0.0.1", name = "localhost", state: folder, makeKey = makeRsaKey, tls } = options;
    const file = (text: string): StateFile => new StateFile(folder === undefined ? undefined : join(folder, text));
    const state = new KeyServiceState(file("key-service.json"), makeKey);
    const own = serverIdentity(file("server.json"), options);
    const ports = file("ports.json");
    const before = portsSchema.parse(ports.read() ?? {});
    const brokerKey = makeKey();
    const names = name === "localhost" ? {} : { names: [name, "localhost"] };
    const listening = (options.startBroker ?? startBroker)({
      certificate: state.brokerCertificate(brokerKey, names),
      privateKey: brokerKey.export({ format: "pem", type: "pkcs8" }) as string,
      ca: state.authority,
      host,
      port: options.brokerPort ?? before.broker ?? 0,
    });
    const broker = await keep(listening);
    const address = `mqtt://${name}:${broker.port}`;
    const serving = startKeyService({
      state,
      broker: address,
      host,
      port: options.port ?? 0,
      ...(tls !== undefined && { tls }),
      ...(options.onLine !== undefined && { onEvent: options.onLine }),
    });
    const keyService = await keep(serving);
    if (state.peer(own.identity) === undefined) state.addPeer(own.identity, { key: own.keys.publicKey, type: "c2" });
    state.setDefaultServer(own.identity);
    const certificate = state.clientCertificate(own.identity, own.keys.accessKey);
    const access = { certificate, privateKey: own.keys.accessKey, ca: state.authority, broker: address };
    const files = await keep(startHttpsServer({ host, port: options.filePort ?? before.files ?? 0 }));
    ports.write({ broker: broker.port, files: files.port });
    const { promise, resolve } = Promise.withResolvers<void>();
    const server = new C2Server({
      identity: own.identity,
      privateKey: own.keys.privateKey,
      access,
      keys: state.lookUp,
      store: file("server-peer.json"),
      devices: file("server-devices.json"),
      operator: options.operator,
      settleMs: options.settleMs ?? 0,
      ...(options.asksSimple !== undefined && { asksSimple: options.asksSimple }),
      ...(options.manual !== undefined && { manual: options.manual }),
      ...(options.onEvent !== undefined && { onEvent: options.onEvent }),
      connected: resolve,
    });
    await promise;
    return new SrupNetwork({ keyService, broker, files, server }, options);
  }

  /** From now on devices are to have this; nothing, if undefined. */
  publish(file: Uint8Array | undefined, signature?: Uint8Array): void {
    if (this.#path !== undefined) {
      this.#files.withdraw(this.#path);
      this.#files.withdraw(`${this.#path}.sig`);
    }
    if (file === undefined) {
      this.#path = undefined;
      this.server.serve(undefined);
      return;
    }
    const digest = digestOf(file);
    this.#path = `/srup/${digest}.bin`;
    this.#files.publish(this.#path, file);
    if (signature !== undefined) this.#files.publish(`${this.#path}.sig`, signature);
    this.setFaults(this.#faults);
    this.server.serve({ url: `${this.#fileBase}${this.#path}`, digest });
  }

  /** Those of a file hold for what is published. "gone" takes the key service too. */
  setFaults(faults: readonly ServerFault[]): void {
    this.#faults = faults;
    const path = this.#path;
    this.#files.setFaults(
      faults.map((fault) => (path === undefined || fault.name === "gone" ? fault : { ...fault, path })),
    );
    this.keyService.setGone(faults.some(({ name }) => name === "gone"));
  }

  async close(): Promise<void> {
    await this.server.close();
    await Promise.all([this.keyService.close(), this.broker.close(), this.#files.close()]);
  }
}
