import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { compareDotted, isDotted } from "./dotted-version.ts";
import { decodeOffer, encodeError, encodeTerms, type RsuErrorCode, type RsuOffer } from "./extensions.ts";
import { decodePdu, encodePdu, type RsuPdu, RsuType, SEGMENT_LENGTH } from "./pdu.ts";
import { isBetweenPdus, SPLITTER_START, type SplitterState, splitPdus } from "./pdu-splitter.ts";

/** One firmware that a server has. Plain data. */
export interface RsuContent {
  readonly version: string;
  readonly data: Uint8Array;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly signature?: Uint8Array;
}

export interface RsuServerConfig {
  readonly protocolVersion: string;
  /** What there is for a target at this moment; for the first one, if none is named. */
  readonly find: (target: string | undefined) => RsuContent | undefined;
  /** Bytes of firmware in one PDU, between peers that know how: at most 32 768. */
  readonly segmentMax: () => number;
}

export type RsuServerInput =
  | { readonly type: "opened" }
  | { readonly type: "data"; readonly stream: number; readonly data: Uint8Array; readonly fin: boolean }
  /** The peer gave a stream up. */
  | { readonly type: "reset"; readonly stream: number }
  /** A segment has been sent: there is room for another one of that exchange. */
  | { readonly type: "taken"; readonly exchange: number }
  /** There is something new: whoever waits may be answered. */
  | { readonly type: "published" };

/** An exchange is named by the stream that it was begun on. */
export type RsuServerOutput =
  /** Onto the stream that the exchange was begun on. */
  | { readonly type: "answer"; readonly exchange: number; readonly data: Uint8Array; readonly fin: boolean }
  /**
   * Onto a stream of the server's own, the same one for all segments of an exchange. `paced`: for a peer that takes each
   * packet for one PDU. `offset`: that of its first byte in the content.
   */
  | {
      readonly type: "segment";
      readonly exchange: number;
      readonly data: Uint8Array;
      readonly offset: number;
      readonly length: number;
      readonly last: boolean;
      readonly paced: boolean;
    }
  | { readonly type: "event"; readonly event: RsuServerEvent }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** What happens on a connection; text of the peer is cut. */
export type RsuServerEvent =
  | {
      readonly type: "asked";
      readonly protocolVersion: string;
      readonly firmwareVersion: string;
      readonly target?: string;
    }
  | { readonly type: "refused"; readonly code: RsuErrorCode; readonly reason: string }
  | { readonly type: "sending"; readonly version: string; readonly from: number; readonly size: number }
  | { readonly type: "delivered"; readonly version: string };

/** Without an exchange under way. */
const IDLE_TIMEOUT: Duration = s(10);
const REQUEST_TIMEOUT: Duration = s(15);
const ACK_TIMEOUT: Duration = s(60);
const STALL_TIMEOUT: Duration = s(30);
/** One connection has no more exchanges than that at one time, and in all. */
const EXCHANGES_MAX = 4;
const EXCHANGES_EVER_MAX = 256;
const LARGE_SEGMENT = 32_768;
/** Segments that may be on their way to the socket. */
const WINDOW = 8;

type Step =
  | { readonly name: "awaitingVersion" }
  | { readonly name: "waiting"; readonly offer: RsuOffer; readonly firmwareVersion: string }
  | { readonly name: "awaitingRequest"; readonly content: RsuContent; readonly from: number }
  | {
      readonly name: "sending";
      readonly content: RsuContent;
      readonly offset: number;
      readonly inFlight: number;
      readonly ended: boolean;
    }
  | { readonly name: "awaitingAck"; readonly content: RsuContent };

interface Exchange {
  readonly stream: number;
  readonly splitter: SplitterState;
  readonly step: Step;
  readonly deadline: Instant;
  /** The peer knows more than the original. */
  readonly coalesce: boolean;
}

export interface RsuServerState {
  readonly exchanges: readonly Exchange[];
  /** Splitters of the server's own streams, on which acknowledgements come. */
  readonly returns: readonly { readonly stream: number; readonly splitter: SplitterState }[];
  readonly begun: number;
  readonly idleDeadline: Instant | undefined;
  readonly closed: boolean;
}

/**
 * The server's side of one RSU connection. Every exchange on it has a state of its own; a peer that does what no device
 * does gets an ERROR with the reason, and the connection is closed. (docs/protocols/rsu.md)
 */
export class RsuServer implements Machine<RsuServerInput, RsuServerOutput>, Stateful<RsuServerState> {
  readonly #config: RsuServerConfig;
  readonly #outputs: RsuServerOutput[] = [];
  readonly #exchanges = new Map<number, Exchange>();
  readonly #returns = new Map<number, SplitterState>();
  #begun = 0;
  #idleDeadline: Instant | undefined;
  #closed = false;

  constructor(config: RsuServerConfig) {
    this.#config = config;
  }

  handle(input: RsuServerInput, now: Instant): void {
    if (this.#closed) return;
    this.#heard(input, now);
    this.#watch(now);
  }

  #heard(input: RsuServerInput, now: Instant): void {
    switch (input.type) {
      case "opened":
        return;
      case "data":
        if (isServers(input.stream)) this.#returned(input.stream, input.data);
        else this.#received(input.stream, input.data, input.fin, now);
        return;
      case "reset":
        this.#exchanges.delete(input.stream);
        return;
      case "taken":
        this.#taken(input.exchange, now);
        return;
      case "published":
        for (const exchange of this.#exchanges.values()) this.#perhapsNewer(exchange, now);
    }
  }

  /** A connection on which nothing is under way may last only so long. */
  #watch(now: Instant): void {
    if (this.#exchanges.size > 0) this.#idleDeadline = undefined;
    else this.#idleDeadline ??= plus(now, IDLE_TIMEOUT);
  }

  handleDeadline(now: Instant): void {
    for (const exchange of this.#exchanges.values()) {
      if (now < exchange.deadline) continue;
      if (exchange.step.name === "waiting") this.#refuse(exchange.stream, "NOT_NEWER", "nothing newer in that time");
      else this.#break("TIMEOUT", `the peer is silent in ${exchange.step.name}`);
    }
    if (this.#idleDeadline !== undefined && now >= this.#idleDeadline && !this.#closed)
      this.#break("TIMEOUT", "nothing was asked");
    this.#watch(now);
  }

  nextDeadline(): Instant | undefined {
    if (this.#closed) return undefined;
    const deadlines = [...this.#exchanges.values()].map(({ deadline }) => deadline);
    if (this.#idleDeadline !== undefined) deadlines.push(this.#idleDeadline);
    return deadlines.length === 0 ? undefined : (Math.min(...deadlines) as Instant);
  }

  poll(): RsuServerOutput | undefined {
    return this.#outputs.shift();
  }

  save(): RsuServerState {
    return {
      exchanges: [...this.#exchanges.values()],
      returns: [...this.#returns].map(([stream, splitter]) => ({ stream, splitter })),
      begun: this.#begun,
      idleDeadline: this.#idleDeadline,
      closed: this.#closed,
    };
  }

  load(state: RsuServerState): void {
    this.#exchanges.clear();
    for (const exchange of state.exchanges) this.#exchanges.set(exchange.stream, exchange);
    this.#returns.clear();
    for (const { stream, splitter } of state.returns) this.#returns.set(stream, splitter);
    this.#begun = state.begun;
    this.#idleDeadline = state.idleDeadline;
    this.#closed = state.closed;
    this.#outputs.length = 0;
  }

  #received(stream: number, data: Uint8Array, fin: boolean, now: Instant): void {
    if (!this.#exchanges.has(stream)) {
      if (data.length === 0) return; // the end of a stream whose exchange is over
      if (!this.#open(stream, now)) return;
    }
    const exchange = this.#exchanges.get(stream) as Exchange;
    const { state, objects, error } = splitPdus(exchange.splitter, data);
    this.#exchanges.set(stream, { ...exchange, splitter: state });
    for (const object of objects) this.#object(stream, object, now);
    if (this.#closed) return;
    if (error !== undefined) this.#break("MALFORMED", error);
    else if (fin && !isBetweenPdus(state)) this.#break("MALFORMED", "a stream ended in the middle of a PDU");
    else if (fin && this.#exchanges.get(stream)?.step.name === "awaitingVersion") this.#exchanges.delete(stream);
  }

  /** @returns false when there are too many */
  #open(stream: number, now: Instant): boolean {
    if (this.#exchanges.size >= EXCHANGES_MAX || this.#begun >= EXCHANGES_EVER_MAX) {
      this.#break("BUSY", `more than ${EXCHANGES_MAX} exchanges at once, or ${EXCHANGES_EVER_MAX} in all`);
      return false;
    }
    this.#begun++;
    const deadline = plus(now, REQUEST_TIMEOUT);
    const fresh = { splitter: SPLITTER_START, step: { name: "awaitingVersion" }, coalesce: false } as const;
    this.#exchanges.set(stream, { stream, deadline, ...fresh });
    return true;
  }

  #object(stream: number, object: Uint8Array, now: Instant): void {
    const exchange = this.#exchanges.get(stream);
    if (exchange === undefined || this.#closed) return;
    const pdu = decodePdu(object);
    if (pdu.type === "malformed") this.#break("MALFORMED", pdu.reason);
    else this.#pdu(exchange, pdu, now);
  }

  /** Acknowledgements: 5, as the original sends it, or 8, as its own server waits for. */
  #returned(stream: number, data: Uint8Array): void {
    const { state, objects, error } = splitPdus(this.#returns.get(stream) ?? SPLITTER_START, data);
    this.#returns.set(stream, state);
    if (error !== undefined) {
      this.#break("MALFORMED", error);
      return;
    }
    for (const object of objects) {
      const pdu = decodePdu(object);
      if (pdu.type === "malformed") {
        this.#break("MALFORMED", pdu.reason);
        return;
      }
      if (pdu.type !== RsuType.SendAck && pdu.type !== RsuType.ReceiveAck) {
        this.#break("MALFORMED", `PDU of type ${pdu.type} instead of an acknowledgement`);
        return;
      }
      const exchange = [...this.#exchanges.values()].find(({ step }) => step.name === "awaitingAck");
      if (exchange !== undefined) this.#delivered(exchange);
    }
  }

  #delivered({ stream, step }: Exchange): void {
    if (step.name !== "awaitingAck") return;
    this.#tell({ type: "delivered", version: step.content.version });
    this.#outputs.push({ type: "answer", exchange: stream, data: new Uint8Array(0), fin: true });
    this.#exchanges.delete(stream);
  }

  #pdu(exchange: Exchange, pdu: RsuPdu, now: Instant): void {
    const { step } = exchange;
    if (step.name === "awaitingVersion" && pdu.type === RsuType.VersionExchange) this.#asked(exchange, pdu, now);
    else if (step.name === "awaitingRequest" && pdu.type === RsuType.RequestUpdate) this.#send(exchange, now);
    else this.#break("MALFORMED", `PDU of type ${pdu.type} in ${step.name}`);
  }

  #asked(exchange: Exchange, { protocolVersion, firmwareVersion, payload }: RsuPdu, now: Instant): void {
    const { stream } = exchange;
    const offer = decodeOffer(payload);
    const { target } = offer ?? {};
    this.#tell({ type: "asked", protocolVersion, firmwareVersion, ...(target !== undefined && { target }) });
    if (!isDotted(protocolVersion) || !isDotted(firmwareVersion)) {
      this.#refuse(stream, "MALFORMED", "a version is no numbers with dots between them");
    } else if (compareDotted(protocolVersion, this.#config.protocolVersion) > 0) {
      const reason = `version ${protocolVersion} of the protocol is not spoken here, ${this.#config.protocolVersion} is`;
      this.#refuse(stream, "VERSION_UNKNOWN", reason);
    } else {
      this.#find(exchange, offer, firmwareVersion, now);
    }
  }

  #find(exchange: Exchange, offer: RsuOffer | undefined, firmwareVersion: string, now: Instant): void {
    const { stream } = exchange;
    const content = this.#config.find(offer?.target);
    const isNewer = content !== undefined && compareDotted(firmwareVersion, content.version) < 0;
    const wait = offer?.wait ?? 0;
    if (isNewer) this.#offer(exchange, content, offer, now);
    else if (wait > 0 && offer !== undefined)
      this.#set(exchange, { name: "waiting", offer, firmwareVersion }, plus(now, s(wait)));
    else if (content === undefined) this.#refuse(stream, "TARGET_UNKNOWN", "there is no such firmware here");
    else this.#refuse(stream, "NOT_NEWER", `${content.version} is what there is`);
  }

  #perhapsNewer(exchange: Exchange, now: Instant): void {
    const { step } = exchange;
    if (step.name !== "waiting") return;
    const content = this.#config.find(step.offer.target);
    if (content !== undefined && compareDotted(step.firmwareVersion, content.version) < 0)
      this.#offer(exchange, content, step.offer, now);
  }

  /** The original gets an empty payload; and it does not bear that the stream is finished before the data have come. */
  #offer(exchange: Exchange, content: RsuContent, offer: RsuOffer | undefined, now: Instant): void {
    const { version, data, sha256, signature } = content;
    const resume = offer?.resume;
    const goesOn = resume !== undefined && resume.of === sha256 && resume.from <= data.length;
    const from = goesOn ? resume.from : 0;
    const capabilities = offer?.capabilities ?? [];
    const signed = signature === undefined ? {} : { signature };
    const terms = encodeTerms({ capabilities, size: data.length, sha256, from, ...signed });
    const ack = encodePdu({
      type: RsuType.VersionAck,
      protocolVersion: this.#config.protocolVersion,
      firmwareVersion: version,
      ...(offer !== undefined && { payload: terms }),
    });
    this.#outputs.push({ type: "answer", exchange: exchange.stream, data: ack, fin: false });
    const coalesce = capabilities.includes("coalesce");
    this.#set({ ...exchange, coalesce }, { name: "awaitingRequest", content, from }, plus(now, REQUEST_TIMEOUT));
  }

  #send(exchange: Exchange, now: Instant): void {
    const { step } = exchange;
    if (step.name !== "awaitingRequest") return;
    const { content, from } = step;
    this.#tell({ type: "sending", version: content.version, from, size: content.data.length });
    const sending = { name: "sending", content, offset: from, inFlight: 0, ended: false } as const;
    this.#fill({ ...exchange, step: sending }, now);
  }

  #taken(stream: number, now: Instant): void {
    const exchange = this.#exchanges.get(stream);
    if (exchange?.step.name !== "sending") return;
    const { step } = exchange;
    this.#fill({ ...exchange, step: { ...step, inFlight: step.inFlight - 1 } }, now);
  }

  /** As many segments as there is room for. */
  #fill(exchange: Exchange, now: Instant): void {
    let { step } = exchange;
    const { coalesce, stream } = exchange;
    const length = coalesce ? Math.max(1, Math.min(LARGE_SEGMENT, this.#config.segmentMax())) : SEGMENT_LENGTH;
    const window = coalesce ? WINDOW : 1;
    while (step.name === "sending" && !step.ended && step.inFlight < window) {
      const { content, offset } = step;
      const payload: Uint8Array = content.data.subarray(offset, offset + length);
      const last = offset + payload.length === content.data.length;
      const data = encodePdu({ type: last ? RsuType.FinishSndData : RsuType.StartSndData, payload });
      const paced = !coalesce;
      this.#outputs.push({ type: "segment", exchange: stream, data, offset, length: payload.length, last, paced });
      step = { ...step, offset: offset + payload.length, inFlight: step.inFlight + 1, ended: last };
    }
    const isSent = step.name === "sending" && step.ended;
    if (isSent && step.name === "sending") {
      this.#set(exchange, { name: "awaitingAck", content: step.content }, plus(now, ACK_TIMEOUT));
    } else {
      this.#set(exchange, step, plus(now, STALL_TIMEOUT));
    }
  }

  #set(exchange: Exchange, step: Step, deadline: Instant): void {
    this.#exchanges.set(exchange.stream, { ...exchange, step, deadline });
  }

  /** Not this exchange, but another one may follow on the connection. */
  #refuse(stream: number, code: RsuErrorCode, reason: string): void {
    this.#tell({ type: "refused", code, reason });
    const data = encodePdu({ type: RsuType.Error, payload: encodeError(code, reason) });
    this.#outputs.push({ type: "answer", exchange: stream, data, fin: true });
    this.#exchanges.delete(stream);
  }

  /** Before its data a peer is told why; among them an original would take the reason for firmware. */
  #break(code: RsuErrorCode, reason: string): void {
    for (const [stream, { step }] of this.#exchanges) {
      if (["awaitingVersion", "waiting", "awaitingRequest"].includes(step.name)) this.#refuse(stream, code, reason);
    }
    this.#exchanges.clear();
    this.#closed = true;
    this.#outputs.push({ type: "close", code: 1, reason: code });
  }

  #tell(event: RsuServerEvent): void {
    this.#outputs.push({ type: "event", event });
  }
}

/** Streams that a server opens have an odd number. (RFC 9000, 2.1) */
const isServers = (stream: number): boolean => stream % 2 === 1;
