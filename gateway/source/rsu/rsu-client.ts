import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, type Instant, ms, plus, s } from "../../../emulator/kernel/time.ts";
import { encodeBase64 } from "../../../emulator/wire/base64.ts";
import type { HostAnswer } from "../host-request.ts";
import { compareDotted, isDotted } from "./dotted-version.ts";
import {
  decodeError,
  decodeTerms,
  encodeOffer,
  RSU_CAPABILITIES,
  type RsuErrorCode,
  type RsuTerms,
} from "./extensions.ts";
import { decodePdu, encodePdu, type RsuPdu, RsuType } from "./pdu.ts";
import { isBetweenPdus, SPLITTER_START, type SplitterState, splitPdus } from "./pdu-splitter.ts";

/** One exchange, from the device's side. Plain data. */
export interface RsuJob {
  /** "look": what is there; nothing is fetched. */
  readonly method: "look" | "fetch";
  readonly protocolVersion: string;
  readonly firmwareVersion: string;
  readonly target?: string;
  readonly resume?: { readonly from: number; readonly of: string };
  /** How long the server may wait for something newer, seconds. */
  readonly wait?: number;
  /** The most firmware that is taken, bytes. */
  readonly bodyMax: number;
}

export type RsuClientInput =
  /** The handshake is done. */
  | { readonly type: "connected" }
  | { readonly type: "data"; readonly stream: number; readonly data: Uint8Array; readonly fin: boolean }
  /** The connection is gone. */
  | { readonly type: "closed"; readonly reason: string };

export type RsuClientOutput =
  | { readonly type: "write"; readonly stream: number; readonly data: Uint8Array; readonly fin: boolean }
  /** As of a {@link HostDriver}, but with bodies as long as they happen to be. */
  | { readonly type: "answer"; readonly answer: HostAnswer }
  /** Nothing more is wanted of the connection. */
  | { readonly type: "close" };

/** The stream that the client opens; all others are the server's. */
export const REQUEST_STREAM = 0;
const STREAMS_MAX = 8;
const ACK_TEXT = new TextEncoder().encode("All data received");

const ACK_TIMEOUT: Duration = s(5);
const STALL_TIMEOUT: Duration = s(15);
/** How long the acknowledgement has to get away: until the server finishes the request stream, or blindly. */
const GOODBYE_TIMEOUT: Duration = s(1);
const LINGER: Duration = ms(50);

type State =
  | { readonly name: "connecting" }
  | { readonly name: "awaitingAck"; readonly deadline: Instant }
  | {
      readonly name: "receiving";
      readonly deadline: Instant;
      readonly terms: RsuTerms | undefined;
      /** Bytes of firmware that have come in this exchange. */
      readonly received: number;
    }
  | { readonly name: "leaving"; readonly deadline: Instant }
  | { readonly name: "done" };

export interface RsuClientState {
  readonly state: State;
  readonly splitters: readonly { readonly stream: number; readonly splitter: SplitterState }[];
  readonly requestFinished: boolean;
}

/** What HTTP would call it, for {@link HostAnswer}. */
const STATUS: Readonly<Record<RsuErrorCode, number>> = {
  NOT_NEWER: 204,
  MALFORMED: 400,
  TARGET_UNKNOWN: 404,
  TIMEOUT: 408,
  UNKNOWN: 500,
  BUSY: 503,
  VERSION_UNKNOWN: 505,
};

/**
 * The device's side of one RSU exchange on one connection: version exchange, request, segments, acknowledgement. Bytes in
 * and out only. Data are taken from whatever stream they come on; nothing is written before the answer to what was
 * written last. (docs/protocols/rsu.md)
 */
export class RsuClient implements Machine<RsuClientInput, RsuClientOutput>, Stateful<RsuClientState> {
  readonly #job: RsuJob;
  readonly #outputs: RsuClientOutput[] = [];
  readonly #splitters = new Map<number, SplitterState>();
  #state: State = { name: "connecting" };
  #requestFinished = false;

  constructor(job: RsuJob) {
    this.#job = job;
  }

  handle(input: RsuClientInput, now: Instant): void {
    if (this.#state.name === "done") return;
    switch (input.type) {
      case "connected":
        if (this.#state.name === "connecting") this.#begin(now);
        return;
      case "data":
        this.#received(input.stream, input.data, input.fin, now);
        return;
      case "closed":
        if (this.#state.name !== "leaving") this.#fail("HOST_RESET", "the server closed the connection");
        else this.#done();
    }
  }

  handleDeadline(now: Instant): void {
    const state = this.#state;
    if (!("deadline" in state) || now < state.deadline) return;
    if (state.name === "awaitingAck")
      this.#fail("HOST_SILENT", "no answer to the version exchange: rejected, or nothing newer");
    else if (state.name === "receiving") this.#fail("HOST_TIMEOUT", "no further segment in time");
    else this.#done();
  }

  nextDeadline(): Instant | undefined {
    return "deadline" in this.#state ? this.#state.deadline : undefined;
  }

  poll(): RsuClientOutput | undefined {
    return this.#outputs.shift();
  }

  save(): RsuClientState {
    const splitters = [...this.#splitters].map(([stream, splitter]) => ({ stream, splitter }));
    return { state: this.#state, splitters, requestFinished: this.#requestFinished };
  }

  load(state: RsuClientState): void {
    this.#state = state.state;
    this.#requestFinished = state.requestFinished;
    this.#splitters.clear();
    for (const { stream, splitter } of state.splitters) this.#splitters.set(stream, splitter);
    this.#outputs.length = 0;
  }

  #begin(now: Instant): void {
    const { protocolVersion, firmwareVersion, target, resume, wait } = this.#job;
    const payload = encodeOffer({
      capabilities: RSU_CAPABILITIES,
      ...(target !== undefined && { target }),
      ...(resume !== undefined && { resume }),
      ...(wait !== undefined && { wait }),
    });
    this.#write(encodePdu({ type: RsuType.VersionExchange, payload, protocolVersion, firmwareVersion }), false);
    this.#state = { name: "awaitingAck", deadline: plus(plus(now, ACK_TIMEOUT), s(wait ?? 0)) };
  }

  #received(stream: number, data: Uint8Array, fin: boolean, now: Instant): void {
    if (this.#state.name === "connecting") return; // 0-RTT is not spoken
    const before = this.#splitters.get(stream) ?? SPLITTER_START;
    if (!this.#splitters.has(stream) && this.#splitters.size >= STREAMS_MAX) {
      this.#fail("HOST_PROTOCOL", `the server opens more than ${STREAMS_MAX} streams`);
      return;
    }
    const { state, objects, error } = splitPdus(before, data);
    this.#splitters.set(stream, state);
    for (const object of objects) {
      if (this.#state.name === "done" || this.#state.name === "leaving") break;
      this.#pdu(object, now);
    }
    if (this.#isOver()) {
      this.#goodbye(stream, fin);
      return;
    }
    if (error !== undefined) this.#fail("HOST_PROTOCOL", error);
    else if (fin) this.#finished(stream, state);
  }

  #isOver(): boolean {
    return this.#state.name === "done" || this.#state.name === "leaving";
  }

  /** All is said; what is left is that the server has heard it. */
  #goodbye(stream: number, fin: boolean): void {
    if (!fin || stream !== REQUEST_STREAM) return;
    this.#requestFinished = true;
    if (this.#state.name === "leaving") this.#done();
  }

  #finished(stream: number, splitter: SplitterState): void {
    if (stream === REQUEST_STREAM) this.#requestFinished = true;
    if (!isBetweenPdus(splitter)) this.#fail("HOST_RESET", "a stream ended in the middle of a PDU");
    else if (this.#state.name === "awaitingAck" && stream === REQUEST_STREAM)
      this.#fail("HOST_SILENT", "the server finished the version exchange without an answer");
    else if (this.#state.name === "receiving" && stream !== REQUEST_STREAM)
      this.#fail("HOST_RESET", "the data ended before their last segment");
  }

  #pdu(object: Uint8Array, now: Instant): void {
    const pdu = decodePdu(object);
    if (pdu.type === "malformed") this.#fail("HOST_PROTOCOL", pdu.reason);
    else if (this.#state.name === "awaitingAck") this.#whileAwaitingAck(pdu, now);
    else if (this.#state.name === "receiving") this.#segment(this.#state, pdu, now);
  }

  #whileAwaitingAck(pdu: RsuPdu, now: Instant): void {
    if (pdu.type === RsuType.Error) {
      const { code, reason } = decodeError(pdu.payload);
      this.#refused(STATUS[code], reason);
    } else if (pdu.type !== RsuType.VersionAck) {
      this.#fail("HOST_PROTOCOL", `PDU of type ${pdu.type} instead of VERSION_ACK`);
    } else {
      this.#acknowledged(pdu, now);
    }
  }

  #acknowledged({ protocolVersion, firmwareVersion, payload }: RsuPdu, now: Instant): void {
    const { method, firmwareVersion: own, protocolVersion: spoken } = this.#job;
    if (!isDotted(protocolVersion) || !isDotted(firmwareVersion)) {
      this.#fail("HOST_PROTOCOL", "VERSION_ACK without versions");
    } else if (protocolVersion.split(".")[0] !== spoken.split(".")[0]) {
      this.#refused(STATUS.VERSION_UNKNOWN, `the server speaks version ${protocolVersion}`);
    } else if (compareDotted(firmwareVersion, own) <= 0) {
      this.#refused(409, `the server offers ${firmwareVersion}, which is not newer than ${own}`);
    } else {
      const terms = decodeTerms(payload);
      if (terms !== undefined && !this.#isWhatWasAskedFor(terms)) {
        this.#fail("HOST_PROTOCOL", `the server begins at byte ${terms.from}, which was not asked for`);
        return;
      }
      const status = (terms?.from ?? 0) > 0 ? 206 : 200;
      this.#answer({ type: "head", status, headers: headersOf(firmwareVersion, terms) });
      if (method === "look") {
        this.#leave();
        return;
      }
      this.#write(encodePdu({ type: RsuType.RequestUpdate }), true);
      this.#state = { name: "receiving", terms, received: 0, deadline: plus(now, STALL_TIMEOUT) };
    }
  }

  /** A server goes on where it was asked to, with the very content that was meant, or begins at the beginning. */
  #isWhatWasAskedFor({ from, sha256 }: RsuTerms): boolean {
    const { resume } = this.#job;
    return from === 0 || (from === resume?.from && sha256 === resume.of);
  }

  #segment(state: State & { name: "receiving" }, { type, payload }: RsuPdu, now: Instant): void {
    if (type === RsuType.Error) {
      this.#fail("HOST_PEER", decodeError(payload).reason);
    } else if (type !== RsuType.StartSndData && type !== RsuType.FinishSndData) {
      this.#fail("HOST_PROTOCOL", `PDU of type ${type} among the segments`);
    } else if (type === RsuType.StartSndData && payload.length === 0) {
      this.#fail("HOST_PROTOCOL", "an empty segment that is not the last one");
    } else {
      this.#take(state, payload, type === RsuType.FinishSndData, now);
    }
  }

  #take(state: State & { name: "receiving" }, payload: Uint8Array, isLast: boolean, now: Instant): void {
    const received = state.received + payload.length;
    const { terms } = state;
    const promised = terms === undefined ? undefined : terms.size - terms.from;
    if (received > this.#job.bodyMax) {
      this.#fail("HOST_BODY_TOO_LONG", `the firmware is longer than ${this.#job.bodyMax} bytes`);
    } else if (promised !== undefined && (received > promised || (isLast && received < promised))) {
      this.#fail("HOST_PROTOCOL", `${received} bytes came where ${promised} were announced`);
    } else {
      if (payload.length > 0) this.#answer({ type: "body", data: payload });
      this.#state = { ...state, received, deadline: plus(now, STALL_TIMEOUT) };
      if (isLast) this.#acknowledge(now);
    }
  }

  #acknowledge(now: Instant): void {
    // on the stream that the data came on, which is the last that something came on
    const stream = [...this.#splitters.keys()].findLast((each) => each !== REQUEST_STREAM) ?? REQUEST_STREAM;
    const data = encodePdu({ type: RsuType.SendAck, payload: ACK_TEXT });
    if (stream !== REQUEST_STREAM) this.#outputs.push({ type: "write", stream, data, fin: true });
    this.#answer({ type: "end" });
    this.#state = { name: "leaving", deadline: plus(now, this.#requestFinished ? LINGER : GOODBYE_TIMEOUT) };
  }

  #refused(status: number, reason: string): void {
    this.#answer({ type: "head", status, headers: { reason } });
    this.#leave();
  }

  #leave(): void {
    this.#answer({ type: "end" });
    this.#done();
  }

  #fail(code: string, reason: string): void {
    if (this.#state.name !== "leaving") this.#answer({ type: "failed", code, reason });
    this.#done();
  }

  #done(): void {
    this.#state = { name: "done" };
    this.#outputs.push({ type: "close" });
  }

  #answer(answer: HostAnswer): void {
    this.#outputs.push({ type: "answer", answer });
  }

  #write(data: Uint8Array, fin: boolean): void {
    this.#outputs.push({ type: "write", stream: REQUEST_STREAM, data, fin });
  }
}

/** What a server says of its content, in the words of HTTP where there are some. */
function headersOf(version: string, terms: RsuTerms | undefined): Record<string, string> {
  if (terms === undefined) return { version };
  const { capabilities, size, sha256, from, signature } = terms;
  return {
    version,
    capabilities: capabilities.join(" "),
    "content-length": String(size - from),
    size: String(size),
    from: String(from),
    sha256,
    ...(signature !== undefined && { signature: encodeBase64(signature) }),
  };
}
