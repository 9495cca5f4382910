import { type BenchError, LinkError, UsageError } from "../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import { type Duration, earliest, type Instant, ms, plus, s } from "../../emulator/kernel/time.ts";
import { toHex } from "../../emulator/wire/text.ts";
import {
  NEGATIVE_RESPONSE,
  Nrc,
  POSITIVE_RESPONSE_OFFSET,
  Sid,
  SUPPRESS_POSITIVE_RESPONSE,
} from "../../emulator/wire/uds.ts";
import { DiagnosticNackError } from "../doip/doip-errors.ts";
import { NegativeResponseError, UdsResponseError } from "./uds-errors.ts";

/** (ISO 14229-2:2021, 9, P2 and P2* of the client) */
export interface UdsClientTiming {
  /** P2Server and P2*Server until the ECU says otherwise in its answer to 0x10. */
  readonly p2Server: Duration;
  readonly p2StarServer: Duration;
  /**
   * Delta P2: what the way adds to them, both directions together. A gateway acknowledges a request before it is on the
   * bus, while P2 begins at its end there, so this covers the transfers, and N_Bs, after which the gateway says that one
   * has failed. An ECU that takes its requests slowly (STmin, FC.WAIT) needs more. (ISO 14229-2:2021, 7.2)
   */
  readonly path: Duration;
  /** How long one request may be answered 0x78, in all. */
  readonly pendingMax: Duration;
  /** How long the link may take to say that a request is on its way. */
  readonly acknowledgeMax: Duration;
}

const TIMING: UdsClientTiming = {
  p2Server: ms(50),
  p2StarServer: s(5),
  path: s(2),
  pendingMax: s(120),
  acknowledgeMax: s(5),
};

/** What an ECU may say of its P2 and P2*; values beyond are taken as the nearest of these. */
const P2_BOUNDS = [ms(10), s(5)] as const;
const P2_STAR_BOUNDS = [ms(500), s(30)] as const;

/** How many bytes behind the SID an answer repeats of its request. (ISO 14229-1:2020, 10 to 14) */
const ECHOED: ReadonlyMap<number, number> = new Map<number, number>([
  [Sid.DiagnosticSessionControl, 1],
  [Sid.EcuReset, 1],
  [Sid.ReadDataByIdentifier, 2],
  [Sid.SecurityAccess, 1],
  [Sid.WriteDataByIdentifier, 2],
  [Sid.RoutineControl, 3],
  [Sid.TransferData, 1],
  [Sid.TesterPresent, 1],
]);

/** Services whose first byte behind the SID is a sub-function, with its suppress bit. */
const WITH_SUB_FUNCTION: ReadonlySet<number> = new Set<number>([
  Sid.DiagnosticSessionControl,
  Sid.EcuReset,
  Sid.SecurityAccess,
  Sid.RoutineControl,
  Sid.TesterPresent,
]);

export type UdsClientInput =
  /** Ends in `response`, `sent` (when its suppress bit is set) or `failed`. */
  | { readonly type: "request"; readonly data: Uint8Array }
  /** The request is on its way to the ECU: P2 runs from here. */
  | { readonly type: "acknowledged" }
  /** The gateway did not bring it there. `code`: see DiagnosticNack. */
  | { readonly type: "refused"; readonly code: number }
  | { readonly type: "received"; readonly data: Uint8Array }
  | { readonly type: "lost"; readonly error: BenchError }
  /** Forgets the request; nothing more is told of it. */
  | { readonly type: "cancel" };

export type UdsClientOutput =
  | { readonly type: "transmit"; readonly data: Uint8Array }
  /** The positive response, its SID included. */
  | { readonly type: "response"; readonly data: Uint8Array }
  /** A request that wants no answer is on its way. */
  | { readonly type: "sent" }
  /** {@link NegativeResponseError}, {@link UdsResponseError}, {@link DiagnosticNackError}, or a LinkError: UDS_TIMEOUT,
   *  UDS_NOT_ACKNOWLEDGED, or what `lost` said. */
  | { readonly type: "failed"; readonly error: BenchError }
  | UdsNote;

/** Something odd that did no harm. */
export interface UdsNote {
  readonly type: "noted";
  readonly code: "UDS_LATE_RESPONSE" | "UDS_FOREIGN_RESPONSE" | "UDS_TIMING_CLAMPED" | "UDS_TIMING_MISSING";
  readonly reason: string;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "awaitingAcknowledgement"; readonly request: Uint8Array; readonly deadline: Instant }
  | {
      readonly name: "awaitingResponse";
      readonly request: Uint8Array;
      readonly deadline: Instant;
      /** When patience with 0x78 ends; unset before the first one. */
      readonly pendingLimit?: Instant;
    };

export interface UdsClientState {
  readonly state: State;
  readonly p2Server: Duration;
  readonly p2StarServer: Duration;
}

const IDLE: State = { name: "idle" };

/** The client side of one ECU: one request at a time. */
export class UdsClient implements Machine<UdsClientInput, UdsClientOutput>, Stateful<UdsClientState> {
  readonly #timing: UdsClientTiming;
  #outputs: UdsClientOutput[] = [];
  #state: State = IDLE;
  #p2Server: Duration;
  #p2StarServer: Duration;

  constructor(timing: Partial<UdsClientTiming> = {}) {
    this.#timing = { ...TIMING, ...timing };
    this.#p2Server = this.#timing.p2Server;
    this.#p2StarServer = this.#timing.p2StarServer;
  }

  get busy(): boolean {
    return this.#state.name !== "idle";
  }

  /** See {@link UdsClientTiming}. */
  get path(): Duration {
    return this.#timing.path;
  }

  /** @throws {UsageError} on `request` while another one is under way, or of an empty one */
  handle(input: UdsClientInput, now: Instant): void {
    switch (input.type) {
      case "request":
        this.#request(input.data, now);
        return;
      case "acknowledged":
        this.#acknowledged(now);
        return;
      case "refused":
        if (this.busy) this.#fail(new DiagnosticNackError(input.code));
        return;
      case "received":
        this.#received(input.data, now);
        return;
      case "lost":
        this.#resetTiming();
        if (this.busy) this.#fail(input.error);
        return;
      case "cancel":
        this.#state = IDLE;
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const state = this.#state;
    if (state.name === "idle" || now < state.deadline) return;
    const request = toHex(state.request.subarray(0, 4));
    if (state.name === "awaitingAcknowledgement") {
      this.#fail(new LinkError("UDS_NOT_ACKNOWLEDGED", `request ${request} was not taken over`));
    } else if (state.pendingLimit !== undefined && now >= state.pendingLimit) {
      const clause = "ISO 14229-1:2020, Table A.1, 0x78";
      this.#fail(
        new UdsResponseError("UDS_PENDING_TOO_LONG", `request ${request} is answered 0x78 without end`, clause),
      );
    } else {
      this.#fail(new LinkError("UDS_TIMEOUT", `no answer to request ${request}`));
    }
  }

  poll(): UdsClientOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    return this.#state.name === "idle" ? undefined : this.#state.deadline;
  }

  save(): UdsClientState {
    return { state: this.#state, p2Server: this.#p2Server, p2StarServer: this.#p2StarServer };
  }

  load({ state, p2Server, p2StarServer }: UdsClientState): void {
    this.#state = state;
    this.#p2Server = p2Server;
    this.#p2StarServer = p2StarServer;
    this.#outputs = [];
  }

  #request(data: Uint8Array, now: Instant): void {
    if (this.busy) throw new UsageError("a request is under way already");
    if (data.length === 0) throw new UsageError("an empty request");
    this.#outputs.push({ type: "transmit", data });
    const deadline = plus(now, this.#timing.acknowledgeMax);
    this.#state = { name: "awaitingAcknowledgement", request: data, deadline };
  }

  #acknowledged(now: Instant): void {
    const state = this.#state;
    if (state.name !== "awaitingAcknowledgement") return;
    if (isSuppressed(state.request)) {
      this.#state = IDLE;
      this.#outputs.push({ type: "sent" });
      return;
    }
    const deadline = plus(plus(now, this.#p2Server), this.#timing.path);
    this.#state = { name: "awaitingResponse", request: state.request, deadline };
  }

  #received(data: Uint8Array, now: Instant): void {
    const state = this.#state;
    if (state.name === "idle") {
      this.#note("UDS_LATE_RESPONSE", `${shortHex(data)} to no request`);
    } else if (data[0] === NEGATIVE_RESPONSE) {
      this.#negative(state.request, data, now);
    } else if (data[0] === (state.request[0] as number) + POSITIVE_RESPONSE_OFFSET) {
      this.#positive(state.request, data);
    } else if (data.length > 0 && data[0] === state.request[0]) {
      this.#fail(new UdsResponseError("UDS_ECHO", `the request came back: ${shortHex(data)}`));
    } else {
      this.#note("UDS_FOREIGN_RESPONSE", `${shortHex(data)} while ${shortHex(state.request)} is under way`);
    }
  }

  #negative(request: Uint8Array, data: Uint8Array, now: Instant): void {
    const [, sid, nrc] = data;
    const known = Object.values(Sid).some((service) => service === sid);
    if (data.length !== 3 || sid === undefined || nrc === undefined || !(known || sid === request[0])) {
      this.#fail(new UdsResponseError("UDS_RESPONSE_MALFORMED", `negative response ${shortHex(data)}`));
    } else if (sid !== request[0]) {
      this.#note("UDS_LATE_RESPONSE", `${shortHex(data)} while ${shortHex(request)} is under way`);
    } else if (nrc === Nrc.RequestCorrectlyReceivedResponsePending) {
      this.#pending(request, now);
    } else {
      this.#fail(new NegativeResponseError(sid, nrc));
    }
  }

  #pending(request: Uint8Array, now: Instant): void {
    const known = this.#state.name === "awaitingResponse" ? this.#state.pendingLimit : undefined;
    const pendingLimit = known ?? plus(now, this.#timing.pendingMax);
    const next = plus(plus(now, this.#p2StarServer), this.#timing.path);
    this.#state = {
      name: "awaitingResponse",
      request,
      deadline: earliest(next, pendingLimit) as Instant,
      pendingLimit,
    };
  }

  #positive(request: Uint8Array, data: Uint8Array): void {
    const sid = request[0] as number;
    const echoed = ECHOED.get(sid) ?? 0;
    if (data.length < 1 + echoed) {
      this.#fail(new UdsResponseError("UDS_RESPONSE_MALFORMED", `${data.length} bytes: ${shortHex(data)}`));
      return;
    }
    for (let index = 1; index <= echoed; index++) {
      const isSubFunction = index === 1 && WITH_SUB_FUNCTION.has(sid);
      const asked = (request[index] as number) & (isSubFunction ? ~SUPPRESS_POSITIVE_RESPONSE : 0xff);
      if (data[index] === asked) continue;
      this.#note("UDS_LATE_RESPONSE", `${shortHex(data)} while ${shortHex(request)} is under way`);
      return;
    }
    if (sid === Sid.DiagnosticSessionControl) this.#takeTiming(data);
    if (sid === Sid.EcuReset) this.#resetTiming();
    this.#state = IDLE;
    this.#outputs.push({ type: "response", data });
  }

  /** sessionParameterRecord: P2 in 1 ms, P2* in 10 ms. (ISO 14229-1:2020, Table 29) */
  #takeTiming(data: Uint8Array): void {
    if (data.length < 6) {
      this.#note("UDS_TIMING_MISSING", `${shortHex(data)} gives no P2 and P2*`);
      return;
    }
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const [p2, p2Star] = [ms(view.getUint16(2)), ms(10 * view.getUint16(4))];
    this.#p2Server = clamp(p2, P2_BOUNDS);
    this.#p2StarServer = clamp(p2Star, P2_STAR_BOUNDS);
    if (this.#p2Server !== p2 || this.#p2StarServer !== p2Star) {
      this.#note("UDS_TIMING_CLAMPED", `${shortHex(data)} gives a P2 or P2* that can't be meant`);
    }
  }

  #resetTiming(): void {
    this.#p2Server = this.#timing.p2Server;
    this.#p2StarServer = this.#timing.p2StarServer;
  }

  #note(code: UdsNote["code"], reason: string): void {
    this.#outputs.push({ type: "noted", code, reason });
  }

  #fail(error: BenchError): void {
    this.#state = IDLE;
    this.#outputs.push({ type: "failed", error });
  }
}

const isSuppressed = (request: Uint8Array): boolean =>
  WITH_SUB_FUNCTION.has(request[0] as number) && ((request[1] ?? 0) & SUPPRESS_POSITIVE_RESPONSE) !== 0;

const clamp = (span: Duration, [least, most]: readonly [Duration, Duration]): Duration =>
  span < least ? least : span > most ? most : span;

/** The beginning of a message; enough to see what it is. */
const shortHex = (data: Uint8Array): string => `${toHex(data.subarray(0, 8))}${data.length > 8 ? "..." : ""}`;
