import { expect } from "vitest";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { SrupDevice } from "../../../../gateway/source/srup/device.ts";
import type { SrupDeviceInput, SrupDeviceOutput } from "../../../../gateway/source/srup/device-io.ts";
import type { SrupIdentity, SrupPartyState, SrupTools } from "../../../../gateway/source/srup/party.ts";
import { SrupServer } from "../../../../gateway/source/srup/server.ts";
import type { SrupServerInput, SrupServerOutput } from "../../../../gateway/source/srup/server-io.ts";
import { SyndicationDevice } from "../../../../gateway/source/srup/syndication-device.ts";
import { encodeText } from "../../../../gateway/source/srup/values.ts";
import { nodeSrupCrypto } from "../../../../hil/crypto/srup-crypto.ts";
import { bytesOf, hexOf, pemOf, type SrupVector } from "./vectors.ts";

const crypto = nodeSrupCrypto();

/** Fresh tokens are ...001, ...002 in order of use, as the vectors have them; everything else is zeros. */
function pinnedRandom(): SrupTools["random"] {
  let count = 0;
  return {
    bytes(length) {
      const bytes = new Uint8Array(length);
      if (length === 16) bytes[15] = ++count;
      return bytes;
    },
    save: () => count,
    load: (state) => {
      count = Number(state);
    },
  };
}

interface Published {
  readonly topic: string;
  readonly hex?: string;
  readonly randomised?: boolean;
  readonly decoded: Readonly<Record<string, unknown>>;
}

interface StepOut {
  readonly published?: readonly Published[];
  readonly published_on_syndication_client?: readonly Published[];
  readonly subscribed?: readonly { topic: string }[];
  readonly callbacks?: readonly (readonly unknown[])[];
  readonly http_get?: readonly string[];
  readonly sequence?: Readonly<Record<string, string>>;
  readonly server_id_after?: string | null;
  readonly controlled?: readonly string[];
  readonly pending_joins?: Readonly<Record<string, string>>;
  readonly syndication_client_other?: readonly string[];
  readonly exception?: string;
}

export interface Step {
  readonly in?: { readonly topic: string; readonly hex: string };
  readonly call?: string;
  readonly args?: readonly unknown[];
  readonly out: StepOut;
  readonly outcome: string;
}

export interface ScenarioFields {
  readonly role: "device" | "server" | "syndication_device";
  readonly self_id: string;
  readonly server_id?: string;
  readonly keystore: Readonly<Record<string, string>>;
  readonly initial_sequence: Readonly<Record<string, string>>;
  readonly key_service?: Readonly<Record<string, string>>;
  readonly http?: Readonly<Record<string, { status?: number; body_hex?: string; error?: string }>>;
  readonly controlled?: readonly string[];
  readonly handlers?: readonly string[];
  readonly syndication?: { active: boolean; device_id: string | null; server_id?: string; private_key?: string };
  readonly steps: readonly Step[];
}

/** What one step did, in the words of the vectors. */
export interface Done {
  published: { topic: string; payload: Uint8Array }[];
  publishedAway: { topic: string; payload: Uint8Array }[];
  subscribed: string[];
  http: string[];
  told: (SrupDeviceOutput | SrupServerOutput)[];
  refused: string[];
  disconnected: boolean;
}

const KEY_OF: Readonly<Record<string, string>> = {
  b9d077e223834cf6: "server",
  "1a2b3c4d5e6f7081": "device",
  "7f3c9a1e55d20b68": "observer",
};

export const fieldsOf = (vector: SrupVector): ScenarioFields => vector.fields as unknown as ScenarioFields;

/** One party of a scenario, whatever its role, between a scripted broker and a scripted key service. */
export abstract class Player {
  readonly fields: ScenarioFields;
  done: Done = Player.nothing();

  constructor(fields: ScenarioFields) {
    this.fields = fields;
  }

  static nothing(): Done {
    return { published: [], publishedAway: [], subscribed: [], http: [], told: [], refused: [], disconnected: false };
  }

  abstract deliver(topic: string, payload: Uint8Array): void;
  abstract call(name: string, args: readonly unknown[]): void;
  abstract sequences(): Readonly<Record<string, string>>;
  abstract server(): string | undefined;
  joined(): readonly string[] {
    return [];
  }
  pendingJoins(): Readonly<Record<string, string>> {
    return {};
  }

  play(step: Step): Done {
    this.done = Player.nothing();
    if (step.in !== undefined) this.deliver(step.in.topic, bytesOf(step.in.hex));
    else this.call(step.call as string, step.args ?? []);
    return this.done;
  }

  protected identity(): SrupIdentity {
    const identity = this.fields.self_id;
    return { identity, privateKey: pemOf(`keys/${KEY_OF[identity] as string}.pem`) };
  }

  protected keys(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.fields.keystore).map(([peer, path]) => [peer, pemOf(path)]));
  }

  protected startState(): Pick<SrupPartyState, "keys" | "sequences" | "random"> {
    const sequences = Object.entries(this.fields.initial_sequence).map(([peer, text]) => [peer, text.slice(2)]);
    return { keys: this.keys(), sequences: Object.fromEntries(sequences), random: 0 };
  }

  protected lookUp(what: "get_key" | "get_type", peer: string): string | undefined {
    this.done.http.push(`http://keyex/KeyEx/register/${what}/${peer}`);
    const path = this.fields.key_service?.[peer];
    return path === undefined ? undefined : pemOf(path);
  }

  /** @returns whether it was one of the broker's or the bench's, and is dealt with */
  protected common(output: SrupDeviceOutput | SrupServerOutput): boolean {
    if (output.type === "publish") this.done.published.push(output);
    else if (output.type === "subscribe") this.done.subscribed.push(output.topic);
    else if (output.type === "refused") this.done.refused.push(output.reason);
    else return false;
    return true;
  }
}

export class DevicePlayer extends Player {
  readonly device: SrupDevice;

  constructor(fields: ScenarioFields, takeover: "anyone" | readonly string[] = []) {
    super(fields);
    const tools = { crypto, random: pinnedRandom() };
    const server = fields.server_id === undefined ? {} : { server: fields.server_id };
    this.device = new SrupDevice({ ...this.identity(), identification: "test-device 1.0", ...server, takeover }, tools);
    this.device.load({ ...this.device.save(), party: this.startState() });
  }

  push(input: SrupDeviceInput): void {
    this.device.handle(input, RUN_START);
    for (let output = this.device.poll(); output !== undefined; output = this.device.poll()) this.said(output);
  }

  said(output: SrupDeviceOutput): void {
    if (this.common(output)) return;
    if (output.type === "lookUpKey") {
      const key = this.lookUp("get_key", output.peer);
      this.push(key === undefined ? { type: "key", peer: output.peer } : { type: "key", peer: output.peer, key });
    } else if (output.type === "download") {
      this.download(output.download, output.url);
    } else {
      this.done.told.push(output);
    }
  }

  download(download: number, url: string): void {
    this.done.http.push(url);
    const answer = this.fields.http?.[url];
    if (answer === undefined || answer.error !== undefined) {
      this.push({ type: "downloadFailed", download, failure: "unreachable" });
    } else if ((answer.status ?? 0) >= 400) {
      this.push({ type: "downloadFailed", download, failure: "status" });
    } else {
      this.push({ type: "downloaded", download, digest: hexOf(crypto.sha256(bytesOf(answer.body_hex))) });
    }
  }

  deliver(topic: string, payload: Uint8Array): void {
    this.push({ type: "message", topic, payload });
  }

  call(name: string, args: readonly unknown[]): void {
    const [a, b, c] = args as [string, number, string];
    const inputs: Readonly<Record<string, () => SrupDeviceInput>> = {
      send_SRUP_simple_join: () => ({ type: "join", kind: "simple" }),
      send_SRUP_human_join: () => ({ type: "join", kind: "human" }),
      send_SRUP_observed_join: () => ({ type: "join", kind: "observed", observer: a }),
      observation_valid: () => ({ type: "observed", device: a, verdict: "valid" }),
      observation_invalid: () => ({ type: "observed", device: a, verdict: "invalid" }),
      observation_fail: () => ({ type: "observed", device: a, verdict: "fail" }),
      send_SRUP_Response: () => ({ type: "sendResponse", peer: a, status: b, token: encodeText(c) }),
      send_SRUP_Action: () => ({ type: "sendAction", peer: a, actionId: b }),
      send_SRUP_Resign_Request: () => ({ type: "resign" }),
      send_SRUP_Deregister_Request: () => ({ type: "deregister" }),
    };
    this.push((inputs[name] as () => SrupDeviceInput)());
  }

  sequences(): Readonly<Record<string, string>> {
    return this.device.save().party.sequences;
  }

  server(): string | undefined {
    return this.device.server;
  }
}

class ServerPlayer extends Player {
  readonly machine: SrupServer;

  constructor(fields: ScenarioFields) {
    super(fields);
    const tools = { crypto, random: pinnedRandom() };
    const asks = (handler: string): "ask" | "decide" => (fields.handlers?.includes(handler) ? "ask" : "decide");
    const joins = {
      simple: asks("on_join_request"),
      human: asks("on_human_join_request"),
      observed: asks("on_observed_join_request"),
    };
    this.machine = new SrupServer({ ...this.identity(), identification: "test-device 1.0", joins }, tools);
    const { active = false, device_id: device } = fields.syndication ?? {};
    const syndication = { active, device: device ?? undefined, isHome: false };
    const joined = fields.controlled ?? [];
    this.machine.load({ ...this.machine.save(), party: this.startState(), joined, syndication });
  }

  push(input: SrupServerInput): void {
    this.machine.handle(input, RUN_START);
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll()) {
      if (this.common(output)) continue;
      if (output.type === "lookUpKey") {
        const key = this.lookUp("get_key", output.peer);
        this.push(key === undefined ? { type: "key", peer: output.peer } : { type: "key", peer: output.peer, key });
      } else if (output.type === "lookUpType") {
        this.lookUp("get_type", output.peer);
        this.push({ type: "peerType", peer: output.peer, text: "default" });
      } else {
        this.done.told.push(output);
      }
    }
  }

  deliver(topic: string, payload: Uint8Array): void {
    this.push({ type: "message", topic, payload });
  }

  call(name: string, args: readonly unknown[]): void {
    const [a, b, c] = args as [string, string, string];
    const inputs: Readonly<Record<string, () => SrupServerInput>> = {
      accept_join: () => ({ type: "endJoin", device: a, outcome: "accept" }),
      refuse_join: () => ({ type: "endJoin", device: a, outcome: "refuse" }),
      send_observed_join_response: () => ({ type: "sendJoinValue", device: a }),
      send_observation_request: () => ({ type: "askObserver", observer: a, device: b, value: c }),
      send_SRUP_Initiate: () => ({ type: "initiate", devices: [a], url: b, digest: c }),
      send_SRUP_Activate: () => ({ type: "activate", device: a, token: encodeText(b) }),
      send_SRUP_Deregister_Command: () => ({ type: "release", device: a, how: "deregister" }),
      send_SRUP_Terminate: () => ({ type: "release", device: String(a).replace("0x", ""), how: "terminate" }),
      send_SRUP_Join_Command: () => ({ type: "commandJoin", device: a }),
      send_SRUP_Syndicated_Terminate_message: () => ({ type: "syndicatedTerminate" }),
      send_SRUP_Syndication_Init: () => ({ type: "syndicationInit", url: a, value: b, device: c }),
    };
    this.push((inputs[name] as () => SrupServerInput)());
  }

  sequences(): Readonly<Record<string, string>> {
    return this.machine.save().party.sequences;
  }

  server(): undefined {
    return undefined;
  }

  override joined(): readonly string[] {
    return this.machine.save().joined;
  }

  override pendingJoins(): Readonly<Record<string, string>> {
    const joins = Object.entries(this.machine.save().joins);
    return Object.fromEntries(joins.map(([device, { token }]) => [device, Buffer.from(token, "hex").toString()]));
  }
}

class SyndicationPlayer extends Player {
  readonly device: SyndicationDevice;

  constructor(fields: ScenarioFields) {
    super(fields);
    const tools = { crypto, random: pinnedRandom() };
    const { device_id: identity, server_id: server, private_key: key } = fields.syndication ?? {};
    const home = fields.server_id as string;
    const config = { ...this.identity(), identification: "", server: home, keys: this.keys() };
    this.device = new SyndicationDevice(config, tools);
    const away = { identity: identity as string, privateKey: pemOf(key as string), server: server as string };
    const serverKey = this.keys()[server as string] as string;
    this.device.handle({ type: "registered", as: { ...away, serverKey, value: undefined } }, RUN_START);
    this.drain();
  }

  drain(): void {
    for (let output = this.device.poll(); output !== undefined; output = this.device.poll()) {
      if (output.type === "disconnectAway") this.done.disconnected = true;
      if (output.type !== "side") continue;
      if (output.side === "away" && output.output.type === "publish") this.done.publishedAway.push(output.output);
      else if (!this.common(output.output)) this.done.told.push(output.output);
    }
  }

  deliver(topic: string, payload: Uint8Array): void {
    const side = topic === `SRUP/${this.fields.self_id}` ? "home" : "away";
    this.device.handle({ type: "side", side, input: { type: "message", topic, payload } }, RUN_START);
    this.drain();
    if (this.device.save().parting !== undefined) this.done.disconnected = true;
  }

  call(name: string): void {
    throw new Error(`no scenario calls ${name}`);
  }

  sequences(): Readonly<Record<string, string>> {
    const { home, away } = this.device.save();
    return { ...home.party.sequences, ...away?.device.party.sequences };
  }

  server(): string | undefined {
    return this.device.save().home.server;
  }
}

export function playerOf(fields: ScenarioFields): Player {
  if (fields.role === "device") return new DevicePlayer(fields);
  return fields.role === "server" ? new ServerPlayer(fields) : new SyndicationPlayer(fields);
}

/** What was published is what the original published, byte for byte; what is random in it is left out. */
export function expectPublished(actual: Done["published"], expected: readonly Published[], crypted: number): void {
  expect(actual.map(({ topic }) => topic)).toEqual(expected.map(({ topic }) => topic));
  for (const [index, { hex, randomised }] of expected.entries()) {
    const payload = (actual[index] as Done["published"][number]).payload;
    if (randomised === true) expect(payload.length).toBeGreaterThan(crypted);
    else expect(hexOf(payload)).toBe(hex);
  }
}
