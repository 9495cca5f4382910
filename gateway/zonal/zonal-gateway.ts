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
}

export interface ZonalGatewayParts {
  readonly timeline: Timeline;
  readonly tracer: Tracer;
  /** The server's end. If it can stop listening, it does so while power is off. */
  readonly stream: ServerEnd;
  /** Further sockets, for testers besides the vehicle gateway. */
  readonly testerStreams?: readonly ServerEnd[];
  /** The gateway's place on the zone's bus, switched with its power. */
  readonly link: CanLink;
}

type ServerEnd = StreamLink & { setListening?(listening: boolean): void };

/** One TCP socket of the entity. */
interface Connection {
  readonly stream: ServerEnd;
  readonly entity: DoipEntity;
  readonly pump: Pump<DoipEntityInput, DoipEntityOutput>;
  /** It wants the address of a tester that is active on another one, which is being asked whether it is alive. */
  contests: Connection | undefined;
}

/** A request, and the index of the connection that it came by. */
interface Routed extends DiagnosticRequest {
  readonly connection: number;
}

/** Messages for one bus address. The first one is being sent. */
interface RouteState {
  readonly queue: readonly Routed[];
  /** The tester that is to get what the ECU says, the one that asked last, and its connection. */
  readonly tester: { readonly address: number; readonly connection: number } | undefined;
}

export interface ZonalGatewayState {
  readonly powered: boolean;
  readonly connections: readonly { readonly entity: DoipEntityState; readonly contests: number | undefined }[];
  readonly isotp: IsoTpNodeState;
  readonly routes: readonly RouteState[];
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
  readonly #connections: readonly Connection[];
  readonly #isotp: IsoTpNode;
  readonly #routes: readonly Route[];
  #powered = true;

  /** Powered from the start. */
  constructor(config: ZonalGatewayConfig, parts: ZonalGatewayParts) {
    this.#config = config;
    this.#parts = parts;
    this.#isotp = new IsoTpNode(config.name, parts.link, parts.timeline, parts.tracer);
    const ecus = config.ecus.map((ecu) => this.#physical(ecu));
    const { functional } = config;
    this.#routes = functional === undefined ? ecus : [...ecus, this.#functional(functional)];
    const { stream, testerStreams = [] } = parts;
    this.#connections = [stream, ...testerStreams].map((each, index) => this.#listen(each, index));
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
    for (const connection of this.#connections) {
      connection.contests = undefined;
      connection.pump.push({ type: "closed" });
    }
    for (const route of this.#routes) route.state = FRESH_ROUTE;
    this.#isotp.reset();
    this.#parts.link.setActive(false);
    for (const { stream } of this.#connections) stream.setListening?.(false);
  }

  powerOn(): void {
    if (this.#powered) return;
    this.#powered = true;
    this.#record(1);
    this.#parts.link.setActive(true);
    for (const { stream } of this.#connections) stream.setListening?.(true);
  }

  save(): ZonalGatewayState {
    return {
      powered: this.#powered,
      connections: this.#connections.map(({ entity, contests }) => ({
        entity: entity.save(),
        contests: contests === undefined ? undefined : this.#connections.indexOf(contests),
      })),
      isotp: this.#isotp.save(),
      routes: this.#routes.map(({ state }) => state),
    };
  }

  load(state: ZonalGatewayState): void {
    this.#powered = state.powered;
    for (const [index, connection] of this.#connections.entries()) {
      const saved = state.connections[index];
      if (saved === undefined) continue;
      connection.entity.load(saved.entity);
      connection.contests = saved.contests === undefined ? undefined : this.#connections[saved.contests];
    }
    this.#isotp.load(state.isotp);
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

  #listen(stream: ServerEnd, index: number): Connection {
    const { address, testerAddresses: testers, timing } = this.#config;
    const targets = [address, ...this.#routes.map((route) => route.address)];
    const isElsewhere = (tester: number): boolean =>
      this.#connections.some((other, place) => place !== index && other.entity.tester === tester);
    const config = { address, testers, targets, ...(timing === undefined ? {} : { timing }) };
    const entity = new DoipEntity(config, isElsewhere);
    const pump = new Pump(entity, this.#parts.timeline, (output: DoipEntityOutput) => this.#entitySaid(index, output));
    stream.attach({
      opened: () => {
        if (this.#powered) pump.push({ type: "opened" });
        else stream.close();
      },
      received: (data) => this.#received(index, data),
      closed: () => {
        pump.push({ type: "closed" });
        this.#decide();
      },
    });
    return { stream, entity, pump, contests: undefined };
  }

  #received(index: number, data: Uint8Array): void {
    if (!this.#powered) return;
    const { entity, pump, stream } = this.#connection(index);
    if (!entity.connected) {
      stream.close(); // of a connection before the last power cut
      return;
    }
    pump.push({ type: "bytes", data });
    this.#decide();
  }

  #entitySaid(index: number, output: DoipEntityOutput): void {
    const connection = this.#connection(index);
    switch (output.type) {
      case "bytes":
        connection.stream.send(output.data);
        return;
      case "close":
        connection.contests = undefined;
        connection.stream.close();
        this.#decide();
        return;
      case "request":
        this.#requested({ ...output.request, connection: index });
        return;
      case "contested":
        connection.contests = this.#connections.find(({ entity }) => entity.tester === output.tester);
        connection.contests?.pump.push({ type: "checkAlive" });
        return;
    }
  }

  /** Looks whether the connections that are contested have shown that they are alive, or have gone. */
  #decide(): void {
    for (const connection of this.#connections) {
      const { contests } = connection;
      if (contests === undefined || contests.entity.checkingAlive) continue;
      connection.contests = undefined;
      connection.pump.push({ type: "decided", granted: !contests.entity.connected });
    }
  }

  #requested(request: Routed): void {
    const { tester, target, data, connection } = request;
    const { pump } = this.#connection(connection);
    if (target === this.#config.address) {
      pump.push({ type: "acknowledge", request });
      const answer = answerOwnRequest(data);
      if (answer !== undefined) pump.push({ type: "respond", source: target, tester, data: answer });
      return;
    }
    const route = this.#route(target);
    const { queueMax = QUEUE_MAX } = this.#config;
    if (data.length > route.messageMax) {
      pump.push({ type: "refuse", request, code: DiagnosticNack.MessageTooLarge });
    } else if (route.state.queue.length > queueMax) {
      pump.push({ type: "refuse", request, code: DiagnosticNack.OutOfMemory });
    } else {
      pump.push({ type: "acknowledge", request });
      this.#take(route, request);
    }
  }

  /** Every ECU answers the tester that has sent a functional request, too. */
  #take(route: Route, request: Routed): void {
    const tester = { address: request.tester, connection: request.connection };
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
    if (request !== undefined) {
      this.#connection(request.connection).pump.push({ type: "refuse", request, code: nackOf(result) });
    }
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
    if (tester === undefined) return;
    this.#connection(tester.connection).pump.push({ type: "respond", source, tester: tester.address, data });
  }

  #connection(index: number): Connection {
    return this.#connections[index] as Connection;
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
