import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import type {
  JoinKind,
  SrupDeviceConfig,
  SrupDeviceInput,
  SrupDeviceOutput,
  SrupDevicePatience,
  SrupDeviceState,
} from "./device-io.ts";
import { DeviceUpdates } from "./device-updates.ts";
import { type HeldMessage, heldDeadline, heldPeers, hold } from "./held-messages.ts";
import { deviceTopic, identityText, joinTopic } from "./identity.ts";
import type { SrupBody } from "./message-types.ts";
import { ASKS_KEY, numberOf, type RefusalReason, SrupParty, type SrupTools } from "./party.ts";
import { IDENTIFICATION_RESPONSE, type SendInput } from "./role-io.ts";
import type { SrupMessage } from "./srup-message.ts";
import { SrupStatus } from "./status.ts";
import { decodeCString, decodeText, encodeText } from "./values.ts";

const PATIENCE: SrupDevicePatience = { join: s(600), key: s(30), download: s(600) };
const OBSERVATIONS_MAX = 16;

/** What a server sends to any device that is under it. */
const FOR_DEVICE = [
  "INITIATE",
  "ACTIVATE",
  "RESPONSE",
  "ACTION",
  "DATA",
  "ID_REQUEST",
  "HUMAN_JOIN_RESPONSE",
  "OBSERVED_JOIN_RESPONSE",
  "OBSERVATION_REQUEST",
  "TERMINATE_COMMAND",
  "DEREGISTER_COMMAND",
] as const satisfies readonly SrupBody["type"][];
type ForDevice = Extract<SrupMessage, { type: (typeof FOR_DEVICE)[number] }>;
const isForDevice = (message: SrupMessage): message is ForDevice =>
  (FOR_DEVICE as readonly string[]).includes(message.type);

/** What a server of each side sends to a syndication device. */
const RELAYED: Readonly<Record<"home" | "away", ReadonlySet<SrupBody["type"]>>> = {
  home: new Set(["SYNDICATED_ACTION", "SYNDICATED_ID_REQUEST", "SYNDICATED_C2_REQUEST", "SYNDICATED_END_REQUEST"]),
  away: new Set(["SYNDICATED_DATA", "SYNDICATED_DEVICE_COUNT", "SYNDICATED_DEVICE_LIST", "SYNDICATED_TERMINATE"]),
};

const OBSERVED_STATUS = {
  valid: SrupStatus.ObservedJoinValid,
  invalid: SrupStatus.ObservedJoinInvalid,
  fail: SrupStatus.ObservedJoinFail,
} as const;

const EMPTY: Omit<SrupDeviceState, "party" | "server" | "updates"> = {
  join: undefined,
  observations: {},
  held: [],
};

/**
 * The device role of SRUP: under one server at most, which may command it. (docs/protocols/srup.md, Device)
 *
 * A message counts only when it is from that server, signed and new; all others come out as `refused` and change nothing.
 */
export class SrupDevice implements Machine<SrupDeviceInput, SrupDeviceOutput>, Stateful<SrupDeviceState> {
  readonly #config: SrupDeviceConfig;
  readonly #patience: SrupDevicePatience;
  readonly #party: SrupParty;
  readonly #outputs: SrupDeviceOutput[] = [];
  readonly #updates: DeviceUpdates;
  #state: Omit<SrupDeviceState, "party" | "updates">;

  /** @throws {SrupIdentityError} */
  constructor(config: SrupDeviceConfig, tools: SrupTools) {
    if (config.server !== undefined) numberOf(config.server);
    this.#config = config;
    this.#patience = { ...PATIENCE, ...config.patience };
    this.#party = new SrupParty(config, config.keys ?? {}, tools);
    this.#updates = new DeviceUpdates(this.#patience.download, {
      say: (output) => this.#outputs.push(output),
      answer: (server, token, status) => this.#send(server, { type: "RESPONSE", status }, token),
    });
    this.#state = { ...EMPTY, server: config.server };
  }

  get server(): string | undefined {
    return this.#state.server;
  }

  /** @throws {UsageError} for an observer that is no identity, or a number that its field can't hold */
  handle(input: SrupDeviceInput, now: Instant): void {
    switch (input.type) {
      case "connected":
        this.#connected();
        return;
      case "message":
        this.#received(input.topic, input.payload, now);
        return;
      case "key":
        this.#gotKey(input.peer, input.key, now);
        return;
      case "join":
        if (input.kind === "observed") numberOf(input.observer);
        this.#join(input.kind, input.kind === "observed" ? input.observer : undefined, now);
        return;
      case "downloaded":
        this.#updates.downloaded(input.download, input.digest, now);
        return;
      case "downloadFailed":
        this.#updates.failed(input.download, input.failure, now);
        return;
      case "restarted":
        this.#updates.restarted(input.fetched, now);
        return;
      case "observed":
        this.#observed(input.device, OBSERVED_STATUS[input.verdict]);
        return;
      case "resign":
        this.#leave({ type: "RESIGN_REQUEST" });
        return;
      case "deregister":
        this.#leave({ type: "DEREGISTER_REQUEST" });
        return;
      case "relay":
        if (this.#state.server !== undefined) this.#send(this.#state.server, input.message, input.message.token);
        return;
      case "syndicate":
        this.#syndicate(input.value);
        return;
      case "sendData":
      case "sendAction":
      case "sendIdRequest":
      case "sendResponse":
        this.#sendFor(input);
    }
  }

  handleDeadline(now: Instant): void {
    const { join, held } = this.#state;
    if (join !== undefined && now >= join.deadline) {
      this.#set({ join: undefined });
      this.#notJoined(join.stage === "key" ? "key" : "timeout");
    }
    this.#updates.handleDeadline(now);
    if (held.some(({ deadline }) => now >= deadline)) this.#dropHeld(({ deadline }) => now >= deadline);
  }

  poll(): SrupDeviceOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    const { join, held } = this.#state;
    return earliest(join?.deadline, this.#updates.nextDeadline(), heldDeadline(held));
  }

  save(): SrupDeviceState {
    return { ...this.#state, party: this.#party.save(), updates: this.#updates.save() };
  }

  load({ party, updates, ...state }: SrupDeviceState): void {
    this.#party.load(party);
    this.#updates.load(updates);
    this.#state = state;
    this.#outputs.length = 0;
  }

  /** Subscriptions don't outlive a connection, and questions don't outlive a process. */
  #connected(): void {
    const { join, held, server } = this.#state;
    this.#party.cameBack();
    this.#outputs.push({ type: "subscribe", topic: deviceTopic(this.#party.identity) });
    const asked = join?.stage === "key" && server !== undefined ? [server] : [];
    for (const peer of new Set([...asked, ...heldPeers(held)])) this.#outputs.push({ type: "lookUpKey", peer });
  }

  #set(change: Partial<Omit<SrupDeviceState, "party" | "updates">>): void {
    this.#state = { ...this.#state, ...change };
  }

  #refuse(reason: RefusalReason, sender: string): void {
    this.#outputs.push({ type: "refused", reason, sender });
  }

  /** @returns whether it went out */
  #send(peer: string, body: SrupBody, token?: Uint8Array, topic = deviceTopic(this.#party.identity)): boolean {
    const written = this.#party.write(peer, body, token);
    if (written.type === "unsent") {
      this.#outputs.push({ type: "unsent", peer, body: body.type, reason: written.reason });
      return false;
    }
    this.#outputs.push({ type: "publish", topic, payload: written.payload });
    return true;
  }

  #sendFor(input: SendInput): void {
    const { peer } = input;
    switch (input.type) {
      case "sendData":
        this.#send(peer, { type: "DATA", dataId: encodeText(input.dataId), data: input.data });
        return;
      case "sendAction":
        this.#send(peer, { type: "ACTION", actionId: input.actionId });
        return;
      case "sendIdRequest":
        this.#send(peer, { type: "ID_REQUEST" });
        return;
      case "sendResponse":
        this.#send(peer, { type: "RESPONSE", status: input.status }, input.token);
        this.#updates.told(peer, input.token, input.status);
    }
  }

  #received(topic: string, payload: Uint8Array, now: Instant, key?: string): void {
    if (topic !== deviceTopic(this.#party.identity)) {
      this.#outputs.push({ type: "refused", reason: "topic" });
      return;
    }
    const admission = this.#party.admit(payload, key);
    switch (admission.type) {
      case "own":
        return;
      case "refused":
        this.#outputs.push(admission);
        return;
      case "keyless":
        this.#hold(admission.peer, admission.message, { topic, payload }, now);
        return;
      case "admitted":
        if (key === undefined || this.#party.bringIn(admission, key, ASKS_KEY.device))
          this.#admitted(admission.message, admission.peer, now);
        else this.#refuse("unknownSender", admission.peer);
    }
  }

  #hold(peer: string, message: SrupMessage, raw: { topic: string; payload: Uint8Array }, now: Instant): void {
    const isAsked = this.#state.held.some((each) => each.peer === peer);
    const asks = ASKS_KEY.device.has(message.type);
    if (!asks && !isAsked) {
      this.#refuse("unknownSender", peer);
      return;
    }
    if (asks && !this.#mayTakeOver(peer)) {
      this.#refuse("sender", peer);
      return;
    }
    const held = hold(this.#state.held, { peer, ...raw }, this.#patience.key, now);
    if (held === undefined) {
      this.#refuse("busy", peer);
      return;
    }
    this.#set({ held });
    if (!isAsked) this.#outputs.push({ type: "lookUpKey", peer });
  }

  #gotKey(peer: string, key: string | undefined, now: Instant): void {
    const { join, server, held } = this.#state;
    if (join?.stage === "key" && peer === server) {
      this.#set({ join: undefined });
      if (key === undefined) {
        this.#notJoined("key");
        return;
      }
      this.#party.setKey(peer, key);
      this.#join(join.kind, join.observer, now);
    }
    if (key === undefined) {
      this.#dropHeld((each) => each.peer === peer);
      return;
    }
    this.#set({ held: held.filter((each) => each.peer !== peer) });
    for (const { topic, payload } of held.filter((each) => each.peer === peer))
      this.#received(topic, payload, now, key);
  }

  #dropHeld(isDropped: (held: HeldMessage) => boolean): void {
    const { held } = this.#state;
    this.#set({ held: held.filter((each) => !isDropped(each)) });
    for (const { peer } of held.filter(isDropped)) this.#refuse("unknownSender", peer);
  }

  #admitted(message: SrupMessage, peer: string, now: Instant): void {
    if (message.type === "JOIN_COMMAND") {
      this.#commanded(peer);
      return;
    }
    const { server } = this.#state;
    if (peer !== server) {
      this.#refuse("sender", peer);
      return;
    }
    if (!isForDevice(message)) {
      this.#syndicated(message, peer);
      return;
    }
    switch (message.type) {
      case "INITIATE":
        this.#updates.initiate(message, server, now);
        return;
      case "ACTIVATE":
        if (!this.#updates.activate(server, message.token)) this.#refuse("token", server);
        return;
      case "RESPONSE":
        this.#response(message, server);
        return;
      case "ACTION":
        this.#outputs.push({ type: "action", peer, actionId: message.actionId, token: message.token });
        return;
      case "DATA":
        this.#data(message, peer);
        return;
      case "ID_REQUEST":
        this.#identify(peer);
        return;
      case "HUMAN_JOIN_RESPONSE":
      case "OBSERVED_JOIN_RESPONSE":
        this.#joinValue(message.encrypted, peer);
        return;
      case "OBSERVATION_REQUEST":
        this.#observe(message, server);
        return;
      case "TERMINATE_COMMAND":
      case "DEREGISTER_COMMAND":
        if (message.type === "DEREGISTER_COMMAND") this.#party.setKey(server, undefined);
        this.#release("released");
    }
  }

  #data({ dataId, data }: SrupMessage & { type: "DATA" }, peer: string): void {
    const name = decodeText(dataId);
    if (name === undefined) this.#refuse("body", peer);
    else this.#outputs.push({ type: "data", peer, dataId: name, data });
  }

  #identify(peer: string): void {
    const data = encodeText(this.#config.identification);
    if (this.#send(peer, { type: "DATA", dataId: encodeText(IDENTIFICATION_RESPONSE), data })) {
      this.#outputs.push({ type: "identified", peer });
    }
  }

  #response({ status, token }: SrupMessage & { type: "RESPONSE" }, server: string): void {
    this.#outputs.push({ type: "response", peer: server, status, token });
    if (status === SrupStatus.JoinSuccess) {
      this.#set({ join: undefined });
      this.#outputs.push({ type: "joined", server });
      this.#updates.joined();
    } else if (status === SrupStatus.JoinRefused || status === SrupStatus.JoinFail) {
      this.#set({ join: undefined });
      this.#notJoined(status === SrupStatus.JoinRefused ? "refused" : "failed");
    }
  }

  #notJoined(outcome: "refused" | "failed" | "timeout" | "key"): void {
    const { server } = this.#state;
    if (server !== undefined) this.#outputs.push({ type: "notJoined", server, outcome });
  }

  #joinValue(encrypted: Uint8Array, peer: string): void {
    const value = this.#party.open(encrypted);
    if (value === undefined) this.#refuse("undecryptable", peer);
    else this.#outputs.push({ type: "joinValue", value });
  }

  #join(kind: JoinKind, observer: string | undefined, now: Instant): void {
    const { server = this.#config.server } = this.#state;
    if (server === undefined || this.#state.join?.stage === "key") return;
    if (this.#state.server === undefined) {
      this.#set({ server });
      this.#outputs.push({ type: "server", server, cause: "join" });
    }
    if (this.#party.keyOf(server) === undefined) {
      this.#set({ join: { kind, observer, stage: "key", deadline: plus(now, this.#patience.key) } });
      this.#outputs.push({ type: "lookUpKey", peer: server });
      return;
    }
    this.#updates.asksToJoin(server);
    const body = joinBody(kind, observer);
    if (!this.#send(server, body, undefined, joinTopic(server, this.#party.identity))) {
      this.#notJoined("failed");
      return;
    }
    this.#set({ join: { kind, observer, stage: "asked", deadline: plus(now, this.#patience.join) } });
  }

  #leave(body: SrupBody & { type: "RESIGN_REQUEST" | "DEREGISTER_REQUEST" }): void {
    const { server } = this.#state;
    if (server === undefined || !this.#send(server, body)) return;
    if (body.type === "DEREGISTER_REQUEST") this.#party.setKey(server, undefined);
    this.#release("left");
  }

  #release(cause: "released" | "left"): void {
    this.#updates.abandon();
    this.#set({ server: undefined, join: undefined });
    this.#outputs.push({ type: "server", server: undefined, cause });
  }

  #mayTakeOver(peer: string): boolean {
    const { takeover = [] } = this.#config;
    const { server } = this.#state;
    return server === undefined || server === peer || takeover === "anyone" || takeover.includes(peer);
  }

  /** Its device id is not compared with ours: the original sends and takes any. */
  #commanded(peer: string): void {
    if (!this.#mayTakeOver(peer)) {
      this.#refuse("sender", peer);
      return;
    }
    if (peer === this.#state.server) return;
    if (this.#state.server !== undefined) this.#release("released");
    this.#set({ server: peer });
    this.#outputs.push({ type: "server", server: peer, cause: "command" });
  }

  #observe({ joiningDeviceId, encrypted, token }: SrupMessage & { type: "OBSERVATION_REQUEST" }, server: string): void {
    const device = identityText(joiningDeviceId);
    const { [device]: before, ...others } = this.#state.observations;
    if (before === undefined && Object.keys(others).length >= OBSERVATIONS_MAX) {
      this.#refuse("busy", server);
      return;
    }
    this.#set({ observations: { ...others, [device]: { server, token: toHex(token) } } });
    this.#outputs.push({ type: "observe", device, value: this.#party.open(encrypted) });
  }

  #observed(device: string, status: number): void {
    const { [device]: asked, ...observations } = this.#state.observations;
    if (asked === undefined) return;
    this.#set({ observations });
    this.#send(asked.server, { type: "RESPONSE", status }, fromHex(asked.token));
  }

  #syndicated(message: SrupMessage, peer: string): void {
    const { syndication } = this.#config;
    if (syndication === "home" && message.type === "SYNDICATION_INIT") {
      const url = decodeCString(message.url);
      if (url === undefined) {
        this.#refuse("body", peer);
        return;
      }
      this.#outputs.push({ type: "syndicationInit", url, value: this.#party.open(message.encrypted) });
    } else if (syndication !== undefined && RELAYED[syndication].has(message.type)) {
      this.#outputs.push({ type: "relay", message });
    } else {
      this.#refuse("role", peer);
    }
  }

  #syndicate(value: string): void {
    const { server } = this.#state;
    if (server === undefined) return;
    const encrypted = this.#party.seal(server, value);
    if (encrypted === undefined) {
      this.#outputs.push({ type: "unsent", peer: server, body: "SYNDICATION_REQUEST", reason: "key" });
    } else {
      this.#send(server, { type: "SYNDICATION_REQUEST", encrypted });
    }
  }
}

function joinBody(kind: JoinKind, observer: string | undefined): SrupBody {
  if (kind === "simple") return { type: "JOIN_REQUEST" };
  if (kind === "human") return { type: "HUMAN_JOIN_REQUEST" };
  return { type: "OBSERVED_JOIN_REQUEST", observerId: numberOf(observer ?? "") };
}
