import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import { CanFlag, type CanFrame, canFrameFault } from "../wire/can-frame.ts";
import { type CanBusFault, checkBusFault } from "./can-bus-fault.ts";
import { CanBusLog } from "./can-bus-log.ts";
import {
  CanNode,
  type CanNodeConfig,
  type CanNodeOwner,
  type CanNodeState,
  type CanPort,
  DEFAULT_CAN_NODE,
} from "./can-node.ts";
import { CanWire, type CanWireParts, type CanWireState } from "./can-wire.ts";

export interface VirtualCanBusConfig {
  readonly name: string;
  /** Nominal bit rate, bit/s. */
  readonly bitRate: number;
  /** Bit rate of the data phase, bit/s. With it the bus carries CAN FD. */
  readonly dataBitRate?: number;
  /** Of every node that is not told otherwise when it joins. */
  readonly node?: Partial<CanNodeConfig>;
}

export interface VirtualCanBusState {
  readonly nodes: readonly CanNodeState[];
  readonly common: CanWireState;
  /** By node: the piece of wire that it is on alone when it is cut off. */
  readonly alone: readonly CanWireState[];
}

/** How many frames one node may have waiting. */
const WAITING_MAX = 1024;

/**
 * A CAN bus, timed to the bit. When it falls idle, all nodes that have a frame take part in the arbitration; the one
 * with the lowest arbitration field sends, the others try again after it. A frame is received by all others and
 * confirmed at the end of its EOF. Errors are found, flagged and counted as the standard says.
 * (ISO 11898-1:2015, 10.4 to 10.11 and 12.1.4)
 *
 * Limits: no overload frames; integration into a running bus takes no time; one sample a bit, without resynchronisation.
 */
export class VirtualCanBus implements CanNodeOwner, Stateful<VirtualCanBusState> {
  readonly name: string;
  readonly #fd: boolean;
  readonly #timeline: Timeline;
  readonly #defaults: CanNodeConfig;
  readonly #wireParts: CanWireParts;
  readonly #nodes: CanNode[] = [];
  readonly #common: CanWire;
  readonly #alone: CanWire[] = [];
  /** By node: the wire that it is on. */
  readonly #wires: CanWire[] = [];

  /** @throws {UsageError} for bit rates that are not positive */
  constructor(config: VirtualCanBusConfig, timeline: Timeline, tracer: Tracer) {
    const { bitRate, dataBitRate } = config;
    if (!(bitRate > 0) || (dataBitRate !== undefined && !(dataBitRate > 0))) {
      throw new UsageError(`bus ${config.name}: bit rates ${bitRate} and ${dataBitRate}`);
    }
    this.name = config.name;
    this.#fd = dataBitRate !== undefined;
    this.#timeline = timeline;
    this.#defaults = { ...DEFAULT_CAN_NODE, ...config.node };
    this.#wireParts = {
      nominalBit: 1e9 / bitRate,
      dataBit: 1e9 / (dataBitRate ?? bitRate),
      timeline,
      log: new CanBusLog(config.name, tracer),
      indexOf: (node) => this.#node(node).index,
    };
    this.#common = new CanWire(this.#wireParts);
  }

  /** A new node, powered. To be called while the bench is being built. @param node its name in the trace */
  join(node: string, config: Partial<CanNodeConfig> = {}): CanPort {
    const port = new CanNode(this, node, this.#nodes.length, { ...this.#defaults, ...config });
    this.#nodes.push(port);
    this.#alone.push(new CanWire(this.#wireParts));
    this.#wires.push(this.#common);
    this.#common.enter(port);
    return port;
  }

  /** @throws {UsageError} for a fault that `arm` would refuse */
  check(fault: CanBusFault): void {
    checkBusFault(fault);
    if ("node" in fault) this.#node(fault.node);
    if (fault.fault === "babble") this.#checkFrame(fault.node, fault.frame);
    if (fault.fault === "corruptBit" && fault.seenBy !== undefined) this.#node(fault.seenBy);
  }

  /**
   * Something goes wrong from this instant on, or a bit of a frame that is to come.
   * @throws {UsageError} for a node that is not there, or what can't be
   */
  arm(fault: CanBusFault): void {
    this.check(fault);
    switch (fault.fault) {
      case "babble":
        this.#babble(this.#node(fault.node), fault.frame);
        return;
      case "openWire":
        this.#move(this.#node(fault.node), true);
        return;
      case "short":
        this.#common.force(fault.level);
        return;
      case "wrongBitRate":
        this.#changeBitRate(this.#node(fault.node), fault.bitRate);
        return;
      case "corruptBit":
        this.#common.corrupt([...this.#common.corruptions, { fault, seen: 0 }]);
        return;
    }
  }

  /** All faults of that kind are over; `node`: only that node's. Harmless when there is none. @throws {UsageError} */
  disarm(fault: CanBusFault["fault"], node?: string): void {
    if (fault === "short") this.#common.force(undefined);
    if (fault === "corruptBit") this.#common.corrupt([]);
    for (const each of node === undefined ? this.#nodes : [this.#node(node)]) {
      if (fault === "babble" && each.babble !== undefined) this.#babble(each, undefined);
      if (fault === "openWire") this.#move(each, false);
      if (fault === "wrongBitRate" && each.ownBitRate !== undefined) this.#changeBitRate(each, undefined);
    }
  }

  /** @internal for {@link CanNode} */
  transmit(node: CanNode, frame: CanFrame): void {
    this.#checkFrame(node.name, frame);
    if (node.waiting.length >= WAITING_MAX) throw new UsageError(`${node.name}: over ${WAITING_MAX} frames wait`);
    if (!node.isOnBus) {
      node.listener?.aborted(frame, this.#timeline.now);
      return;
    }
    const before = node.candidate;
    node.enqueue(frame);
    if (node.candidate !== before) this.#wireOf(node).arbitrate();
  }

  /** @internal for {@link CanNode} */
  abortAll(node: CanNode): void {
    const wire = this.#wireOf(node);
    const onTheWire = wire.isSending(node) && node.waiting.includes(node.sending as CanFrame);
    const given = onTheWire ? node.waiting.filter((frame) => frame !== node.sending) : node.waiting;
    node.waiting = onTheWire ? [node.sending as CanFrame] : [];
    node.aborting = onTheWire;
    if (given.length > 0) wire.arbitrate();
    for (const frame of given) node.listener?.aborted(frame, this.#timeline.now);
  }

  /** @internal for {@link CanNode} */
  setActive(node: CanNode, active: boolean): void {
    if (node.active === active) return;
    const wire = this.#wireOf(node);
    if (!active) wire.silence(node);
    node.active = active;
    node.activeSince = this.#timeline.now;
    node.reset();
    wire.nodesChanged();
  }

  /** @internal for {@link CanNode} */
  recover(node: CanNode): void {
    if (node.errorState === "busOff" && node.recovery === undefined) this.#wireOf(node).beginRecovery(node);
  }

  save(): VirtualCanBusState {
    return {
      nodes: this.#nodes.map((node) => node.save()),
      common: this.#common.save(),
      alone: this.#alone.map((wire) => wire.save()),
    };
  }

  /** @throws {UsageError} when the state is of a bus with other nodes */
  load(state: VirtualCanBusState): void {
    if (state.nodes.length !== this.#nodes.length) {
      throw new UsageError(`bus ${this.name} has ${this.#nodes.length} nodes, the snapshot ${state.nodes.length}`);
    }
    for (const [index, saved] of state.nodes.entries()) (this.#nodes[index] as CanNode).load(saved);
    this.#common.restore(state.common, this.#nodes);
    for (const [index, saved] of state.alone.entries()) {
      const wire = this.#alone[index] as CanWire;
      wire.restore(saved, this.#nodes);
      this.#wires[index] = saved.nodes.includes(index) ? wire : this.#common;
    }
  }

  #node(name: string): CanNode {
    const node = this.#nodes.find((each) => each.name === name);
    if (node === undefined) throw new UsageError(`no node ${name} on bus ${this.name}`);
    return node;
  }

  #wireOf(node: CanNode): CanWire {
    return this.#wires[node.index] as CanWire;
  }

  #checkFrame(node: string, frame: CanFrame): void {
    const fault = canFrameFault(frame);
    if (fault !== undefined) throw new UsageError(`${node} on ${this.name}: ${fault}`);
    if (!this.#fd && (frame.flags & CanFlag.Fd) !== 0) throw new UsageError(`CAN FD frame on classic bus ${this.name}`);
  }

  #babble(node: CanNode, frame: CanFrame | undefined): void {
    node.babble = frame;
    this.#wireOf(node).arbitrate();
  }

  #changeBitRate(node: CanNode, bitRate: number | undefined): void {
    const wire = this.#wireOf(node);
    wire.disturb();
    node.ownBitRate = bitRate;
    wire.nodesChanged();
  }

  /** To a piece of wire of its own, or back to the others. It misses the frame that is on the wire there. */
  #move(node: CanNode, alone: boolean): void {
    const target = alone ? (this.#alone[node.index] as CanWire) : this.#common;
    const from = this.#wireOf(node);
    if (from === target) return;
    from.leave(node);
    this.#wires[node.index] = target;
    node.activeSince = this.#timeline.now;
    target.enter(node);
  }
}
