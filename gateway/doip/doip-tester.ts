import { type BenchError, LinkError } from "../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import { type Duration, type Instant, ms, plus } from "../../emulator/kernel/time.ts";
import {
  ActivationType,
  DiagnosticNack,
  type DoipMessage,
  encodeDoip,
  HeaderNack,
  RoutingActivationCode,
} from "../../emulator/wire/doip.ts";
import { DoipFramer, type DoipFramerState } from "../../emulator/wire/doip-framer.ts";
import { DoipHeaderNackError, DoipRoutingRefusedError, DoipStreamError } from "./doip-errors.ts";

export interface DoipTesterConfig {
  /** Our own logical address. */
  readonly address: number;
  /** The logical address that the DoIP entity must have. */
  readonly gateway: number;
  /** See {@link ActivationType}; 00 unless told. */
  readonly activationType?: number;
  /** False for entities that never acknowledge a diagnostic message: its answer counts as the acknowledgement then. */
  readonly acknowledges?: boolean;
  readonly timing?: Partial<DoipTesterTiming>;
}

export interface DoipTesterTiming {
  readonly connectMax: Duration;
  /** A_DoIP_Ctrl: how long a routing activation response may take. (ISO 13400-2:2019, Table 14) */
  readonly routingMax: Duration;
  /** A_DoIP_Diagnostic_Message: how long an acknowledgement may take. (ISO 13400-2:2019, Table 14) */
  readonly acknowledgeMax: Duration;
}

const TIMING: DoipTesterTiming = { connectMax: ms(3000), routingMax: ms(2000), acknowledgeMax: ms(2000) };

/** So many messages may wait for their acknowledgement on one connection; the next one is refused. */
const UNACKNOWLEDGED_MAX = 256;

export type DoipTesterInput =
  /** Opens a connection and activates routing: ends in `ready` or `lost`. Harmless when one is open or being opened. */
  | { readonly type: "connect" }
  | { readonly type: "opened" }
  | { readonly type: "bytes"; readonly data: Uint8Array }
  | { readonly type: "closed"; readonly reason: string }
  /** Ends in `acknowledged`, `refused` or `lost`. Before `ready` it is refused as unreachable. */
  | { readonly type: "send"; readonly target: number; readonly data: Uint8Array }
  /** Ends the connection; nothing is told of what was under way. */
  | { readonly type: "disconnect" };

export type DoipTesterOutput =
  | { readonly type: "open" }
  | { readonly type: "bytes"; readonly data: Uint8Array }
  | { readonly type: "close" }
  | { readonly type: "ready" }
  | { readonly type: "acknowledged"; readonly target: number }
  /** `code`: see {@link DiagnosticNack}. May also come after `acknowledged`, when the bus behind the entity fails. */
  | { readonly type: "refused"; readonly target: number; readonly code: number }
  | { readonly type: "message"; readonly source: number; readonly data: Uint8Array }
  /**
   * There is no connection any more. Codes: DOIP_CONNECT_TIMEOUT, DOIP_CONNECT_FAILED, DOIP_ROUTING_TIMEOUT,
   * DOIP_ROUTING_REFUSED, DOIP_ACKNOWLEDGE_TIMEOUT, DOIP_CLOSED, DOIP_HEADER_NACK, DOIP_STREAM_BROKEN.
   */
  | { readonly type: "lost"; readonly error: BenchError };

/** A message that has not been acknowledged yet; oldest first. */
interface Unacknowledged {
  readonly target: number;
  readonly deadline: Instant;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly deadline: Instant }
  | { readonly name: "activating"; readonly deadline: Instant }
  | { readonly name: "ready"; readonly unacknowledged: readonly Unacknowledged[] };

export interface DoipTesterState {
  readonly state: State;
  readonly framer: DoipFramerState;
}

const IDLE: State = { name: "idle" };

/** The client side of one DoIP connection: any number of ECUs behind one DoIP entity. (ISO 13400-2:2019) */
export class DoipTester implements Machine<DoipTesterInput, DoipTesterOutput>, Stateful<DoipTesterState> {
  readonly #config: DoipTesterConfig;
  readonly #timing: DoipTesterTiming;
  readonly #framer = new DoipFramer();
  #outputs: DoipTesterOutput[] = [];
  #state: State = IDLE;

  constructor(config: DoipTesterConfig) {
    this.#config = config;
    this.#timing = { ...TIMING, ...config.timing };
  }

  handle(input: DoipTesterInput, now: Instant): void {
    switch (input.type) {
      case "connect":
        if (this.#state.name !== "idle") return;
        this.#framer.reset();
        this.#outputs.push({ type: "open" });
        this.#state = { name: "connecting", deadline: plus(now, this.#timing.connectMax) };
        return;
      case "opened":
        if (this.#state.name === "connecting") this.#activate(now);
        else if (this.#state.name === "idle") this.#outputs.push({ type: "close" }); // nobody wants it any more
        return;
      case "bytes":
        this.#received(input.data, now);
        return;
      case "closed":
        this.#closed(input.reason);
        return;
      case "send":
        this.#send(input.target, input.data, now);
        return;
      case "disconnect":
        if (this.#state.name !== "idle") this.#outputs.push({ type: "close" });
        this.#state = IDLE;
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const deadline = this.nextDeadline();
    if (deadline === undefined || now < deadline) return;
    switch (this.#state.name) {
      case "connecting":
        this.#lose(new LinkError("DOIP_CONNECT_TIMEOUT", "the DoIP entity does not answer"));
        return;
      case "activating":
        this.#lose(new LinkError("DOIP_ROUTING_TIMEOUT", "no routing activation response"));
        return;
      case "ready":
        this.#lose(new LinkError("DOIP_ACKNOWLEDGE_TIMEOUT", "a diagnostic message was not acknowledged"));
        return;
      case "idle":
        return;
    }
  }

  poll(): DoipTesterOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    if (this.#state.name === "idle") return undefined;
    return this.#state.name === "ready" ? this.#state.unacknowledged[0]?.deadline : this.#state.deadline;
  }

  save(): DoipTesterState {
    return { state: this.#state, framer: this.#framer.save() };
  }

  load({ state, framer }: DoipTesterState): void {
    this.#state = state;
    this.#framer.load(framer);
    this.#outputs = [];
  }

  #activate(now: Instant): void {
    const { address: source, activationType = ActivationType.Default } = this.#config;
    this.#write({ type: "routingActivationRequest", source, activationType });
    this.#state = { name: "activating", deadline: plus(now, this.#timing.routingMax) };
  }

  #send(target: number, data: Uint8Array, now: Instant): void {
    if (this.#state.name !== "ready") {
      this.#outputs.push({ type: "refused", target, code: DiagnosticNack.TargetUnreachable });
      return;
    }
    const { unacknowledged } = this.#state;
    if (unacknowledged.length >= UNACKNOWLEDGED_MAX) {
      this.#outputs.push({ type: "refused", target, code: DiagnosticNack.OutOfMemory });
      return;
    }
    this.#write({ type: "diagnosticMessage", source: this.#config.address, target, data });
    if (this.#config.acknowledges === false) {
      this.#outputs.push({ type: "acknowledged", target });
      return;
    }
    const deadline = plus(now, this.#timing.acknowledgeMax);
    this.#state = { name: "ready", unacknowledged: [...unacknowledged, { target, deadline }] };
  }

  #closed(reason: string): void {
    // What we have closed ourselves is done with; a new connection may be on its way already.
    if (this.#state.name === "idle" || reason === "local") return;
    const connecting = this.#state.name === "connecting";
    this.#state = IDLE;
    const code = connecting ? "DOIP_CONNECT_FAILED" : "DOIP_CLOSED";
    this.#outputs.push({ type: "lost", error: new LinkError(code, `the connection ended: ${reason}`) });
  }

  #received(data: Uint8Array, now: Instant): void {
    if (this.#state.name === "idle") return;
    this.#framer.push(data);
    for (let message = this.#framer.next(); message !== undefined; message = this.#framer.next()) {
      if (message.type === "malformed") this.#unreadable(message.nack, message.reason);
      else if (this.#state.name === "activating") this.#whileActivating(message);
      else if (this.#state.name === "ready") this.#whileReady(message);
    }
    this.handleDeadline(now);
  }

  /** A message of a type that we don't know is passed over; anything else leaves nothing to go on with. */
  #unreadable(nack: HeaderNack, reason: string): void {
    if (nack === HeaderNack.UnknownPayloadType) return;
    this.#lose(new DoipStreamError(reason));
  }

  #whileActivating(message: DoipMessage): void {
    if (message.type === "headerNack") this.#lose(new DoipHeaderNackError(message.code));
    else if (message.type === "aliveCheckRequest") this.#alive();
    else if (message.type === "routingActivationResponse") this.#activated(message);
  }

  #activated({ entity, code }: DoipMessage & { type: "routingActivationResponse" }): void {
    if (code === RoutingActivationCode.ConfirmationRequired) return; // somebody has to say yes; the deadline stands
    if (code !== RoutingActivationCode.Activated) {
      this.#lose(new DoipRoutingRefusedError(code));
      return;
    }
    const { gateway } = this.#config;
    if (entity !== gateway) {
      const reason = `the DoIP entity is ${entity.toString(16)}, ${gateway.toString(16)} was meant`;
      this.#lose(new LinkError("DOIP_WRONG_ENTITY", reason));
      return;
    }
    this.#state = { name: "ready", unacknowledged: [] };
    this.#outputs.push({ type: "ready" });
  }

  #whileReady(message: DoipMessage): void {
    switch (message.type) {
      case "headerNack":
        this.#headerNack(message.code);
        return;
      case "aliveCheckRequest":
        this.#alive();
        return;
      case "diagnosticMessage":
        if (message.target !== this.#config.address) return;
        this.#outputs.push({ type: "message", source: message.source, data: message.data });
        return;
      case "diagnosticAck":
        if (message.target !== this.#config.address || !this.#settle(message.source)) return;
        this.#outputs.push({ type: "acknowledged", target: message.source });
        return;
      case "diagnosticNack":
        if (message.target !== this.#config.address) return;
        this.#settle(message.source);
        this.#outputs.push({ type: "refused", target: message.source, code: message.code });
        return;
      case "vehicleIdentificationRequest":
      case "vehicleIdentificationRequestEid":
      case "vehicleIdentificationRequestVin":
      case "vehicleAnnouncement":
      case "routingActivationRequest":
      case "routingActivationResponse":
      case "aliveCheckResponse":
        return; // nothing that an entity has to say to a tester that is ready
    }
  }

  /**
   * A header negative acknowledge names no ECU. The oldest message that waits is the one meant when the entity only
   * discarded it (too large, out of memory); with any other code there is no use in going on.
   */
  #headerNack(nack: number): void {
    const oldest = this.#state.name === "ready" ? this.#state.unacknowledged[0] : undefined;
    const discarded = nack === HeaderNack.MessageTooLarge || nack === HeaderNack.OutOfMemory;
    if (!discarded || oldest === undefined) {
      this.#lose(new DoipHeaderNackError(nack));
      return;
    }
    const { target } = oldest;
    this.#settle(target);
    const code = nack === HeaderNack.MessageTooLarge ? DiagnosticNack.MessageTooLarge : DiagnosticNack.OutOfMemory;
    this.#outputs.push({ type: "refused", target, code });
  }

  /** Takes the oldest message for `target` off the list; false when there is none. */
  #settle(target: number): boolean {
    if (this.#state.name !== "ready") return false;
    const { unacknowledged } = this.#state;
    const index = unacknowledged.findIndex((entry) => entry.target === target);
    if (index < 0) return false;
    this.#state = { name: "ready", unacknowledged: unacknowledged.toSpliced(index, 1) };
    return true;
  }

  #alive(): void {
    this.#write({ type: "aliveCheckResponse", source: this.#config.address });
  }

  #write(message: DoipMessage): void {
    this.#outputs.push({ type: "bytes", data: encodeDoip(message) });
  }

  #lose(error: BenchError): void {
    this.#state = IDLE;
    this.#outputs.push({ type: "close" }, { type: "lost", error });
  }
}
