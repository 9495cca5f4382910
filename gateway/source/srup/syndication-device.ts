import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { SrupDevice } from "./device.ts";
import type { SrupDeviceConfig, SrupDeviceInput, SrupDeviceOutput, SrupDeviceState } from "./device-io.ts";
import type { SrupIdentity, SrupTools } from "./party.ts";

/** How long the away connection stays after the home server has ended syndication. */
const PARTING = s(5);

/** Who the device is in the foreign network, as its key service has registered it. */
export interface AwayIdentity extends SrupIdentity {
  /** The server of the foreign network, and its key. */
  readonly server: string;
  readonly serverKey: string;
  /** What the foreign server is shown; undefined when the one in SYNDICATION_INIT could not be read. */
  readonly value: string | undefined;
}

export type SyndicationSide = "home" | "away";

export type SyndicationDeviceInput =
  /** Of one of the two connections; a `connected` away side asks to join by itself. */
  | { readonly type: "side"; readonly side: SyndicationSide; readonly input: SrupDeviceInput }
  /** Answers `register`. */
  | { readonly type: "registered"; readonly as: AwayIdentity };

export type SyndicationDeviceOutput =
  | { readonly type: "side"; readonly side: SyndicationSide; readonly output: SideOutput }
  /** Make an identity and a key pair, and register with the key service at that URL as type "RSYND". */
  | { readonly type: "register"; readonly url: string; readonly value: string | undefined }
  /** Connect to the foreign network's broker under that identity. */
  | { readonly type: "connectAway"; readonly identity: string }
  | { readonly type: "disconnectAway" };

/** What is not dealt with in here. */
export type SideOutput = Exclude<SrupDeviceOutput, { type: "relay" | "syndicationInit" }>;

/** Plain data: all that a syndication device remembers. */
export interface SyndicationDeviceState {
  readonly home: SrupDeviceState;
  readonly away: { readonly as: AwayIdentity; readonly device: SrupDeviceState } | undefined;
  readonly parting: Instant | undefined;
}

interface Away {
  readonly as: AwayIdentity;
  readonly device: SrupDevice;
}

/**
 * A device with two identities that relays between its home server and a foreign one. (docs/protocols/srup.md, Syndication)
 *
 * Messages are passed on only when they are signed by the server of their side; token and body stay, the rest is new.
 */
export class SyndicationDevice
  implements Machine<SyndicationDeviceInput, SyndicationDeviceOutput>, Stateful<SyndicationDeviceState>
{
  readonly #config: SrupDeviceConfig;
  readonly #tools: SrupTools;
  readonly #home: SrupDevice;
  readonly #outputs: SyndicationDeviceOutput[] = [];
  #away: Away | undefined;
  #parting: Instant | undefined;

  /** @throws {SrupIdentityError} */
  constructor(config: SrupDeviceConfig, tools: SrupTools) {
    this.#config = config;
    this.#tools = tools;
    this.#home = new SrupDevice({ ...config, syndication: "home" }, tools);
  }

  handle(input: SyndicationDeviceInput, now: Instant): void {
    if (input.type === "registered") {
      this.#away = this.#awayAs(input.as);
      this.#parting = undefined;
      this.#outputs.push({ type: "connectAway", identity: input.as.identity });
      return;
    }
    const device = input.side === "home" ? this.#home : this.#away?.device;
    device?.handle(input.input, now);
    if (input.side === "away" && input.input.type === "connected") device?.handle({ type: "join", kind: "human" }, now);
    this.#drain(now);
  }

  handleDeadline(now: Instant): void {
    this.#home.handleDeadline(now);
    this.#away?.device.handleDeadline(now);
    this.#drain(now);
    if (this.#parting !== undefined && now >= this.#parting) this.#part();
  }

  poll(): SyndicationDeviceOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    return earliest(this.#home.nextDeadline(), this.#away?.device.nextDeadline(), this.#parting);
  }

  save(): SyndicationDeviceState {
    const away = this.#away && { as: this.#away.as, device: this.#away.device.save() };
    return { home: this.#home.save(), away, parting: this.#parting };
  }

  load({ home, away, parting }: SyndicationDeviceState): void {
    this.#home.load(home);
    this.#away = away && this.#awayAs(away.as);
    if (away !== undefined) this.#away?.device.load(away.device);
    this.#parting = parting;
    this.#outputs.length = 0;
  }

  #awayAs(as: AwayIdentity): Away {
    const { identification, patience = {} } = this.#config;
    const { identity, privateKey, server, serverKey } = as;
    const config = { identity, privateKey, identification, server, patience, keys: { [server]: serverKey } };
    return { as, device: new SrupDevice({ ...config, syndication: "away" }, this.#tools) };
  }

  /** Each pass moves what one side said to the other one, which says nothing to be relayed in turn. */
  #drain(now: Instant): void {
    for (const side of ["home", "away", "home"] as const) {
      const device = side === "home" ? this.#home : this.#away?.device;
      for (let output = device?.poll(); output !== undefined; output = device?.poll()) this.#said(side, output, now);
    }
  }

  #said(side: SyndicationSide, output: SrupDeviceOutput, now: Instant): void {
    if (output.type === "relay") {
      this.#relay(side, output.message, now);
      return;
    }
    if (output.type === "syndicationInit") {
      this.#outputs.push({ type: "register", url: output.url, value: output.value });
      return;
    }
    this.#outputs.push({ type: "side", side, output });
    const value = this.#away?.as.value;
    if (side === "away" && output.type === "joined" && value !== undefined) {
      this.#away?.device.handle({ type: "syndicate", value }, now);
    }
  }

  #relay(from: SyndicationSide, message: (SrupDeviceInput & { type: "relay" })["message"], now: Instant): void {
    const to = from === "home" ? this.#away?.device : this.#home;
    if (to === undefined) {
      const refused = { type: "refused", reason: "syndicationInactive" } as const;
      this.#outputs.push({ type: "side", side: from, output: refused });
      return;
    }
    to.handle({ type: "relay", message }, now);
    if (message.type === "SYNDICATED_END_REQUEST") this.#parting = plus(now, PARTING);
    if (message.type === "SYNDICATED_TERMINATE") {
      this.#drain(now);
      this.#part();
    }
  }

  #part(): void {
    this.#away = undefined;
    this.#parting = undefined;
    this.#outputs.push({ type: "disconnectAway" });
  }
}
