import type { CanLink, StreamLink } from "../../emulator/bus/link.ts";
import type { IsoTpChannel, IsoTpConfig, NResult } from "../../emulator/isotp/config.ts";
import { type FunctionalConfig, IsoTpNode, type IsoTpNodeState } from "../../emulator/isotp/isotp-node.ts";
import type { Stateful } from "../../emulator/kernel/machine.ts";
import { Pump } from "../../emulator/kernel/pump.ts";
import type { Timeline } from "../../emulator/kernel/timeline.ts";
import type { Tracer } from "../../emulator/kernel/trace.ts";
import { DiagnosticNack } from "../../emulator/wire/doip.ts";
import {
  type DiagnosticRequest,
  DoipEntity,
  type DoipEntityInput,
  type DoipEntityOutput,
  type DoipEntityState,
  type DoipEntityTiming,
} from "../doip/doip-entity.ts";
import type { FamilyMode } from "./family/config.ts";
import { FamilyDiagnostics, type FamilyDiagnosticsState } from "./family/family-diagnostics.ts";
import { answerOwnRequest } from "./own-diagnostics.ts";

export interface ZonalGatewayConfig {
  /** "ZG_1": its name in the trace. */
  readonly name: string;
  /** Its logical address. */
  readonly address: number;
  /** Who may activate routing: the vehicle gateway, a workshop tester. */
  readonly testerAddresses: readonly number[];
  readonly ecus: readonly {
    readonly id: string;
    /** DoIP logical address. */
    readonly address: number;
    /** As the gateway sees it: `txId` is the request identifier. */
    readonly isotp: IsoTpConfig;
  }[];
  /** Requests to that logical address go to all ECUs of the bus at once; `address` is E400 if left out. */
  readonly functional?: FunctionalConfig & { readonly address?: number };
  /** How many messages may wait for one ECU behind the one that is being sent; 2 unless told. */
  readonly queueMax?: number;
  readonly timing?: Partial<DoipEntityTiming>;
  /** Whose manners it has; those of the standards if left out. */
  readonly family?: FamilyMode;
}

export interface ZonalGatewayParts {
  readonly timeline: Timeline;
  readonly tracer: Tracer;
  /** The server's end. If it can stop listening, it does so while power is off. */
  readonly stream: StreamLink & { setListening?(listening: boolean): void };
  /** The gateway's place on the zone's bus, switched with its power. */
  readonly link: CanLink;
}

/** Messages for one bus address. The first one is being sent. */
interface RouteState {
  readonly queue: readonly DiagnosticRequest[];
  /** The tester that is to get what the ECU says: the one that asked last. */
  readonly tester: number | undefined;
}

export interface ZonalGatewayState {
  readonly powered: boolean;
  readonly entity: DoipEntityState;
  readonly isotp: IsoTpNodeState;
  readonly routes: readonly RouteState[];
  readonly family: FamilyDiagnosticsState | undefined;
}

interface Route {
  readonly address: number;
  readonly channel: IsoTpChannel;
  /** A longer message can't be carried. */
  readonly messageMax: number;
  state: RouteState;
}

/** Functional group of all ECUs of the vehicle. (ISO 13400-2:2019, Table 13: E400 to EFFF) */
const FUNCTIONAL_ADDRESS = 0xe400;
const QUEUE_MAX = 2;
/** The family's gateways do not see what is longer. */
const FAMILY_REQUEST_MAX = 255;
const FRESH_ROUTE: RouteState = { queue: [], tester: undefined };

/**
 * A zonal gateway: a DoIP entity on one side, the ISO-TP channels of its ECUs on the other.
 *
 * A message is acknowledged (8002) as soon as it is taken over, before it is on the bus: P2 of a tester therefore includes
 * the transfers on the bus. If the transfer then fails, a negative acknowledge (8003) follows the positive one: the
 * standard knows no other way to say so, and a tester need not wait for P2 to run out. (docs/protocols/doip.md)
 */
export class ZonalGateway implements Stateful<ZonalGatewayState> {
  readonly #config: ZonalGatewayConfig;
  readonly #parts: ZonalGatewayParts;
  readonly #entity: DoipEntity;
  readonly #pump: Pump<DoipEntityInput, DoipEntityOutput>;
  readonly #isotp: IsoTpNode;
  readonly #routes: readonly Route[];
  readonly #family: FamilyDiagnostics | undefined;
  #powered = true;

  /** Powered from the start. */
  constructor(config: ZonalGatewayConfig, parts: ZonalGatewayParts) {
    this.#config = config;
    this.#parts = parts;
    this.#family = config.family === undefined ? undefined : new FamilyDiagnostics(config.family);
    this.#isotp = new IsoTpNode(config.name, parts.link, parts.timeline, parts.tracer);
    const ecus = config.ecus.map((ecu) => this.#physical(ecu));
    const { functional } = config;
    this.#routes = functional === undefined ? ecus : [...ecus, this.#functional(functional)];
    this.#entity = new DoipEntity({
      address: config.address,
      testers: config.testerAddresses,
      targets: [config.address, ...this.#routes.map(({ address }) => address)],
      ...(config.timing === undefined ? {} : { timing: config.timing }),
    });
    this.#pump = new Pump(this.#entity, parts.timeline, (output) => this.#entitySaid(output));
    parts.stream.attach({
      opened: () => this.#opened(),
      received: (data) => this.#received(data),
      closed: () => this.#pump.push({ type: "closed" }),
    });
  }

  get powered(): boolean {
    return this.#powered;
  }

  /**
   * At any instant: messages under way are gone, and nobody is told. An open connection falls silent; bytes that come over
   * it after the next power-up end it.
   */
  powerOff(): void {
    if (!this.#powered) return;
    this.#powered = false;
    this.#record(0);
    this.#pump.push({ type: "closed" });
    for (const route of this.#routes) route.state = FRESH_ROUTE;
    this.#family?.reset();
    this.#isotp.reset();
    this.#parts.link.setActive(false);
    this.#parts.stream.setListening?.(false);
  }

  powerOn(): void {
    if (this.#powered) return;
    this.#powered = true;
    this.#record(1);
    this.#parts.link.setActive(true);
    this.#parts.stream.setListening?.(true);
  }

  save(): ZonalGatewayState {
    return {
      powered: this.#powered,
      entity: this.#entity.save(),
      isotp: this.#isotp.save(),
      routes: this.#routes.map(({ state }) => state),
      family: this.#family?.save(),
    };
  }

  load(state: ZonalGatewayState): void {
    this.#powered = state.powered;
    this.#entity.load(state.entity);
    this.#isotp.load(state.isotp);
    if (state.family !== undefined) this.#family?.load(state.family);
    for (const [index, route] of this.#routes.entries()) route.state = state.routes[index] ?? FRESH_ROUTE;
  }

  #record(on: number): void {
    this.#parts.tracer.record(this.#parts.timeline.now, this.#config.name, "gateway.power", { on });
  }

  #physical({ address, isotp }: ZonalGatewayConfig["ecus"][number]): Route {
    const channel = this.#isotp.open(isotp, {
      message: (data) => this.#answered(address, data),
      sent: () => this.#sent(address),
      failed: (direction, result) => {
        if (direction === "sending") this.#failed(address, result);
      },
    });
    return { address, channel, messageMax: Number.POSITIVE_INFINITY, state: FRESH_ROUTE };
  }

  #functional({ address = FUNCTIONAL_ADDRESS, ...config }: NonNullable<ZonalGatewayConfig["functional"]>): Route {
    const channel = this.#isotp.openFunctional(config, {
      sent: () => this.#sent(address),
      failed: (_, result) => this.#failed(address, result),
    });
    // A single frame: one or two bytes of N_PCI.
    const messageMax = config.txDl > 8 ? config.txDl - 2 : 7;
    return { address, channel, messageMax, state: FRESH_ROUTE };
  }

  #opened(): void {
    if (this.#powered) this.#pump.push({ type: "opened" });
    else this.#parts.stream.close();
  }

  #received(data: Uint8Array): void {
    if (!this.#powered) return;
    if (this.#entity.connected) this.#pump.push({ type: "bytes", data });
    else this.#parts.stream.close(); // of a connection before the last power cut
  }

  #entitySaid(output: DoipEntityOutput): void {
    switch (output.type) {
      case "bytes":
        this.#parts.stream.send(output.data);
        return;
      case "close":
        this.#parts.stream.close();
        return;
      case "request":
        this.#requested(output.request);
        return;
    }
  }

  #requested(request: DiagnosticRequest): void {
    const { target, data } = request;
    if (target === this.#config.address) {
      this.#own(request);
      return;
    }
    const route = this.#route(target);
    const { queueMax = QUEUE_MAX } = this.#config;
    if (data.length > route.messageMax) {
      this.#pump.push({ type: "refuse", request, code: DiagnosticNack.MessageTooLarge });
    } else if (route.state.queue.length > queueMax) {
      this.#pump.push({ type: "refuse", request, code: DiagnosticNack.OutOfMemory });
    } else {
      this.#acknowledge(request);
      this.#take(route, request);
    }
  }

  #own(request: DiagnosticRequest): void {
    const { tester, target: source, data } = request;
    this.#acknowledge(request);
    if (this.#family === undefined) {
      const answer = answerOwnRequest(data);
      if (answer !== undefined) this.#pump.push({ type: "respond", source, tester, data: answer });
    } else if (data.length > 0 && data.length <= FAMILY_REQUEST_MAX) {
      const { response, report } = this.#family.answer(data);
      this.#pump.push({ type: "respond", source, tester, data: response });
      if (report !== undefined) this.#pump.push({ type: "report", tester, bytes: report });
    }
  }

  /** The family's gateways do not. */
  #acknowledge(request: DiagnosticRequest): void {
    if (this.#family === undefined) this.#pump.push({ type: "acknowledge", request });
  }

  /** Every ECU answers the tester that has sent a functional request, too. */
  #take(route: Route, request: DiagnosticRequest): void {
    const { tester } = request;
    route.state = { queue: [...route.state.queue, request], tester };
    const isFunctional = !this.#config.ecus.some(({ address }) => address === route.address);
    if (isFunctional) for (const each of this.#routes) each.state = { ...each.state, tester };
    if (route.state.queue.length === 1) route.channel.send(request.data);
  }

  #sent(address: number): void {
    this.#next(this.#route(address));
  }

  #failed(address: number, result: NResult): void {
    const route = this.#route(address);
    const request = route.state.queue[0];
    if (request !== undefined) this.#pump.push({ type: "refuse", request, code: nackOf(result) });
    this.#next(route);
  }

  /** The first message is done with, one way or the other. */
  #next(route: Route): void {
    const queue = route.state.queue.slice(1);
    route.state = { ...route.state, queue };
    const next = queue[0];
    if (next !== undefined) route.channel.send(next.data);
  }

  #answered(source: number, data: Uint8Array): void {
    const { tester } = this.#route(source).state;
    if (tester !== undefined) this.#pump.push({ type: "respond", source, tester, data });
  }

  #route(address: number): Route {
    return this.#routes.find((route) => route.address === address) as Route;
  }
}

/** Nobody on the bus takes our frames: unreachable. The ECU has no room for the message: too large. */
function nackOf(result: NResult): number {
  if (result === "N_TIMEOUT_A") return DiagnosticNack.TargetUnreachable;
  if (result === "N_BUFFER_OVFLW") return DiagnosticNack.MessageTooLarge;
  return DiagnosticNack.TransportProtocolError;
}
