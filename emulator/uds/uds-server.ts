import type { Machine, Stateful } from "../kernel/machine.ts";
import { type Duration, earliest, type Instant, plus } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import {
  NEGATIVE_RESPONSE,
  Nrc,
  POSITIVE_RESPONSE_OFFSET,
  Session,
  Sid,
  SUPPRESS_POSITIVE_RESPONSE,
} from "../wire/uds.ts";
import type { UdsConfig } from "./config.ts";
import { decodeEvents, type UdsEvent } from "./events/event.ts";
import { eventDeadline, lookedAt, started } from "./events/watch.ts";
import type { UdsHost } from "./host.ts";
import { type Asked, type Came, echoing, type InProgress, insteadOf, oddities } from "./in-progress.ts";
import { type Envelope, overhead, sealed } from "./secured/envelope.ts";
import { type Answer, freshMemory, joined, type ResetType, type ServerMemory, type Service } from "./service.ts";
import { downTime } from "./services/ecu-reset.ts";
import { servicesOf } from "./services/index.ts";
import { duePeriodic } from "./services/read-data-by-periodic-identifier.ts";
import { ZERO_SUB_FUNCTION } from "./services/tester-present.ts";
import { changeSession } from "./session.ts";
import type { Work } from "./work.ts";

export type UdsInput =
  | { readonly type: "request"; readonly data: Uint8Array; readonly functional: boolean }
  /** The first frame of a longer request has come: S3 stops here, not when the message is whole. */
  | { readonly type: "receiving" }
  /** A longer request broke off. */
  | { readonly type: "receptionFailed" }
  /** The last response is on the wire, or will never be. */
  | { readonly type: "sent" };

export type UdsOutput =
  | { readonly type: "respond"; readonly data: Uint8Array }
  /** One frame, not segmented and not confirmed: a periodic message. (ISO 14229-1:2020, 11.5, response type 2) */
  | { readonly type: "periodic"; readonly data: Uint8Array }
  /** Starts again after `downTime`. */
  | { readonly type: "reset"; readonly resetType: ResetType; readonly downTime: Duration };

interface Response {
  readonly data: Uint8Array;
  readonly reset: ResetType | undefined;
  /** Nobody asked for it: an event has happened. */
  readonly event?: true;
}

export interface UdsServerState {
  readonly memory: Readonly<ServerMemory>;
  readonly work: InProgress | undefined;
  readonly s3At: Instant | undefined;
  /** Responses in order; the first is being sent when `sending`. */
  readonly outbox: readonly Response[];
  readonly sending: boolean;
  readonly periodic: readonly Uint8Array[];
  readonly resetDue: ResetType | undefined;
}

/** More responses than that wait for the bus only when a tester floods the server; further requests are then dropped. */
const OUTBOX_MAX = 4;

const NO_BYTES = new Uint8Array(0);

/** Not sent as an answer to a functional request, unless a 0x78 went before. (ISO 14229-1:2020, 8.7, Table 6) */
const SILENT_WHEN_FUNCTIONAL: ReadonlySet<number> = new Set([
  Nrc.ServiceNotSupported,
  Nrc.SubFunctionNotSupported,
  Nrc.RequestOutOfRange,
  Nrc.SubFunctionNotSupportedInActiveSession,
  Nrc.ServiceNotSupportedInActiveSession,
]);

/**
 * The server side of UDS for one tester. Requests are checked in the order of ISO 14229-1:2020, 8.7 (Figures 5 and 6),
 * so that the first NRC that applies is the one that is sent. Long work is the host's; meanwhile the server keeps the
 * tester waiting with 0x78, holds S3 and answers other requests with 0x21.
 */
export class UdsServer implements Machine<UdsInput, UdsOutput>, Stateful<UdsServerState> {
  readonly #name: string;
  readonly #config: UdsConfig;
  readonly #host: UdsHost;
  readonly #services: ReadonlyMap<number, Service>;
  readonly #tracer: Tracer;
  #memory: ServerMemory = freshMemory();
  #work: InProgress | undefined;
  #s3At: Instant | undefined;
  #outbox: Response[] = [];
  #sending = false;
  /** Periodic messages that are due. They leave S3 alone. */
  #periodic: Uint8Array[] = [];
  #resetDue: ResetType | undefined;

  constructor(name: string, config: UdsConfig, host: UdsHost, tracer: Tracer) {
    this.#name = name;
    this.#config = config;
    this.#host = host;
    this.#services = servicesOf(config);
    this.#tracer = tracer;
  }

  get session(): Session {
    return this.#memory.session;
  }

  handle(input: UdsInput, now: Instant): void {
    switch (input.type) {
      case "request":
        if (input.data.length > 0 && this.#outbox.length < OUTBOX_MAX && !this.#resetPending) {
          this.#request(input.data, input.functional, now);
        }
        break;
      case "receiving":
        this.#s3At = undefined;
        return;
      case "receptionFailed":
        break;
      case "sent":
        if (this.#sent() === "event") return; // S3 is the tester's business
        break;
    }
    this.#restartS3(now);
  }

  handleDeadline(now: Instant): void {
    const work = this.#work;
    if (work !== undefined && work.until <= now) this.#resume(work, now);
    else if (work !== undefined && work.pendingAt <= now) this.#sendPending(work, now);
    if (this.#s3At !== undefined && this.#s3At <= now) this.#endSession(now);
    if (this.#memory.periodic.length > 0) this.#sendPeriodic(now);
    this.#lookAtEvents(now);
  }

  /** The application begins: events that were stored run again. */
  start(now: Instant): void {
    const stored = this.#host.events?.stored;
    if (stored === undefined) return;
    const context = this.#context(now);
    this.#memory.events = decodeEvents(stored).map((event) => started(event, context));
  }

  poll(): UdsOutput | undefined {
    const periodic = this.#periodic.shift();
    if (periodic !== undefined) return { type: "periodic", data: periodic };
    const next = this.#outbox[0];
    if (next !== undefined && !this.#sending) {
      this.#sending = true;
      return { type: "respond", data: next.data };
    }
    if (this.#resetDue !== undefined && next === undefined) {
      const resetType = this.#resetDue;
      this.#resetDue = undefined;
      return {
        type: "reset",
        resetType,
        downTime: downTime(resetType, { config: this.#config, memory: this.#memory }),
      };
    }
    return undefined;
  }

  nextDeadline(): Instant | undefined {
    const periodic = this.#memory.periodic.map(({ due }) => due);
    const events = eventDeadline(this.#memory.events);
    return earliest(this.#s3At, this.#work?.until, this.#work?.pendingAt, events, ...periodic);
  }

  /** As after power-up: everything that was going on is forgotten. */
  reset(): void {
    this.#memory = freshMemory();
    this.#work = undefined;
    this.#s3At = undefined;
    this.#outbox = [];
    this.#sending = false;
    this.#periodic = [];
    this.#resetDue = undefined;
  }

  save(): UdsServerState {
    return {
      memory: { ...this.#memory },
      work: this.#work,
      s3At: this.#s3At,
      outbox: [...this.#outbox],
      sending: this.#sending,
      periodic: [...this.#periodic],
      resetDue: this.#resetDue,
    };
  }

  load(state: UdsServerState): void {
    this.#memory = { ...state.memory };
    this.#work = state.work;
    this.#s3At = state.s3At;
    this.#outbox = [...state.outbox];
    this.#sending = state.sending;
    this.#periodic = [...state.periodic];
    this.#resetDue = state.resetDue;
  }

  get #resetPending(): boolean {
    return this.#resetDue !== undefined || this.#outbox.some(({ reset }) => reset !== undefined);
  }

  #request(data: Uint8Array, functional: boolean, now: Instant): void {
    this.#tracer.record(now, this.#name, "uds.request", { addressing: functional ? "functional" : "physical", data });
    const sid = data[0] as number;
    if (this.#work !== undefined) {
      if (!isKeepAlive(data)) this.#push(negativeResponse(sid, Nrc.BusyRepeatRequest), now);
      return;
    }
    this.#s3At = undefined;
    const { p2Server, p2ServerMargin } = this.#config;
    const pendingAt = (now + p2Server - p2ServerMargin) as Instant;
    this.#carryOut(data, { functional, pendingAt, pendingSent: false, envelope: undefined }, now);
  }

  #carryOut(data: Uint8Array, how: Came, now: Instant): void {
    const sid = data[0] as number;
    const service = this.#services.get(sid);
    const misbehaviour = this.#host.misbehave({ sid, block: this.#blockOf(data) }, now);
    if (misbehaviour?.type === "silence") return;
    const { session: before, link } = this.#memory;
    const answer = insteadOf(misbehaviour, data) ?? this.#answer(data, service, how, now);
    if (misbehaviour?.type === "refuse" && misbehaviour.nrc !== Nrc.BusyRepeatRequest) {
      service?.ended?.(false, this.#context(now));
    }
    const suppress =
      service !== undefined && service.subFunctions !== "none" && ((data[1] ?? 0) & SUPPRESS_POSITIVE_RESPONSE) !== 0;
    this.#give(sid, answer, { ...how, suppress, ...oddities(misbehaviour, plus(now, this.#config.p2Server)) }, now);
    if (this.#memory.session !== before) this.#sessionChanged(before, now);
    this.#traceLink(link.bitRate, now);
  }

  /** Says what the ECU would do to its transceiver; the virtual bus keeps its bit rate. */
  #traceLink(before: number | undefined, now: Instant): void {
    const { bitRate } = this.#memory.link;
    if (bitRate !== before) this.#tracer.record(now, this.#name, "uds.link", { bitRate: bitRate ?? 0 });
  }

  #answer(
    data: Uint8Array,
    service: Service | undefined,
    how: Pick<Asked, "functional" | "envelope">,
    now: Instant,
  ): Answer {
    if (service === undefined || service.offered?.(this.#host) === false || (how.functional && !service.functional)) {
      return { type: "negative", nrc: Nrc.ServiceNotSupported };
    }
    const open = how.envelope === undefined && this.#config.secured?.services.includes(service.sid) === true;
    const nrc = open ? Nrc.SecureDataTransmissionRequired : this.#refusal(data, service);
    return nrc === undefined ? service.run(data, this.#context(now)) : { type: "negative", nrc };
  }

  /** The checks that are the same for all services, in their order. (ISO 14229-1:2020, Figures 5 and 6) */
  #refusal(data: Uint8Array, service: Service): Nrc | undefined {
    const { session, unlocked, authentication } = this.#memory;
    if (!service.sessions.includes(session)) return Nrc.ServiceNotSupportedInActiveSession;
    const { authentication: config } = this.#config;
    if (config?.services.includes(service.sid) === true && !authentication.authenticated)
      return Nrc.AuthenticationRequired;
    if (service.unlocked && !unlocked) return Nrc.SecurityAccessDenied;
    if (typeof service.subFunctions === "string") return undefined;
    const octet = data[1];
    if (octet === undefined) return Nrc.IncorrectMessageLengthOrInvalidFormat;
    const sessions = service.subFunctions.get(octet & ~SUPPRESS_POSITIVE_RESPONSE);
    if (sessions === undefined) return Nrc.SubFunctionNotSupported;
    return sessions.includes(session) ? undefined : Nrc.SubFunctionNotSupportedInActiveSession;
  }

  #context(now: Instant) {
    return { now, config: this.#config, host: this.#host, memory: this.#memory };
  }

  /** Sends what is to be sent of an answer, or keeps it until the work on it has ended. */
  #give(sid: number, answer: Answer, asked: Asked, now: Instant): void {
    if (answer.type === "inner") {
      const { work, request, envelope } = answer;
      if (work.type === "busy") {
        const waiting = { inner: request, envelope, response: request, reset: undefined, held: undefined };
        this.#work = { sid, ...asked, ...waiting, until: work.until };
      } else this.#open(request, { ...asked, envelope }, work, now);
    } else if (answer.type === "busy") {
      const { until, response, reset } = answer;
      this.#work = { sid, ...asked, inner: undefined, response, reset, until, held: undefined };
    } else if (asked.heldUntil !== undefined && asked.heldUntil > now) {
      const waiting = { inner: undefined, response: NO_BYTES, reset: undefined, held: answer };
      this.#work = { sid, ...asked, ...waiting, until: asked.heldUntil };
    } else if (answer.type === "negative") {
      const silent = asked.functional && !asked.pendingSent && SILENT_WHEN_FUNCTIONAL.has(answer.nrc);
      if (!silent) this.#respond(negativeResponse(sid, answer.nrc), asked.envelope, now);
    } else if (asked.suppress && !asked.pendingSent) {
      this.#resetDue = answer.reset;
    } else {
      const response = echoing(answer.response, asked);
      this.#respond(response, asked.envelope, now, answer.reset);
    }
  }

  /** A request that came inside 0x84 is carried out, now that its counter is stored. */
  #open(request: Uint8Array, asked: Asked, outcome: Work, now: Instant): void {
    if (outcome.type === "refused") {
      this.#push(negativeResponse(Sid.SecuredDataTransmission, outcome.nrc), now);
      return;
    }
    this.#tracer.record(now, this.#name, "uds.secured", { way: "request", data: request });
    const { functional, pendingAt, pendingSent, envelope } = asked;
    this.#carryOut(request, { functional, pendingAt, pendingSent, envelope }, now);
  }

  #respond(data: Uint8Array, envelope: Envelope | undefined, now: Instant, reset?: ResetType): void {
    if (envelope === undefined) {
      this.#push(data, now, reset);
      return;
    }
    const fits = data.length + overhead(envelope) <= this.#config.responseSizeMax;
    const message = fits ? data : negativeResponse(sidOf(data), Nrc.ResponseTooLong);
    this.#tracer.record(now, this.#name, "uds.secured", { way: "response", data: message });
    this.#push(sealed(message, envelope, this.#host.secrets.crypto), now, reset);
  }

  #resume(work: InProgress, now: Instant): void {
    if (work.held !== undefined) {
      this.#work = undefined;
      this.#give(work.sid, work.held, work, now);
      this.#restartS3(now);
      return;
    }
    const outcome = this.#host.resume(now);
    if (outcome.type === "busy") {
      this.#work = { ...work, until: outcome.until };
      if (work.pendingAt <= now) this.#sendPending(this.#work, now);
      return;
    }
    this.#work = undefined;
    if (work.inner !== undefined) {
      this.#open(work.inner, work, outcome, now);
      this.#restartS3(now);
      return;
    }
    const service = this.#services.get(work.sid);
    service?.ended?.(outcome.type === "done", this.#context(now));
    const answer = service?.next?.(outcome, this.#context(now)) ?? answerOf(work, outcome);
    if (answer.type === "busy") {
      this.#work = { ...work, response: answer.response, until: answer.until };
      if (work.pendingAt <= now) this.#sendPending(this.#work, now);
      return;
    }
    this.#give(work.sid, answer, work, now);
    this.#restartS3(now);
  }

  #sendPending(work: InProgress, now: Instant): void {
    const { p2StarServer, p2StarServerMargin } = this.#config;
    const pendingAt = (now + p2StarServer - p2StarServerMargin) as Instant;
    this.#work = { ...work, pendingSent: true, pendingAt };
    // says nothing that is secret, and must be understood by gateways
    const sid = work.envelope === undefined ? work.sid : Sid.SecuredDataTransmission;
    this.#push(negativeResponse(sid, Nrc.RequestCorrectlyReceivedResponsePending), now);
  }

  #sendPeriodic(now: Instant): void {
    for (const data of duePeriodic(this.#context(now))) {
      this.#tracer.record(now, this.#name, "uds.periodic", { data });
      this.#periodic.push(data);
    }
  }

  #push(data: Uint8Array, now: Instant, reset?: ResetType): void {
    this.#tracer.record(now, this.#name, "uds.response", { data });
    this.#outbox.push({ data, reset });
  }

  #sent(): "event" | "answer" | undefined {
    if (!this.#sending) return undefined;
    this.#sending = false;
    const sent = this.#outbox.shift();
    if (sent?.reset !== undefined) this.#resetDue = sent.reset;
    return sent?.event === true ? "event" : "answer";
  }

  /** At most one event is answered at a time; the others that have happened are seen at their next turn. */
  #lookAtEvents(now: Instant): void {
    if (this.#memory.events.length === 0) return;
    const context = this.#context(now);
    let happened: UdsEvent | undefined;
    this.#memory.events = this.#memory.events.map((event) => {
      const idle = this.#work === undefined && this.#outbox.length === 0 && happened === undefined;
      const [struck, next] = lookedAt(event, idle, context);
      if (struck) happened = event;
      return next;
    });
    if (happened !== undefined) this.#answerEvent(happened, now);
  }

  #answerEvent({ respond }: UdsEvent, now: Instant): void {
    const sid = respond[0] as number;
    const answer = this.#answer(respond, this.#services.get(sid), { functional: false, envelope: undefined }, now);
    if (answer.type === "busy" || answer.type === "inner") return; // none of the services that may be asked for is
    const data = answer.type === "positive" ? answer.response : negativeResponse(sid, answer.nrc);
    this.#tracer.record(now, this.#name, "uds.response", { data });
    this.#outbox.push({ data, reset: undefined, event: true });
  }

  /** S3 runs only while nothing is asked, worked on or being answered. (ISO 14229-2:2021, 9.4) */
  #restartS3(now: Instant): void {
    const idle = this.#work === undefined && this.#outbox.length === 0;
    const running = idle && this.#memory.session !== Session.Default;
    this.#s3At = running ? plus(now, this.#config.s3Server) : undefined;
  }

  #endSession(now: Instant): void {
    const from = this.#memory.session;
    const { link } = this.#memory;
    changeSession(Session.Default, this.#context(now));
    this.#s3At = undefined;
    this.#sessionChanged(from, now);
    this.#traceLink(link.bitRate, now);
  }

  /** What 28 and 85 switched off outlives other sessions, not the default one. (ISO 14229-1:2020, 10.2, Figure 7) */
  #sessionChanged(from: Session, now: Instant): void {
    const to = this.#memory.session;
    this.#tracer.record(now, this.#name, "uds.session", { from, to });
    if (to !== Session.Default) return;
    this.#host.dtc?.sessionEnded();
    this.#host.communication?.sessionEnded(now);
  }

  #blockOf(data: Uint8Array): number | undefined {
    const download = this.#memory.download;
    if (data[0] !== Sid.TransferData || download === undefined) return undefined;
    return data[1] === download.lastCounter && download.blocks > 0 ? download.blocks : download.blocks + 1;
  }
}

/** The answer that was waiting for its work to end. */
function answerOf(work: InProgress, outcome: Exclude<Work, { type: "busy" }>): Answer {
  if (outcome.type === "refused") return { type: "negative", nrc: outcome.nrc };
  const reset = work.reset === undefined ? {} : { reset: work.reset };
  return { type: "positive", response: joined(work.response, outcome.record), ...reset };
}

/** A tester keeps sessions alive without regard to what else goes on; it wants no answer and gets none. */
const isKeepAlive = (data: Uint8Array): boolean =>
  data.length === 2 && data[0] === Sid.TesterPresent && data[1] === (ZERO_SUB_FUNCTION | SUPPRESS_POSITIVE_RESPONSE);

/** Of the request that `response` answers. */
const sidOf = (response: Uint8Array): number =>
  response[0] === NEGATIVE_RESPONSE ? (response[1] as number) : (response[0] as number) - POSITIVE_RESPONSE_OFFSET;

const negativeResponse = (sid: number, nrc: number): Uint8Array => Uint8Array.of(NEGATIVE_RESPONSE, sid, nrc);
