import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import { type Duration, earliest, type Instant, ms, plus, s } from "../../emulator/kernel/time.ts";
import {
  ActivationType,
  DiagnosticNack,
  type DoipMalformed,
  type DoipMessage,
  encodeDoip,
  HeaderNack,
  RoutingActivationCode,
} from "../../emulator/wire/doip.ts";
import { DoipFramer, type DoipFramerState } from "../../emulator/wire/doip-framer.ts";

export interface DoipEntityConfig {
  /** Our logical address. */
  readonly address: number;
  /** Testers that may activate routing. */
  readonly testers: readonly number[];
  /** Addresses that we can route to, our own and functional ones included. */
  readonly targets: readonly number[];
  /** The longest diagnostic message, bytes of UDS; 4095 unless told. */
  readonly diagnosticMax?: number;
  readonly timing?: Partial<DoipEntityTiming>;
}

/** (ISO 13400-2:2019, Table 48) */
export interface DoipEntityTiming {
  /** T_TCP_Initial_Inactivity: from the connection to the activation of routing. */
  readonly initialInactivity: Duration;
  /** T_TCP_General_Inactivity: without anything sent or received. */
  readonly generalInactivity: Duration;
  /** T_TCP_Alive_Check: how long the answer to an alive check may take. */
  readonly aliveCheck: Duration;
}

const TIMING: DoipEntityTiming = { initialInactivity: ms(2000), generalInactivity: s(300), aliveCheck: ms(500) };
const DIAGNOSTIC_MAX = 4095;
/** Longer messages than that are refused by their header; in between, a diagnostic message is refused by name. */
const PAYLOAD_MAX = 0x1_0000;
/** How much of a message its acknowledgement repeats. */
const PREVIOUS_MAX = 8;

export type DoipEntityInput =
  | { readonly type: "opened" }
  | { readonly type: "bytes"; readonly data: Uint8Array }
  | { readonly type: "closed" }
  /** The message of a `request` was taken over. */
  | { readonly type: "acknowledge"; readonly request: DiagnosticRequest }
  /** It was not, or it was and then could not be delivered. `code`: see {@link DiagnosticNack}. */
  | { readonly type: "refuse"; readonly request: DiagnosticRequest; readonly code: number }
  /** What an ECU answers. Dropped when that tester is not connected any more. */
  | { readonly type: "respond"; readonly source: number; readonly tester: number; readonly data: Uint8Array }
  /** Asks whether the tester is still there; closes the connection if it does not answer. */
  | { readonly type: "checkAlive" }
  /** What has become of a `contested` activation. `granted`: the address is free now. */
  | { readonly type: "decided"; readonly granted: boolean };

/** A diagnostic message of the tester that has activated routing, for an address that we know. */
export interface DiagnosticRequest {
  readonly tester: number;
  readonly target: number;
  readonly data: Uint8Array;
}

export type DoipEntityOutput =
  | { readonly type: "bytes"; readonly data: Uint8Array }
  | { readonly type: "close" }
  /** Wants an `acknowledge` or a `refuse`. */
  | { readonly type: "request"; readonly request: DiagnosticRequest }
  /** Routing is asked for by a tester that is active on another connection: that one is to be checked. Wants `decided`. */
  | { readonly type: "contested"; readonly tester: number };

type State =
  | { readonly name: "closed" }
  | { readonly name: "open"; readonly deadline: Instant; readonly contested?: number }
  | {
      readonly name: "active";
      readonly tester: number;
      readonly deadline: Instant;
      readonly aliveDeadline?: Instant;
    };

export interface DoipEntityState {
  readonly state: State;
  readonly framer: DoipFramerState;
}

const CLOSED: State = { name: "closed" };

/** The server side of one TCP connection of a DoIP entity. (ISO 13400-2:2019) */
export class DoipEntity implements Machine<DoipEntityInput, DoipEntityOutput>, Stateful<DoipEntityState> {
  readonly #config: DoipEntityConfig;
  readonly #timing: DoipEntityTiming;
  readonly #isElsewhere: (tester: number) => boolean;
  readonly #framer = new DoipFramer(PAYLOAD_MAX);
  #outputs: DoipEntityOutput[] = [];
  #state: State = CLOSED;

  /** @param isElsewhere whether a tester is active on another connection of the same entity */
  constructor(config: DoipEntityConfig, isElsewhere: (tester: number) => boolean = () => false) {
    this.#config = config;
    this.#isElsewhere = isElsewhere;
    this.#timing = { ...TIMING, ...config.timing };
  }

  /** The tester that has activated routing. */
  get tester(): number | undefined {
    return this.#state.name === "active" ? this.#state.tester : undefined;
  }

  /** It has been asked whether it is still there, and has not answered yet. */
  get checkingAlive(): boolean {
    return this.#state.name === "active" && this.#state.aliveDeadline !== undefined;
  }

  get connected(): boolean {
    return this.#state.name !== "closed";
  }

  handle(input: DoipEntityInput, now: Instant): void {
    switch (input.type) {
      case "opened":
        this.#framer.reset();
        this.#state = { name: "open", deadline: plus(now, this.#timing.initialInactivity) };
        return;
      case "bytes":
        this.#received(input.data, now);
        return;
      case "closed":
        this.#state = CLOSED;
        return;
      case "acknowledge":
        this.#acknowledge("diagnosticAck", input.request, 0, now);
        return;
      case "refuse":
        this.#acknowledge("diagnosticNack", input.request, input.code, now);
        return;
      case "respond": {
        const { source, tester: target, data } = input;
        if (this.tester === target) this.#write({ type: "diagnosticMessage", source, target, data }, now);
        return;
      }
      case "checkAlive":
        this.#checkAlive(now);
        return;
      case "decided":
        this.#decided(input.granted, now);
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const deadline = this.nextDeadline();
    if (deadline !== undefined && now >= deadline) this.#close();
  }

  poll(): DoipEntityOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    if (this.#state.name === "closed") return undefined;
    return this.#state.name === "open"
      ? this.#state.deadline
      : earliest(this.#state.deadline, this.#state.aliveDeadline);
  }

  save(): DoipEntityState {
    return { state: this.#state, framer: this.#framer.save() };
  }

  load({ state, framer }: DoipEntityState): void {
    this.#state = state;
    this.#framer.load(framer);
    this.#outputs = [];
  }

  #received(data: Uint8Array, now: Instant): void {
    if (!this.connected) return;
    this.#active(now);
    this.#framer.push(data);
    for (let message = this.#framer.next(); message !== undefined; message = this.#framer.next()) {
      if (!this.connected) return; // by the message before
      if (message.type === "malformed") this.#unreadable(message, now);
      else this.#message(message, now);
    }
  }

  /** (ISO 13400-2:2019, 7.3: only codes 00 and 04 end the connection) */
  #unreadable({ nack }: DoipMalformed, now: Instant): void {
    this.#write({ type: "headerNack", code: nack }, now);
    if (nack === HeaderNack.IncorrectPatternFormat || nack === HeaderNack.InvalidPayloadLength) this.#close();
  }

  #message(message: DoipMessage, now: Instant): void {
    switch (message.type) {
      case "routingActivationRequest":
        this.#activation(message, now);
        return;
      case "aliveCheckResponse":
        this.#isAlive(message.source);
        return;
      case "diagnosticMessage":
        this.#diagnostic(message, now);
        return;
      case "vehicleIdentificationRequest":
      case "vehicleIdentificationRequestEid":
      case "vehicleIdentificationRequestVin":
        this.#write({ type: "headerNack", code: HeaderNack.UnknownPayloadType }, now); // UDP only (Table 17)
        return;
      case "headerNack":
      case "vehicleAnnouncement":
      case "routingActivationResponse":
      case "aliveCheckRequest":
      case "diagnosticAck":
      case "diagnosticNack":
        return; // nothing that a tester has to say to an entity
    }
  }

  /** (ISO 13400-2:2019, 7.2, Figure 11: address known, type supported, socket free for it) */
  #activation(request: DoipMessage & { type: "routingActivationRequest" }, now: Instant): void {
    const { source: tester, activationType } = request;
    const code = this.#activationCode(tester, activationType);
    const contested = code === RoutingActivationCode.Activated && this.#state.name === "open";
    if (contested && this.#isElsewhere(tester)) {
      this.#state = { ...(this.#state as Extract<State, { name: "open" }>), contested: tester };
      this.#outputs.push({ type: "contested", tester });
    } else {
      this.#activate(tester, code, now);
    }
  }

  /** (ISO 13400-2:2019, 7.2, Figure 12: the old connection of that address was asked whether it is alive) */
  #decided(granted: boolean, now: Instant): void {
    if (this.#state.name !== "open" || this.#state.contested === undefined) return;
    const { Activated, SourceAddressAlreadyActive } = RoutingActivationCode;
    this.#activate(this.#state.contested, granted ? Activated : SourceAddressAlreadyActive, now);
  }

  #activate(tester: number, code: number, now: Instant): void {
    this.#write({ type: "routingActivationResponse", tester, entity: this.#config.address, code }, now);
    if (code !== RoutingActivationCode.Activated) {
      this.#close();
      return;
    }
    if (this.#state.name === "open") {
      this.#state = { name: "active", tester, deadline: plus(now, this.#timing.generalInactivity) };
    }
  }

  #activationCode(tester: number, activationType: number): number {
    if (!this.#config.testers.includes(tester)) return RoutingActivationCode.UnknownSourceAddress;
    const supported = activationType === ActivationType.Default || activationType === ActivationType.WwhObd;
    if (!supported) return RoutingActivationCode.UnsupportedActivationType;
    const other = this.tester !== undefined && this.tester !== tester;
    return other ? RoutingActivationCode.DifferentSourceAddress : RoutingActivationCode.Activated;
  }

  /** (ISO 13400-2:2019, 7.4, diagnostic message handler: source, target, size; memory and reach are the router's) */
  #diagnostic({ source, target, data }: DoipMessage & { type: "diagnosticMessage" }, now: Instant): void {
    const request: DiagnosticRequest = { tester: source, target, data };
    const code = this.#diagnosticCode(request);
    if (code === undefined) this.#outputs.push({ type: "request", request });
    else this.#nack(request, code, now);
  }

  #diagnosticCode({ tester, target, data }: DiagnosticRequest): number | undefined {
    if (this.tester !== tester) return DiagnosticNack.InvalidSourceAddress;
    if (!this.#config.targets.includes(target)) return DiagnosticNack.UnknownTargetAddress;
    const { diagnosticMax = DIAGNOSTIC_MAX } = this.#config;
    return data.length > diagnosticMax ? DiagnosticNack.MessageTooLarge : undefined;
  }

  #acknowledge(type: "diagnosticAck" | "diagnosticNack", request: DiagnosticRequest, code: number, now: Instant): void {
    if (this.tester !== request.tester) return; // it has gone away meanwhile
    if (type === "diagnosticNack") this.#nack(request, code, now);
    else this.#write(acknowledgement("diagnosticAck", request, code), now);
  }

  #nack(request: DiagnosticRequest, code: number, now: Instant): void {
    this.#write(acknowledgement("diagnosticNack", request, code), now);
  }

  #checkAlive(now: Instant): void {
    if (this.#state.name !== "active" || this.#state.aliveDeadline !== undefined) return;
    this.#write({ type: "aliveCheckRequest" }, now);
    this.#state = { ...this.#state, aliveDeadline: plus(now, this.#timing.aliveCheck) };
  }

  #isAlive(source: number): void {
    if (this.#state.name !== "active" || this.#state.tester !== source) return;
    const { aliveDeadline: _, ...state } = this.#state;
    this.#state = state;
  }

  /** Something went over the connection: the inactivity timer starts anew. (ISO 13400-2:2019, 7.2) */
  #active(now: Instant): void {
    if (this.#state.name !== "active") return;
    this.#state = { ...this.#state, deadline: plus(now, this.#timing.generalInactivity) };
  }

  #write(message: DoipMessage, now: Instant): void {
    this.#active(now);
    this.#outputs.push({ type: "bytes", data: encodeDoip(message) });
  }

  #close(): void {
    this.#state = CLOSED;
    this.#outputs.push({ type: "close" });
  }
}

/** Source and target are swapped: it is the ECU's address that answers. */
function acknowledgement(
  type: "diagnosticAck" | "diagnosticNack",
  { tester, target, data }: DiagnosticRequest,
  code: number,
): DoipMessage {
  return { type, source: target, target: tester, code, previous: data.subarray(0, PREVIOUS_MAX) };
}
