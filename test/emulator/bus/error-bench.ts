import type { CanNodeConfig, CanPort } from "../../../emulator/bus/can-node.ts";
import { VirtualCanBus, type VirtualCanBusConfig } from "../../../emulator/bus/virtual-can-bus.ts";
import { type Duration, type Instant, s } from "../../../emulator/kernel/time.ts";
import type { TraceEventOf } from "../../../emulator/kernel/trace.ts";
import type { TraceEventType } from "../../../emulator/kernel/trace-events.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { CanLog } from "../../conformance/can-link/can-link-suite.ts";

/** Length of a bit at 500 kbit/s, ns. */
export const BIT = 2000;

/** A bus with nodes A, B, C and so on, each with a log of what it was told. */
export class ErrorBench {
  readonly world = new World();
  readonly bus: VirtualCanBus;
  readonly ports: readonly CanPort[];
  readonly logs: readonly CanLog[];

  constructor(nodes: number, config: Partial<VirtualCanBusConfig> = {}, node: Partial<CanNodeConfig> = {}) {
    const { timeline, trace } = this.world;
    const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000, ...config }, timeline, trace);
    this.bus = this.world.add("bus", bus);
    this.ports = Array.from({ length: nodes }, (_, index) => this.bus.join("ABCDEFGH"[index] as string, node));
    this.logs = this.ports.map((port) => new CanLog(port));
  }

  get now(): Instant {
    return this.world.timeline.now;
  }

  port(name: string): CanPort {
    return this.ports["ABCDEFGH".indexOf(name)] as CanPort;
  }

  log(name: string): CanLog {
    return this.logs["ABCDEFGH".indexOf(name)] as CanLog;
  }

  after(span: Duration): void {
    this.world.timeline.runUntil((this.now + span) as Instant);
  }

  toIdle(): void {
    this.world.timeline.runToIdle((this.now + s(100)) as Instant);
  }

  events<Type extends TraceEventType>(type: Type): TraceEventOf<Type>[] {
    const found: TraceEventOf<Type>[] = [];
    for (const event of this.world.trace.events()) if (event.type === type) found.push(event as TraceEventOf<Type>);
    return found;
  }

  /** Errors as text: "A bit 13 8/0". */
  errors(): string[] {
    return this.events("can.error").map(({ node, kind, bit, tec, rec }) => `${node} ${kind} ${bit} ${tec}/${rec}`);
  }

  states(): string[] {
    return this.events("can.state").map(({ node, to }) => `${node} ${to}`);
  }

  counters(name: string): string {
    const { transmitErrors, receiveErrors, errorState } = this.port(name);
    return `${transmitErrors}/${receiveErrors} ${errorState}`;
  }
}
