import { createHash } from "node:crypto";
import { SrupServer } from "../../../gateway/source/srup/server.ts";
import type { SrupServerInput, SrupServerOutput } from "../../../gateway/source/srup/server-io.ts";
import { SrupStatus, srupStatusText } from "../../../gateway/source/srup/status.ts";
import { decodeText } from "../../../gateway/source/srup/values.ts";
import { nodeSrupCrypto } from "../../crypto/srup-crypto.ts";
import { systemRandom } from "../../link/srup/device-identity.ts";
import type { BrokerAccess } from "../../link/srup/mqtt-link.ts";
import type { PeerKeys, ToldOutput } from "../../link/srup/party-link.ts";
import { PeerRunner } from "../../link/srup/peer-runner.ts";
import type { StateFile } from "../../record/state-file.ts";

/** Who decides about joins that somebody has to decide about. */
export interface Operator {
  /** Whether the device shows that value; "refuse" asks it to try again. */
  compare(device: string, value: string): Promise<"accept" | "refuse" | "fail">;
}

export interface C2ServerOptions {
  readonly identity: string;
  /** PEM. */
  readonly privateKey: string;
  readonly access: BrokerAccess;
  readonly keys: PeerKeys;
  /** What the role remembers, and which device has which file. */
  readonly store: StateFile;
  readonly devices: StateFile;
  readonly operator: Operator;
  /** Simple joins are asked about too. */
  readonly asksSimple?: boolean;
  /** Time between a device's join and what is sent to it then, milliseconds: it may have something to say first. */
  readonly settleMs: number;
  /** Updates wait until {@link C2Server.push} initiates them. */
  readonly manual?: boolean;
  /** Everything that happens. */
  readonly onEvent?: (event: SrupServerEvent) => void;
  readonly connected?: () => void;
  readonly lost?: (reason: string) => void;
}

export type SrupServerEvent = ToldOutput<SrupServerOutput>;

/** A file that devices are to have. */
export interface ServedFile {
  readonly url: string;
  /** SHA-256, lower-case hexadecimal. */
  readonly digest: string;
}

export const digestOf = (file: Uint8Array): string => createHash("sha256").update(file).digest("hex");

/** A home server's request that a device, named by its identity, be given what is served. */
export const UPDATE_REQUEST = 1;

/** What the observer's verdict means for the join. */
const VERDICTS = { valid: "accept", invalid: "fail", fail: "refuse" } as const;

/**
 * A command and control server: lets devices join, asks whoever has to be asked, has them fetch the file that is served,
 * and tells those that have it to install it.
 */
export class C2Server {
  readonly #options: C2ServerOptions;
  readonly #machine: SrupServer;
  readonly #runner: PeerRunner<SrupServerInput, SrupServerOutput>;
  readonly #observers = new Map<string, string>();
  /** Devices that have said once more that an update is ready which they were told to install: its token. */
  readonly #readyAgain = new Map<string, Uint8Array>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #file: ServedFile | undefined;
  /** The digest of what each device was told to install last. */
  #done: Readonly<Record<string, string>>;

  constructor(options: C2ServerOptions) {
    const { identity, privateKey, asksSimple = false } = options;
    this.#options = options;
    this.#done = (options.devices.read() as Record<string, string> | undefined) ?? {};
    this.#machine = new SrupServer(
      {
        identity,
        privateKey,
        identification: "otabench server",
        joins: { simple: asksSimple ? "ask" : "decide", human: "ask", observed: "ask" },
      },
      { crypto: nodeSrupCrypto(), random: systemRandom },
    );
    this.#runner = new PeerRunner<SrupServerInput, SrupServerOutput>({
      identity,
      machine: this.#machine,
      access: options.access,
      keys: options.keys,
      store: options.store,
      said: (output) => this.#said(output),
      ...(options.connected !== undefined && { connected: options.connected }),
      ...(options.lost !== undefined && { lost: options.lost }),
    });
  }

  /** Devices in the order in which they joined. */
  get joined(): readonly string[] {
    return this.#machine.save().joined;
  }

  /** From now on devices are to have this; nothing, if undefined. Those that have joined are told at once. */
  serve(file: ServedFile | undefined): void {
    this.#file = file;
    if (this.#options.manual === true) return;
    for (const device of this.joined) this.#offer(device);
  }

  /** Whether there is a file for devices. */
  get serves(): boolean {
    return this.#file !== undefined;
  }

  /** Has a device fetch what is served, whatever it has. */
  initiate(devices: readonly string[]): void {
    const file = this.#file;
    if (file === undefined) return;
    this.push({ type: "initiate", devices, url: file.url, digest: file.digest });
  }

  /** @throws {UsageError} for a device that is no identity, or a number that its field can't hold */
  push(input: SrupServerInput): void {
    this.#runner.push(input);
  }

  /** @param atOnce like a crash */
  async close(atOnce = false): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#runner.close(atOnce);
  }

  #said(event: SrupServerEvent): void {
    this.#options.onEvent?.(event);
    if (event.type === "joinRequested") this.#joinRequested(event);
    else if (event.type === "joinValue") this.#compare(event.device, event.value);
    else if (event.type === "joinEnded" && event.outcome === "accept") this.#joined(event.device);
    else if (event.type === "updateReady") this.#ready(event.device, event.token, event.isOurs);
    else if (event.type === "updateFailed") this.#undone(event.device);
    else if (event.type === "response" && event.status === SrupStatus.ActivateFail) this.#undone(event.peer);
    else if (event.type === "lookUpType") this.#lookUpType(event.peer);
    else if (event.type === "observation") this.#observed(event.device, event.verdict);
    else if (event.type === "syndicationRequested") this.#syndicate(event.device);
    else if (event.type === "syndicatedC2Request" && event.reqId === UPDATE_REQUEST)
      this.#updateFor(Buffer.from(event.data).toString("latin1"));
  }

  /** A home server may name our devices and nobody else. */
  #updateFor(device: string): void {
    if (this.joined.includes(device)) this.initiate([device]);
  }

  #lookUpType(peer: string): void {
    void this.#options.keys.type(peer).then((text) => {
      if (text !== undefined) this.push({ type: "peerType", peer, text });
    });
  }

  #joinRequested({ device, kind, observer }: SrupServerEvent & { type: "joinRequested" }): void {
    this.#observers.delete(device);
    if (observer !== undefined && !this.#mayObserve(observer, device)) {
      this.push({ type: "endJoin", device, outcome: "fail" });
      return;
    }
    if (observer !== undefined) this.#observers.set(device, observer);
    if (kind === "simple") this.#decide(device, "");
    else this.push({ type: "sendJoinValue", device });
  }

  /** A device that we know, and another one than the one it confirms. */
  #mayObserve(observer: string, device: string): boolean {
    return observer !== device && this.joined.includes(observer);
  }

  #observed(device: string | undefined, verdict: keyof typeof VERDICTS): void {
    if (device !== undefined) this.push({ type: "endJoin", device, outcome: VERDICTS[verdict] });
  }

  #joined(device: string): void {
    this.#later(() => this.#resume(device));
    if (this.#syndicates()) this.#tellHome();
  }

  /** Not ours any more: it was activated, and the device, which asks to join next, has not heard of that. */
  #ready(device: string, token: Uint8Array, isOurs: boolean): void {
    if (isOurs) this.#activate(device, token);
    else if (this.#isDone(device)) this.#readyAgain.set(device, token);
  }

  /**
   * A word to activate that was lost on its way is said again, once, and only to a device that asks for it: the original
   * installs as often as it is told to.
   */
  #resume(device: string): void {
    const token = this.#readyAgain.get(device);
    this.#readyAgain.delete(device);
    if (token !== undefined && this.#isDone(device)) this.push({ type: "activate", device, token });
    else this.#offer(device);
  }

  /** It was told to install what is served now. */
  #isDone(device: string): boolean {
    return this.#file !== undefined && this.#done[device] === this.#file.digest;
  }

  /** The first one that has joined; whoever asks while there is one waits for an input that says so. */
  #syndicate(device: string): void {
    if (this.#machine.save().syndication.device !== undefined || !this.joined.includes(device)) return;
    this.push({ type: "syndicationDevice", device });
    this.#tellHome();
  }

  /** There is a home server that may want to know of our devices. */
  #syndicates(): boolean {
    const { device, isHome } = this.#machine.save().syndication;
    return device !== undefined && !isHome;
  }

  #tellHome(): void {
    const { device } = this.#machine.save().syndication;
    this.push({ type: "syndicateDevices", devices: this.joined.filter((each) => each !== device) });
  }

  #compare(device: string, value: string): void {
    const observer = this.#observers.get(device);
    this.#observers.delete(device);
    if (observer === undefined) this.#decide(device, value);
    else this.push({ type: "askObserver", observer, device, value });
  }

  #decide(device: string, value: string): void {
    void this.#options.operator
      .compare(device, value)
      .then((outcome) => this.push({ type: "endJoin", device, outcome }));
  }

  #offer(device: string): void {
    if (this.#options.manual === true || this.#file === undefined) return;
    if (!this.#isDone(device)) this.initiate([device]);
  }

  #activate(device: string, token: Uint8Array): void {
    // before it is noted: after a crash between the two it is offered again, and otherwise never would be
    this.push({ type: "activate", device, token });
    if (this.#file === undefined) return;
    this.#done = { ...this.#done, [device]: this.#file.digest };
    this.#options.devices.write(this.#done);
  }

  /** It did not come to an end there: the device is offered it again when it joins again. */
  #undone(device: string): void {
    const { [device]: before, ...others } = this.#done;
    if (before === undefined) return;
    this.#done = others;
    this.#options.devices.write(this.#done);
  }

  #later(act: () => void): void {
    const { settleMs } = this.#options;
    if (settleMs === 0) {
      act();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, settleMs);
    this.#timers.add(timer);
  }
}

/** One line of what happened, without anything that differs from run to run but tokens. */
export function eventText(event: { readonly type: string }): string {
  const { type, ...rest } = event;
  const shown = Object.entries(rest).map(([name, value]) => `${name}=${valueText(name, value)}`);
  return [type, ...shown].join(" ");
}

function valueText(name: string, value: unknown): string {
  if (name === "status" && typeof value === "number") return srupStatusText(value as SrupStatus);
  if (!(value instanceof Uint8Array)) return String(value).slice(0, 200);
  return (decodeText(value) ?? Buffer.from(value).toString("latin1")).slice(0, 100);
}
