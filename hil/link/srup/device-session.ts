import type { KeyObject } from "node:crypto";
import { InvariantError } from "../../../emulator/kernel/errors.ts";
import type { SrupRequest } from "../../../gateway/source/host-request.ts";
import { SrupDevice } from "../../../gateway/source/srup/device.ts";
import type {
  DownloadFailure,
  SrupDeviceConfig,
  SrupDeviceInput,
  SrupDeviceOutput,
  SrupDeviceState,
} from "../../../gateway/source/srup/device-io.ts";
import { SrupStatus } from "../../../gateway/source/srup/status.ts";
import { nodeSrupCrypto } from "../../crypto/srup-crypto.ts";
import { type DeviceFiles, deviceFiles, registeredDevice, systemRandom } from "./device-identity.ts";
import { KeyClient } from "./key-client.ts";
import type { ToldOutput } from "./party-link.ts";
import { PeerRunner } from "./peer-runner.ts";

/** What of a session others may want to see or bring. */
export interface SessionTools {
  /** RSA. */
  readonly makeKey?: () => KeyObject;
  /** What the device shows, for the person or the observer who compares. */
  readonly onJoinValue?: (device: string, value: string) => void;
  /** What the device sees when it is asked to look at another one; without this it says that it could not. */
  readonly onObserve?: (device: string, value: string | undefined) => Promise<"valid" | "invalid" | "fail">;
  /** Everything that the device is told, or does. */
  readonly onEvent?: (event: ToldOutput<SrupDeviceOutput>) => void;
  /** Servers that may take the device from its own one by command; none if left out. */
  readonly takeover?: SrupDeviceConfig["takeover"];
  /** The downloads whose files an earlier process has left; none if left out. */
  readonly fetched?: () => readonly number[];
  /** Who confirms observed joins, where the request does not say. */
  readonly observer?: () => string | undefined;
}

/** A file that the server wants the device to have. */
export interface PendingFile {
  readonly download: number;
  readonly url: string;
}

export type JoinEnd = "joined" | "refused" | "failed" | "timeout" | "key" | "unreachable";

/**
 * A request to join that is not answered is sent again after this time, then after twice as long, and so on: what the
 * server sent while we were away used up numbers that we don't know of, and it refuses them from us. Milliseconds.
 */
const JOIN_AGAIN_MS = 2_000;

type DeviceRunner = PeerRunner<SrupDeviceInput, SrupDeviceOutput>;

/** A device under a server: registered once, on the broker, joined; updates come when they come. */
export class DeviceSession {
  readonly #request: SrupRequest;
  readonly #tools: SessionTools;
  readonly #files: DeviceFiles;
  readonly #keys: KeyClient;
  #machine: SrupDevice | undefined;
  #runner: DeviceRunner | undefined;
  #identity = "";
  #join: JoinEnd | undefined;
  /** The server has taken our last request to join, or it has ended. */
  #isAnswered = false;
  /** How often we were told to join; only the last time counts. */
  #joins = 0;
  #isClosed = false;
  #pending: PendingFile | undefined;
  #activated: Uint8Array | undefined;
  /** What of the pending file has come, piece by piece. */
  readonly held: Uint8Array[] = [];
  readonly #waiting = new Set<() => void>();

  /** @throws {FileError} */
  constructor(request: SrupRequest, tools: SessionTools) {
    this.#request = request;
    this.#tools = tools;
    this.#files = deviceFiles(request.state);
    this.#keys = new KeyClient(request.url, request.ca);
  }

  get identity(): string {
    return this.#identity;
  }

  get url(): string {
    return this.#request.url;
  }

  /** Registers, connects and joins, as far as that is not done yet. @throws {LinkError} when it can't register */
  async joined(): Promise<JoinEnd> {
    if (this.#join === "joined") return "joined";
    if (this.#runner === undefined) await this.#start();
    const { join: kind, observer = this.#tools.observer?.() ?? "" } = this.#request;
    return this.join(kind === "observed" ? { type: "join", kind, observer } : { type: "join", kind });
  }

  /** Asks until there is an answer. After {@link begin}. @throws {UsageError} for an observer that is no identity */
  async join(input: SrupDeviceInput & { type: "join" }): Promise<JoinEnd> {
    const turn = ++this.#joins;
    const isOver = (): boolean => this.#isAnswered || turn !== this.#joins || this.#isClosed;
    this.#join = undefined;
    this.#isAnswered = false;
    const deadline = performance.now() + this.#request.patienceMs;
    for (let pauseMs = JOIN_AGAIN_MS; !isOver() && performance.now() < deadline; pauseMs *= 2) {
      this.push(input);
      await this.#until(isOver, Math.min(pauseMs, deadline - performance.now()));
    }
    await this.#until(
      () => this.#join !== undefined || turn !== this.#joins || this.#isClosed,
      deadline - performance.now(),
    );
    return this.#join ?? "timeout";
  }

  /** Registers and connects, as far as that is not done yet. @throws {LinkError} when it can't register */
  async begin(): Promise<void> {
    if (this.#runner === undefined) await this.#start();
  }

  /** After {@link begin}. @throws {UsageError} what the role throws */
  push(input: SrupDeviceInput): void {
    this.#runner?.push(input);
  }

  /** The update that the server wants next. @returns undefined when none comes in that time */
  async update(waitMs: number): Promise<PendingFile | undefined> {
    await this.#until(() => this.#pending !== undefined, waitMs);
    return this.#pending;
  }

  /** The SHA-256 that the server's message names for the pending file, lower-case hexadecimal. */
  digestOf({ download }: Pick<PendingFile, "download">): string {
    const { downloads } = this.#state().updates;
    return downloads.find((each) => each.download === download)?.digest ?? "";
  }

  /** Tells the server. @returns whether it is the right file */
  downloaded(file: PendingFile, digest: string): boolean {
    const right = digest === this.digestOf(file);
    this.#ended();
    this.#activated = undefined;
    this.#runner?.push({ type: "downloaded", download: file.download, digest });
    return right;
  }

  /** Tells the server. */
  failed({ download }: PendingFile, failure: DownloadFailure): void {
    this.#ended();
    this.#runner?.push({ type: "downloadFailed", download, failure });
  }

  /** Until the server says that what was fetched may be installed. @returns whether it has */
  async activated(): Promise<boolean> {
    await this.#until(() => this.#activated !== undefined, this.#request.patienceMs);
    return this.#activated !== undefined;
  }

  /** Tells the server how the installation went, for what it activated last. */
  report(isInstalled: boolean): void {
    const { server } = this.#state();
    const token = this.#activated;
    this.#activated = undefined;
    if (server === undefined || token === undefined) return;
    const status = isInstalled ? SrupStatus.ActivateSuccess : SrupStatus.ActivateFail;
    this.#runner?.push({ type: "sendResponse", peer: server, status, token });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const wake of this.#waiting) wake();
    await this.#runner?.close();
  }

  #state(): SrupDeviceState {
    if (this.#machine === undefined) throw new InvariantError("the session has not begun");
    return this.#machine.save();
  }

  async #start(): Promise<DeviceRunner> {
    const { identification, waitMs, patienceMs, signatures } = this.#request;
    const { makeKey } = this.#tools;
    const as = await registeredDevice(this.#files.identity, this.#keys, "default", { makeKey, signatures });
    const { identity, keys, registration } = as;
    this.#identity = identity;
    const { server, serverKey, access } = registration;
    this.#machine = new SrupDevice(
      {
        identity,
        privateKey: keys.privateKey,
        identification,
        server,
        keys: { [server]: serverKey },
        takeover: this.#tools.takeover ?? [],
      },
      { crypto: nodeSrupCrypto(), random: systemRandom },
    );
    const isNew = this.#files.peer.read() === undefined;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const timer = setTimeout(() => resolve("no answer"), Math.min(patienceMs, Math.max(waitMs, 10_000)));
    const runner = new PeerRunner<SrupDeviceInput, SrupDeviceOutput>({
      identity,
      access,
      machine: this.#machine,
      keys: this.#keys,
      store: this.#files.peer,
      said: (output) => this.#said(output),
      connected: () => resolve(undefined),
    });
    this.#runner = runner;
    await promise.finally(() => clearTimeout(timer));
    if (!isNew) runner.push({ type: "restarted", fetched: this.#tools.fetched?.() ?? [] });
    return runner;
  }

  #said(output: ToldOutput<SrupDeviceOutput>): void {
    if (output.type === "joined" || output.type === "notJoined" || output.type === "joinValue") this.#isAnswered = true;
    if (output.type === "joined") this.#join = "joined";
    else if (output.type === "notJoined") this.#join = output.outcome;
    else if (output.type === "joinValue") this.#tools.onJoinValue?.(this.#identity, output.value);
    else if (output.type === "download") this.#pending = { download: output.download, url: output.url };
    else if (output.type === "abandon") this.#ended();
    else if (output.type === "activate") this.#activated = output.token;
    else if (output.type === "observe") this.#observe(output.device, output.value);
    else if (output.type === "server" && output.server === undefined) this.#join = undefined;
    this.#tools.onEvent?.(output);
    for (const wake of this.#waiting) wake();
  }

  #observe(device: string, value: string | undefined): void {
    const look = this.#tools.onObserve ?? (async () => "fail" as const);
    void look(device, value).then((verdict) => this.#runner?.push({ type: "observed", device, verdict }));
  }

  #ended(): void {
    this.#pending = undefined;
    this.held.length = 0;
  }

  /** Until it is so, or for so long. */
  async #until(isSo: () => boolean, forMs: number): Promise<void> {
    const deadline = performance.now() + forMs;
    while (!isSo()) {
      const left = deadline - performance.now();
      if (left <= 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#waiting.add(resolve);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }
}
