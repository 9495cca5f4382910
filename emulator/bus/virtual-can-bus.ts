import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import { type Instant, RUN_START } from "../kernel/time.ts";
import type { Alarm, Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import { canFrameTime, INTERMISSION_BITS } from "../wire/can-bits.ts";
import { arbitrationField, CanFlag, type CanFrame, canFrameFault } from "../wire/can-frame.ts";
import type { CanLink, CanListener } from "./link.ts";

export interface VirtualCanBusConfig {
  readonly name: string;
  /** Nominal bit rate, bit/s. */
  readonly bitRate: number;
  /** Bit rate of the data phase, bit/s. With it the bus carries CAN FD. */
  readonly dataBitRate?: number;
}

/** A node of a {@link VirtualCanBus}. */
export interface CanPort extends CanLink {
  /** Whether it has power. A frame that is on the wire when power comes back is missed. */
  readonly active: boolean;
}

interface CanNodeState {
  readonly waiting: readonly CanFrame[];
  readonly aborting: boolean;
  readonly unacknowledgedTold: boolean;
  readonly active: boolean;
  readonly activeSince: Instant;
}

export interface VirtualCanBusState {
  readonly quietUntil: number;
  readonly sender: number;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly nodes: readonly CanNodeState[];
}

/** How many frames one node may have waiting. */
const WAITING_MAX = 1024;
const NOBODY = -1;

/** Unseen ACK: error flag (6) and error delimiter (8) stand where ACK delimiter and EOF (8) would. (10.9) */
const ERROR_FRAME_BITS = 14;
const AFTER_ACK_BITS = 8;
/** A sender that falls silent is noticed after six equal bits; then error flag and error delimiter. */
const BROKEN_OFF_BITS = 6 + ERROR_FRAME_BITS;

/**
 * A CAN bus, timed to the bit. When it falls idle, all nodes that have a frame take part in the arbitration; the one
 * with the lowest arbitration field sends, the others try again after it. A frame is received by all others and
 * confirmed at the end of its EOF. (ISO 11898-1:2015, 10.4 to 10.8)
 *
 * Limits: nodes are always error active. Two nodes that begin one arbitration field at once would destroy each other's
 * frames; here the one that joined first goes first. Integration into a running bus takes no time.
 */
export class VirtualCanBus implements Stateful<VirtualCanBusState> {
  readonly name: string;
  readonly #nominalBit: number;
  readonly #dataBit: number;
  readonly #fd: boolean;
  readonly #timeline: Timeline;
  readonly #tracer: Tracer;
  readonly #alarm: Alarm;
  readonly #nodes: Node[] = [];
  /** Whose frame is on the wire, or will be from `#startsAt` on if nobody with a lower one comes before. */
  #sender = NOBODY;
  #startsAt = 0;
  /** End of EOF; fractions of a nanosecond are kept so that they do not add up. */
  #endsAt = 0;
  /** End of intermission: no SOF before. */
  #quietUntil = 0;
  #delivering = false;

  /** @throws {UsageError} for bit rates that are not positive */
  constructor(config: VirtualCanBusConfig, timeline: Timeline, tracer: Tracer) {
    const { bitRate, dataBitRate } = config;
    if (!(bitRate > 0) || (dataBitRate !== undefined && !(dataBitRate > 0))) {
      throw new UsageError(`bus ${config.name}: bit rates ${bitRate} and ${dataBitRate}`);
    }
    this.name = config.name;
    this.#nominalBit = 1e9 / bitRate;
    this.#dataBit = 1e9 / (dataBitRate ?? bitRate);
    this.#fd = dataBitRate !== undefined;
    this.#timeline = timeline;
    this.#tracer = tracer;
    this.#alarm = timeline.alarm((now) => this.#frameEnds(now));
  }

  /** A new node, powered. To be called while the bench is being built. @param node its name in the trace */
  join(node: string): CanPort {
    const port = new Node(this, node, this.#nodes.length);
    this.#nodes.push(port);
    return port;
  }

  /** @internal for {@link Node} */
  transmit(node: Node, frame: CanFrame): void {
    const fault = canFrameFault(frame);
    if (fault !== undefined) throw new UsageError(`${node.name} on ${this.name}: ${fault}`);
    if (!this.#fd && (frame.flags & CanFlag.Fd) !== 0) throw new UsageError(`CAN FD frame on classic bus ${this.name}`);
    if (node.waiting.length >= WAITING_MAX) throw new UsageError(`${node.name}: over ${WAITING_MAX} frames wait`);
    if (!node.active) {
      node.listener?.aborted(frame, this.#timeline.now);
      return;
    }
    node.waiting.push(frame);
    // One that is not the node's first changes nothing; while a frame is on the wire, nothing changes either.
    if (node.waiting.length === 1 && !this.#onTheWire()) this.#arbitrate();
  }

  /** @internal for {@link Node} */
  abortAll(node: Node): void {
    const onTheWire = this.#sender === node.index && this.#onTheWire();
    const given = node.waiting.splice(onTheWire ? 1 : 0);
    node.aborting = onTheWire;
    if (!onTheWire && given.length > 0) this.#arbitrate();
    for (const frame of given) node.listener?.aborted(frame, this.#timeline.now);
  }

  /** @internal for {@link Node} */
  setActive(node: Node, active: boolean): void {
    if (node.active === active) return;
    const now = this.#timeline.now;
    node.active = active;
    node.activeSince = now;
    if (active) return;
    const onTheWire = this.#sender === node.index && this.#onTheWire() && this.#startsAt < now;
    node.waiting.length = 0;
    node.aborting = false;
    node.unacknowledgedTold = false;
    if (onTheWire) this.#quietUntil = now + (BROKEN_OFF_BITS + INTERMISSION_BITS) * this.#nominalBit;
    if (this.#sender === node.index) {
      this.#sender = NOBODY;
      this.#arbitrate();
    }
  }

  save(): VirtualCanBusState {
    const nodes = this.#nodes.map(({ waiting, aborting, unacknowledgedTold, active, activeSince }) => {
      return { waiting: [...waiting], aborting, unacknowledgedTold, active, activeSince };
    });
    return {
      quietUntil: this.#quietUntil,
      sender: this.#sender,
      startsAt: this.#startsAt,
      endsAt: this.#endsAt,
      nodes,
    };
  }

  /** @throws {UsageError} when the state is of a bus with other nodes */
  load(state: VirtualCanBusState): void {
    if (state.nodes.length !== this.#nodes.length) {
      throw new UsageError(`bus ${this.name} has ${this.#nodes.length} nodes, the snapshot ${state.nodes.length}`);
    }
    this.#quietUntil = state.quietUntil;
    this.#sender = state.sender;
    this.#startsAt = state.startsAt;
    this.#endsAt = state.endsAt;
    for (const [index, saved] of state.nodes.entries()) (this.#nodes[index] as Node).restore(saved);
  }

  /** A frame is past its first instant; at its first instant others may still join the arbitration. */
  #onTheWire(): boolean {
    return this.#sender !== NOBODY && this.#startsAt < this.#timeline.now;
  }

  /** Finds the next sender anew, among all that have a frame. */
  #arbitrate(): void {
    if (this.#delivering || this.#onTheWire()) return;
    let winner: Node | undefined;
    let lowest = 0;
    for (const node of this.#nodes) {
      const frame = node.waiting[0];
      if (frame === undefined) continue;
      const field = arbitrationField(frame);
      if (winner === undefined || field < lowest) {
        winner = node;
        lowest = field;
      }
    }
    if (winner === undefined) {
      this.#sender = NOBODY;
      this.#alarm.clear();
      return;
    }
    this.#sender = winner.index;
    this.#startsAt = Math.max(this.#quietUntil, this.#timeline.now);
    this.#endsAt = this.#startsAt + canFrameTime(winner.waiting[0] as CanFrame, this.#nominalBit, this.#dataBit);
    this.#alarm.set(Math.round(this.#endsAt) as Instant);
  }

  #frameEnds(now: Instant): void {
    const sender = this.#nodes[this.#sender] as Node;
    const frame = sender.waiting[0] as CanFrame;
    const startsAt = this.#startsAt;
    this.#sender = NOBODY;
    this.#delivering = true;
    try {
      if (this.#isAcknowledged(sender, startsAt)) this.#deliver(sender, frame, startsAt, now);
      else this.#retry(sender, frame, now);
    } finally {
      this.#delivering = false;
    }
    this.#arbitrate();
  }

  #isAcknowledged(sender: Node, startsAt: number): boolean {
    for (const node of this.#nodes) if (node !== sender && node.active && node.activeSince <= startsAt) return true;
    return false;
  }

  #deliver(sender: Node, frame: CanFrame, startsAt: number, now: Instant): void {
    this.#quietUntil = this.#endsAt + INTERMISSION_BITS * this.#nominalBit;
    sender.waiting.shift();
    sender.aborting = false;
    sender.unacknowledgedTold = false;
    const { id, flags, data } = frame;
    const duration = Math.round(this.#endsAt - startsAt);
    this.#tracer.record(now, this.name, "can.frame", { node: sender.name, id, flags, data, duration });
    for (const node of this.#nodes) {
      if (node !== sender && node.active && node.activeSince <= startsAt) node.listener?.received(frame, now);
    }
    if (sender.active) sender.listener?.transmitted(frame, now);
  }

  #retry(sender: Node, frame: CanFrame, now: Instant): void {
    const bits = ERROR_FRAME_BITS - AFTER_ACK_BITS + INTERMISSION_BITS;
    this.#quietUntil = this.#endsAt + bits * this.#nominalBit;
    if (sender.aborting) {
      sender.waiting.shift();
      sender.aborting = false;
      sender.unacknowledgedTold = false;
      sender.listener?.aborted(frame, now);
    } else if (!sender.unacknowledgedTold) {
      sender.unacknowledgedTold = true;
      const { id, flags, data } = frame;
      this.#tracer.record(now, this.name, "can.fault", {
        node: sender.name,
        fault: "notAcknowledged",
        id,
        flags,
        data,
      });
    }
  }
}

class Node implements CanPort {
  readonly name: string;
  readonly index: number;
  readonly #bus: VirtualCanBus;
  listener: CanListener | undefined;
  /** In order; the first is the one that takes part in the arbitration. */
  waiting: CanFrame[] = [];
  /** The frame on the wire is not to be tried again. */
  aborting = false;
  unacknowledgedTold = false;
  active = true;
  activeSince: Instant = RUN_START;

  constructor(bus: VirtualCanBus, name: string, index: number) {
    this.#bus = bus;
    this.name = name;
    this.index = index;
  }

  transmit(frame: CanFrame): void {
    this.#bus.transmit(this, frame);
  }

  abortAll(): void {
    this.#bus.abortAll(this);
  }

  attach(listener: CanListener): void {
    this.listener = listener;
  }

  setActive(active: boolean): void {
    this.#bus.setActive(this, active);
  }

  restore(state: CanNodeState): void {
    this.waiting = [...state.waiting];
    this.aborting = state.aborting;
    this.unacknowledgedTold = state.unacknowledgedTold;
    this.active = state.active;
    this.activeSince = state.activeSince;
  }
}
