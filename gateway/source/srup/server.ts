import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";
import type { JoinKind } from "./device-io.ts";
import { type HeldMessage, heldDeadline, heldPeers, hold, lookedUp, withoutKey } from "./held-messages.ts";
import { deviceTopic, identityText, isJoinTopic } from "./identity.ts";
import type { SrupBody } from "./message-types.ts";
import { ASKS_KEY, numberOf, type RefusalReason, SrupParty, type SrupTools } from "./party.ts";
import { IDENTIFICATION_RESPONSE, type SendInput } from "./role-io.ts";
import type {
  CommandInput,
  SrupServerConfig,
  SrupServerInput,
  SrupServerOutput,
  SrupServerPatience,
  SrupServerState,
} from "./server-io.ts";
import { ServerSyndication } from "./server-syndication.ts";
import type { SrupMessage } from "./srup-message.ts";
import { SrupStatus } from "./status.ts";
import { isSyndicated } from "./syndication.ts";
import { decodeText, encodeCString, encodeText } from "./values.ts";

const PATIENCE: SrupServerPatience = { join: s(600), key: s(30) };
/** Joins that wait for their end, and questions to observers that wait for an answer. */
const PENDING_MAX = 1_000;

const JOINS = { JOIN_REQUEST: "simple", HUMAN_JOIN_REQUEST: "human", OBSERVED_JOIN_REQUEST: "observed" } as const;
type JoinMessage = Extract<SrupMessage, { type: keyof typeof JOINS }>;
const isJoin = (message: SrupMessage): message is JoinMessage => message.type in JOINS;

/** What a device says to its server, besides joining and what is syndicated. */
const FOR_SERVER = [
  "RESPONSE",
  "ACTION",
  "DATA",
  "ID_REQUEST",
  "RESIGN_REQUEST",
  "DEREGISTER_REQUEST",
  "SYNDICATION_REQUEST",
] as const satisfies readonly SrupBody["type"][];
type ForServer = Extract<SrupMessage, { type: (typeof FOR_SERVER)[number] }>;
const isForServer = (message: SrupMessage): message is ForServer =>
  (FOR_SERVER as readonly string[]).includes(message.type);

const END_STATUS = {
  accept: SrupStatus.JoinSuccess,
  refuse: SrupStatus.JoinRefused,
  fail: SrupStatus.JoinFail,
  timeout: SrupStatus.JoinFail,
} as const;

const VERDICTS: ReadonlyMap<number, "valid" | "invalid" | "fail"> = new Map([
  [SrupStatus.ObservedJoinValid, "valid"],
  [SrupStatus.ObservedJoinInvalid, "invalid"],
  [SrupStatus.ObservedJoinFail, "fail"],
]);

const EMPTY: Omit<SrupServerState, "party" | "syndication"> = {
  joined: [],
  types: {},
  joins: {},
  observations: {},
  updates: {},
  held: [],
  lookedUp: {},
};

/**
 * The command and control server of SRUP. (docs/protocols/srup.md, Server)
 *
 * As the original does, it takes messages from any sender whose key it has, joined or not; what an update or a join is
 * about, it knows by tokens.
 */
export class SrupServer implements Machine<SrupServerInput, SrupServerOutput>, Stateful<SrupServerState> {
  readonly #config: SrupServerConfig;
  readonly #patience: SrupServerPatience;
  readonly #party: SrupParty;
  readonly #outputs: SrupServerOutput[] = [];
  readonly #syndication: ServerSyndication;
  #state: Omit<SrupServerState, "party" | "syndication"> = EMPTY;

  /** @throws {SrupIdentityError} */
  constructor(config: SrupServerConfig, tools: SrupTools) {
    this.#config = config;
    this.#patience = { ...PATIENCE, ...config.patience };
    this.#party = new SrupParty(config, config.keys ?? {}, tools);
    this.#syndication = new ServerSyndication({
      say: (output) => this.#outputs.push(output),
      send: (peer, body, token) => this.#send(peer, body, token) !== undefined,
      seal: (peer, value, body) => this.#seal(peer, value, body),
      open: (encrypted) => this.#party.open(encrypted),
      isOurs: (device) => this.#state.joined.includes(device),
    });
  }

  /** @throws {UsageError} for a device that is no identity, or a number that its field can't hold */
  handle(input: SrupServerInput, now: Instant): void {
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
      case "peerType":
        this.#set({ types: { ...this.#state.types, [input.peer]: input.text } });
        return;
      case "endJoin":
        this.#endJoin(input.device, input.outcome);
        return;
      case "sendJoinValue":
        this.#sendJoinValue(input.device);
        return;
      case "askObserver":
        this.#askObserver(input.observer, input.device, input.value);
        return;
      case "sendData":
      case "sendAction":
      case "sendIdRequest":
      case "sendResponse":
      case "initiate":
      case "activate":
      case "release":
      case "commandJoin":
        this.#command(input);
        return;
      case "syndicationInit":
      case "syndicationDevice":
      case "syndicateDevices":
      case "syndicatedTerminate":
      case "syndicatedAction":
      case "syndicatedIdRequest":
      case "syndicatedC2Request":
      case "syndicatedEnd":
        this.#syndication.command(input);
    }
  }

  handleDeadline(now: Instant): void {
    for (const [device, { deadline }] of Object.entries(this.#state.joins)) {
      if (now >= deadline) this.#endJoin(device, "timeout");
    }
    if (this.#state.held.some(({ deadline }) => now >= deadline)) this.#dropHeld(({ deadline }) => now >= deadline);
  }

  poll(): SrupServerOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    const { joins, held } = this.#state;
    return earliest(heldDeadline(held), ...Object.values(joins).map(({ deadline }) => deadline));
  }

  save(): SrupServerState {
    return { ...this.#state, party: this.#party.save(), syndication: this.#syndication.save() };
  }

  load({ party, syndication, ...state }: SrupServerState): void {
    this.#party.load(party);
    this.#syndication.load(syndication);
    this.#state = { ...EMPTY, ...state };
    this.#outputs.length = 0;
  }

  #set(change: Partial<Omit<SrupServerState, "party" | "syndication">>): void {
    this.#state = { ...this.#state, ...change };
  }

  #refuse(reason: RefusalReason, sender: string): void {
    this.#outputs.push({ type: "refused", reason, sender });
  }

  /** @returns the token, when it went out */
  #send(peer: string, body: SrupBody, token?: Uint8Array): Uint8Array | undefined {
    const written = this.#party.write(peer, body, token);
    if (written.type === "unsent") {
      this.#outputs.push({ type: "unsent", peer, body: body.type, reason: written.reason });
      return undefined;
    }
    this.#outputs.push({ type: "publish", topic: deviceTopic(peer), payload: written.payload });
    return written.token;
  }

  #nothingFor(peer: string, body: SrupBody["type"]): void {
    this.#outputs.push({ type: "unsent", peer, body, reason: "nothingPending" });
  }

  /** @returns undefined when the peer has no key that could be used, which has been told */
  #seal(peer: string, value: string, body: SrupBody["type"]): Uint8Array | undefined {
    const encrypted = this.#party.seal(peer, value);
    if (encrypted === undefined) this.#outputs.push({ type: "unsent", peer, body, reason: "key" });
    return encrypted;
  }

  /** Subscriptions don't outlive a connection, so all are made again; questions don't outlive a process. */
  #connected(): void {
    this.#party.cameBack();
    this.#outputs.push({ type: "subscribe", topic: `SRUP/servers/${this.#party.identity}/#` });
    for (const device of this.#state.joined)
      this.#outputs.push({ type: "subscribe", topic: `${deviceTopic(device)}/#` });
    for (const peer of heldPeers(this.#state.held)) this.#outputs.push({ type: "lookUpKey", peer });
  }

  #received(topic: string, payload: Uint8Array, now: Instant, key?: string): void {
    const admission = this.#party.admit(payload, key);
    switch (admission.type) {
      case "own":
        return;
      case "refused":
        this.#outputs.push(admission);
        return;
      case "keyless":
        this.#keyless(admission.peer, admission.message, { topic, payload }, now);
        return;
      case "admitted":
        if (key !== undefined) this.#set({ lookedUp: withoutKey(this.#state.lookedUp, admission.peer) });
        if (key === undefined || this.#party.bringIn(admission, key, ASKS_KEY.server))
          this.#admitted(admission.message, admission.peer, topic, now);
        else this.#refuse("unknownSender", admission.peer);
    }
  }

  #keyless(peer: string, message: SrupMessage, raw: { topic: string; payload: Uint8Array }, now: Instant): void {
    const key = this.#state.lookedUp[peer];
    const isAsked = this.#state.held.some((each) => each.peer === peer);
    if (!ASKS_KEY.server.has(message.type)) {
      // what comes right behind a request to join waits with it
      if (isAsked) this.#hold(peer, raw, now);
      else this.#refuse("unknownSender", peer);
    } else if (!isJoinTopic(raw.topic, this.#party.identity)) this.#refuse("topic", peer);
    else if (key !== undefined) this.#received(raw.topic, raw.payload, now, key);
    else this.#hold(peer, raw, now);
  }

  #hold(peer: string, raw: { topic: string; payload: Uint8Array }, now: Instant): void {
    const isAsked = this.#state.held.some((each) => each.peer === peer);
    const held = hold(this.#state.held, { peer, ...raw }, this.#patience.key, now);
    if (held === undefined) {
      this.#refuse("busy", peer);
      return;
    }
    this.#set({ held });
    if (!isAsked) this.#outputs.push({ type: "lookUpKey", peer });
  }

  #gotKey(peer: string, key: string | undefined, now: Instant): void {
    if (key === undefined) {
      this.#dropHeld((each) => each.peer === peer);
      return;
    }
    const { held, joined } = this.#state;
    if (joined.includes(peer) && this.#party.keyOf(peer) === undefined) this.#party.setKey(peer, key);
    this.#set({ held: held.filter((each) => each.peer !== peer) });
    for (const { topic, payload } of held.filter((each) => each.peer === peer))
      this.#received(topic, payload, now, key);
    if (this.#party.keyOf(peer) === undefined) this.#set({ lookedUp: lookedUp(this.#state.lookedUp, peer, key) });
  }

  #dropHeld(isDropped: (held: HeldMessage) => boolean): void {
    const { held } = this.#state;
    this.#set({ held: held.filter((each) => !isDropped(each)) });
    for (const { peer } of held.filter(isDropped)) this.#refuse("unknownSender", peer);
  }

  #admitted(message: SrupMessage, peer: string, topic: string, now: Instant): void {
    if (isJoin(message)) {
      this.#joinRequested(message, peer, topic, now);
      return;
    }
    if (isSyndicated(message)) {
      const reason = this.#syndication.received(message, peer);
      if (reason !== undefined) this.#refuse(reason, peer);
      return;
    }
    if (!isForServer(message)) {
      this.#refuse("role", peer);
      return;
    }
    switch (message.type) {
      case "RESPONSE":
        this.#response(message.status, message.token, peer);
        return;
      case "ACTION":
        this.#outputs.push({ type: "action", peer, actionId: message.actionId, token: message.token });
        return;
      case "DATA":
        this.#data(message, peer);
        return;
      case "ID_REQUEST": {
        const data = encodeText(this.#config.identification);
        const sent = this.#send(peer, { type: "DATA", dataId: encodeText(IDENTIFICATION_RESPONSE), data });
        if (sent !== undefined) this.#outputs.push({ type: "identified", peer });
        return;
      }
      case "RESIGN_REQUEST":
        this.#forget(peer, "resigned");
        this.#party.setKey(peer, undefined);
        return;
      case "DEREGISTER_REQUEST":
        this.#forget(peer, "deregistered");
        return;
      case "SYNDICATION_REQUEST":
        this.#syndication.requested(message, peer);
    }
  }

  #joinRequested(message: JoinMessage, device: string, topic: string, now: Instant): void {
    if (!isJoinTopic(topic, this.#party.identity)) {
      this.#refuse("topic", device);
      return;
    }
    if (this.#state.types[device] === undefined) this.#outputs.push({ type: "lookUpType", peer: device });
    const kind: JoinKind = JOINS[message.type];
    const { [device]: before, ...others } = this.#state.joins;
    if (before === undefined && Object.keys(others).length >= PENDING_MAX) {
      this.#refuse("busy", device);
      return;
    }
    const join = { kind, token: toHex(message.token), deadline: plus(now, this.#patience.join) };
    this.#set({ joins: { ...others, [device]: join } });
    if (this.#config.joins?.[kind] !== "ask") {
      this.#endJoin(device, kind === "simple" ? "accept" : "fail");
      return;
    }
    const observer = message.type === "OBSERVED_JOIN_REQUEST" ? { observer: identityText(message.observerId) } : {};
    this.#outputs.push({ type: "joinRequested", device, kind, ...observer });
  }

  #endJoin(device: string, outcome: keyof typeof END_STATUS): void {
    const { [device]: join, ...joins } = this.#state.joins;
    if (join === undefined) {
      this.#nothingFor(device, "RESPONSE");
      return;
    }
    this.#set({ joins });
    this.#dropObservation(device);
    if (outcome === "accept") {
      this.#outputs.push({ type: "subscribe", topic: `${deviceTopic(device)}/#` });
      this.#set({ joined: [...this.#state.joined.filter((each) => each !== device), device] });
    }
    this.#send(device, { type: "RESPONSE", status: END_STATUS[outcome] }, fromHex(join.token));
    this.#outputs.push({ type: "joinEnded", device, outcome });
  }

  /** From here on the join is known by the token of this message. */
  #sendJoinValue(device: string): void {
    const join = this.#state.joins[device];
    const type = join?.kind === "observed" ? "OBSERVED_JOIN_RESPONSE" : "HUMAN_JOIN_RESPONSE";
    if (join === undefined || join.kind === "simple") {
      this.#nothingFor(device, type);
      return;
    }
    const token = this.#party.freshToken();
    const value = this.#party.freshValue();
    const encrypted = this.#seal(device, value, type);
    if (encrypted === undefined || this.#send(device, { type, encrypted }, token) === undefined) return;
    this.#set({ joins: { ...this.#state.joins, [device]: { ...join, token: toHex(token) } } });
    this.#outputs.push({ type: "joinValue", device, value });
  }

  #askObserver(observer: string, device: string, value: string): void {
    const { joins, observations } = this.#state;
    if (observations[device] === undefined && Object.keys(observations).length >= PENDING_MAX) {
      this.#nothingFor(observer, "OBSERVATION_REQUEST");
      return;
    }
    const encrypted = this.#seal(observer, value, "OBSERVATION_REQUEST");
    if (encrypted === undefined) return;
    const joiningDeviceId = numberOf(device);
    const token = this.#send(observer, { type: "OBSERVATION_REQUEST", joiningDeviceId, encrypted });
    if (token === undefined) return;
    const asked = { observer, token: toHex(token), join: joins[device]?.token };
    this.#set({ observations: { ...observations, [device]: asked } });
  }

  /** Whom the verdict is about. The token can be read by anybody at the broker, so it counts only from who was asked. */
  #observedBy(observer: string, token: string): string | undefined {
    const { joins, observations } = this.#state;
    const [device, asked] =
      Object.entries(observations).find(([, each]) => each.observer === observer && each.token === token) ?? [];
    if (device === undefined || asked === undefined) return undefined;
    this.#dropObservation(device);
    return asked.join === joins[device]?.token ? device : undefined;
  }

  #dropObservation(device: string): void {
    const { [device]: _, ...observations } = this.#state.observations;
    this.#set({ observations });
  }

  #response(status: number, token: Uint8Array, peer: string): void {
    this.#outputs.push({ type: "response", peer, status, token });
    const verdict = VERDICTS.get(status);
    if (verdict !== undefined) {
      this.#outputs.push({
        type: "observation",
        observer: peer,
        verdict,
        device: this.#observedBy(peer, toHex(token)),
      });
    } else if (status === SrupStatus.UpdateSuccess) {
      this.#outputs.push({ type: "updateReady", device: peer, token, isOurs: this.#isUpdate(peer, token) });
    } else if (status >= SrupStatus.UpdateFailHttpError) {
      if (this.#isUpdate(peer, token)) this.#endUpdate(peer);
      this.#outputs.push({ type: "updateFailed", device: peer, token, status });
    }
  }

  #isUpdate(device: string, token: Uint8Array): boolean {
    return this.#state.updates[device] === toHex(token);
  }

  #endUpdate(device: string): void {
    const { [device]: _, ...updates } = this.#state.updates;
    this.#set({ updates });
  }

  #data({ dataId, data }: SrupMessage & { type: "DATA" }, peer: string): void {
    const name = decodeText(dataId);
    if (name === undefined) {
      this.#refuse("body", peer);
      return;
    }
    this.#outputs.push({ type: "data", peer, dataId: name, data });
    this.#syndication.passOn(peer, name, data);
  }

  #forget(device: string, how: "resigned" | "deregistered" | "released"): void {
    this.#endUpdate(device);
    if (!this.#state.joined.includes(device)) return;
    this.#set({ joined: this.#state.joined.filter((each) => each !== device) });
    if (how !== "deregistered") this.#outputs.push({ type: "unsubscribe", topic: `${deviceTopic(device)}/#` });
    this.#outputs.push({ type: "left", device, how });
  }

  #command(input: SendInput | CommandInput): void {
    switch (input.type) {
      case "sendData":
        this.#send(input.peer, { type: "DATA", dataId: encodeText(input.dataId), data: input.data });
        return;
      case "sendAction":
        this.#send(input.peer, { type: "ACTION", actionId: input.actionId });
        return;
      case "sendIdRequest":
        this.#send(input.peer, { type: "ID_REQUEST" });
        return;
      case "sendResponse":
        this.#send(input.peer, { type: "RESPONSE", status: input.status }, input.token);
        return;
      case "initiate":
        for (const device of input.devices) this.#initiate(device, input.url, input.digest);
        return;
      case "activate":
        if (this.#isUpdate(input.device, input.token)) this.#endUpdate(input.device);
        this.#send(input.device, { type: "ACTIVATE" }, input.token);
        return;
      case "release":
        this.#release(input.device, input.how);
        return;
      case "commandJoin":
        this.#commandJoin(input.device);
    }
  }

  #initiate(device: string, url: string, digest: string): void {
    const body = { type: "INITIATE", url: encodeCString(url), digest: encodeCString(digest) } as const;
    const token = this.#send(device, body);
    if (token === undefined) return;
    this.#set({ updates: { ...this.#state.updates, [device]: toHex(token) } });
    this.#outputs.push({ type: "initiated", device, token });
  }

  #release(device: string, how: "terminate" | "deregister"): void {
    const type = how === "terminate" ? "TERMINATE_COMMAND" : "DEREGISTER_COMMAND";
    if (!this.#state.joined.includes(device)) {
      this.#nothingFor(device, type);
      return;
    }
    if (this.#send(device, { type }) === undefined) return;
    this.#forget(device, "released");
    if (how === "deregister") this.#party.setKey(device, undefined);
  }

  #commandJoin(device: string): void {
    if (this.#state.joined.includes(device)) {
      this.#nothingFor(device, "JOIN_COMMAND");
      return;
    }
    this.#outputs.push({ type: "subscribe", topic: deviceTopic(device) });
    if (this.#send(device, { type: "JOIN_COMMAND", deviceId: numberOf(device) }) === undefined) return;
    this.#set({ joined: [...this.#state.joined, device] });
    if (this.#party.keyOf(device) === undefined) this.#outputs.push({ type: "lookUpKey", peer: device });
  }
}
