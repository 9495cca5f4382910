import type { CanPort } from "../../../emulator/bus/can-node.ts";
import type { CanLink } from "../../../emulator/bus/link.ts";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import type { IsoTpChannel, IsoTpConfig, IsoTpListener } from "../../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../../emulator/isotp/isotp-node.ts";
import { type Duration, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import type { TraceEventOf } from "../../../emulator/kernel/trace.ts";
import type { TraceEventType } from "../../../emulator/kernel/trace-events.ts";
import { World } from "../../../emulator/kernel/world.ts";

export type Heard = { readonly at: Instant } & (
  | { readonly type: "message"; readonly data: Uint8Array; readonly functional: boolean }
  | { readonly type: "sent" }
  | { readonly type: "failed"; readonly direction: string; readonly result: string }
);

/** Writes down what it is told, and may react to a message. */
export class Listener implements IsoTpListener {
  readonly heard: Heard[] = [];
  onMessage: ((data: Uint8Array) => void) | undefined;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  message(data: Uint8Array, functional: boolean): void {
    this.heard.push({ type: "message", at: this.#world.timeline.now, data, functional });
    this.onMessage?.(data);
  }

  sent(): void {
    this.heard.push({ type: "sent", at: this.#world.timeline.now });
  }

  failed(direction: "sending" | "receiving", result: string): void {
    this.heard.push({ type: "failed", at: this.#world.timeline.now, direction, result });
  }

  get messages(): Uint8Array[] {
    return this.heard.flatMap((each) => (each.type === "message" ? [each.data] : []));
  }

  /** "sent", "message", or the result of a failure. */
  get short(): string[] {
    return this.heard.map((each) => (each.type === "failed" ? `${each.direction} ${each.result}` : each.type));
  }
}

export interface PairOptions {
  /** CAN FD at that data bit rate; otherwise classic CAN. Nominal 500 kbit/s. */
  readonly dataBitRate?: number;
  readonly tester?: Partial<IsoTpConfig>;
  readonly ecu?: Partial<IsoTpConfig>;
  /** Puts a decorator around the ECU's link. */
  readonly decorate?: (link: CanLink, world: World) => CanLink;
}

/** A tester and an ECU, each with one channel, on a bus of their own. */
export class IsoTpPair {
  readonly world = new World();
  readonly testerPort: CanPort;
  readonly ecuPort: CanPort;
  readonly tester: IsoTpNode;
  readonly ecu: IsoTpNode;
  readonly testerChannel: IsoTpChannel;
  readonly ecuChannel: IsoTpChannel;
  readonly testerHears: Listener;
  readonly ecuHears: Listener;

  constructor(options: PairOptions = {}) {
    const { world } = this;
    const { timeline, trace } = world;
    const rates = options.dataBitRate === undefined ? {} : { dataBitRate: options.dataBitRate };
    const bus = world.add("bus", new VirtualCanBus({ name: "can1", bitRate: 500_000, ...rates }, timeline, trace));
    const make = options.dataBitRate === undefined ? classicIsoTp : fdIsoTp;
    this.testerPort = bus.join("tester");
    this.ecuPort = bus.join("ecu");
    const ecuLink = options.decorate?.(this.ecuPort, world) ?? this.ecuPort;
    this.tester = world.add("tester", new IsoTpNode("tester", this.testerPort, timeline, trace));
    this.ecu = world.add("ecu", new IsoTpNode("ecu", ecuLink, timeline, trace));
    this.testerHears = new Listener(world);
    this.ecuHears = new Listener(world);
    const testerAddress = { txId: 0x7e0, rxId: 0x7e8, extended: false };
    const ecuAddress = { txId: 0x7e8, rxId: 0x7e0, extended: false, functionalRxId: 0x7df };
    this.testerChannel = this.tester.open(make(testerAddress, options.tester), this.testerHears);
    this.ecuChannel = this.ecu.open(make(ecuAddress, options.ecu), this.ecuHears);
  }

  run(span: Duration): void {
    this.world.timeline.runUntil(plus(this.world.timeline.now, span));
  }

  /** Until nothing is set any more, at most 1000 s from the beginning. */
  end(): void {
    this.world.timeline.runToIdle(s(1000) as unknown as Instant);
  }

  events<Type extends TraceEventType>(type: Type): TraceEventOf<Type>[] {
    return [...this.world.trace.events()].filter((event): event is TraceEventOf<Type> => event.type === type);
  }
}
