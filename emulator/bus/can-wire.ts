import type { Instant } from "../kernel/time.ts";
import type { Alarm, Timeline } from "../kernel/timeline.ts";
import { canFrameBits, canFrameTime, INTERMISSION_BITS } from "../wire/can-bits.ts";
import { arbitrationField, type CanFrame } from "../wire/can-frame.ts";
import { BusOffRecovery } from "./bus-off-recovery.ts";
import { type ArmedCorruption, corrupt } from "./can-bus-fault.ts";
import type { CanBusLog } from "./can-bus-log.ts";
import type { CanNode } from "./can-node.ts";
import {
  type BitFlip,
  type BitTiming,
  DisturbedFrame,
  type DisturbedFrameState,
  type ForcedLevel,
} from "./disturbed-frame.ts";

export interface CanWireParts extends BitTiming {
  readonly timeline: Timeline;
  readonly log: CanBusLog;
  readonly indexOf: (node: string) => number;
}

export interface CanWireState {
  /** Indexes of the nodes that are joined by it. */
  readonly nodes: readonly number[];
  readonly sender: number;
  readonly frame: CanFrame | undefined;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly quietUntil: number;
  readonly recessiveSince: number;
  readonly careful: boolean;
  readonly forced: ForcedLevel | undefined;
  readonly corruptions: readonly ArmedCorruption[];
  /** Who takes part in the frame that goes bit by bit. */
  readonly disturbed: { readonly owners: readonly number[]; readonly frame: DisturbedFrameState } | undefined;
}

const NOBODY = -1;
/** Error flag (6) and error delimiter (8), where nobody else has anything to say. */
const ERROR_FRAME_BITS = 14;
/** ACK delimiter and EOF. */
const AFTER_ACK_BITS = 8;
/** Extra pause of an error-passive node behind a frame that it has sent. (ISO 11898-1:2015, 10.4.6.4) */
const SUSPEND_BITS = 8;
/** Sets the very beginning of SOF apart from the instant in which others may still join in. */
const JUST_AFTER = 1;

/**
 * One piece of wire and the nodes that are joined by it.
 *
 * A frame that nothing disturbs takes one step: its length is known, and so is its end. Anything else goes bit by bit,
 * see {@link DisturbedFrame}; a frame that is disturbed in its middle is brought up to that bit first.
 */
export class CanWire {
  readonly #parts: CanWireParts;
  readonly #alarm: Alarm;
  readonly #recoveryAlarm: Alarm;
  #nodes: CanNode[] = [];
  /** Whose frame is on the wire, or will be from `#startsAt` on if nobody with a lower one comes before. */
  #sender: CanNode | undefined;
  #frame: CanFrame | undefined;
  #startsAt = 0;
  /** End of EOF; fractions of a nanosecond are kept so that they do not add up. */
  #endsAt = 0;
  /** End of intermission: no SOF before. */
  #quietUntil = 0;
  readonly #recovery: BusOffRecovery;
  /** The frame that is to begin may not go well; it is looked at when it does. */
  #careful = false;
  #disturbed: DisturbedFrame | undefined;
  #delivering = false;
  #forced: ForcedLevel | undefined;
  #corruptions: readonly ArmedCorruption[] = [];
  #hasOddNodes = false;

  /** To be made while the bench is being built. */
  constructor(parts: CanWireParts) {
    this.#parts = parts;
    this.#recovery = new BusOffRecovery(parts.nominalBit);
    this.#alarm = parts.timeline.alarm((now) => this.#wake(now));
    this.#recoveryAlarm = parts.timeline.alarm((now) => this.#recoveryDue(now));
  }

  /** A node is joined to it. A frame that is on the wire is none of its own. */
  enter(node: CanNode): void {
    this.#nodes = [...this.#nodes, node].toSorted((a, b) => a.index - b.index);
    this.nodesChanged();
  }

  /** A node is cut off. What it was sending breaks off. */
  leave(node: CanNode): void {
    this.silence(node);
    this.#nodes = this.#nodes.filter((each) => each !== node);
    this.nodesChanged();
  }

  /** A node loses its power, or its connection: it says nothing from now on. */
  silence(node: CanNode): void {
    if (this.#onTheWire()) {
      this.#disturb();
      this.#disturbed?.nodeOf(node)?.leave();
    } else if (this.#sender === node) {
      this.#sender = undefined;
    }
  }

  /** Whether the frame of that node is on the wire at this instant, or its error frame. */
  isSending(node: CanNode): boolean {
    if (!this.#onTheWire()) return false;
    if (this.#disturbed === undefined) return this.#sender === node;
    const at = this.#disturbed.nodeOf(node);
    return at?.transmitter === true && !at.done;
  }

  force(level: ForcedLevel | undefined): void {
    this.#disturb();
    this.#forced = level;
    this.arbitrate();
  }

  corrupt(corruptions: readonly ArmedCorruption[]): void {
    this.#corruptions = corruptions;
    this.arbitrate();
  }

  get corruptions(): readonly ArmedCorruption[] {
    return this.#corruptions;
  }

  /** Something about a node is going to change that undisturbed frames know nothing of. */
  disturb(): void {
    this.#disturb();
  }

  /** It has changed. */
  nodesChanged(): void {
    this.#recovery.follow(this.#nodes);
    this.#hasOddNodes = this.#nodes.some(({ ownBitRate }) => ownBitRate !== undefined);
    this.#armRecovery();
    this.arbitrate();
  }

  /** Begins to count the recessive bits after which a node is back. */
  beginRecovery(node: CanNode): void {
    this.#recovery.begin(node, this.#parts.timeline.now);
    this.#armRecovery();
  }

  save(): CanWireState {
    const disturbed = this.#disturbed;
    return {
      nodes: this.#nodes.map(({ index }) => index),
      sender: this.#sender?.index ?? NOBODY,
      frame: this.#frame,
      startsAt: this.#startsAt,
      endsAt: this.#endsAt,
      quietUntil: this.#quietUntil,
      recessiveSince: this.#recovery.recessiveSince,
      careful: this.#careful,
      forced: this.#forced,
      corruptions: this.#corruptions,
      disturbed:
        disturbed === undefined
          ? undefined
          : { owners: disturbed.nodes.map(({ index }) => index), frame: disturbed.save() },
    };
  }

  /** @param all nodes of the bus, loaded already */
  restore(state: CanWireState, all: readonly CanNode[]): void {
    const node = (index: number): CanNode => all[index] as CanNode;
    this.#nodes = state.nodes.map(node);
    this.#sender = state.sender === NOBODY ? undefined : node(state.sender);
    this.#frame = state.frame;
    this.#startsAt = state.startsAt;
    this.#endsAt = state.endsAt;
    this.#quietUntil = state.quietUntil;
    this.#recovery.recessiveSince = state.recessiveSince;
    this.#recovery.follow(this.#nodes);
    this.#hasOddNodes = this.#nodes.some(({ ownBitRate }) => ownBitRate !== undefined);
    this.#careful = state.careful;
    this.#forced = state.forced;
    this.#corruptions = state.corruptions;
    this.#disturbed = undefined;
    if (state.disturbed === undefined) return;
    const owners = state.disturbed.owners.map(node);
    this.#disturbed = new DisturbedFrame(this.#parts, owners, new Map(), [], state.startsAt);
    this.#disturbed.load(state.disturbed.frame);
  }

  /** A frame is past its first instant; at its first instant others may still join the arbitration. */
  #onTheWire(): boolean {
    return this.#disturbed !== undefined || (this.#sender !== undefined && this.#startsAt < this.#parts.timeline.now);
  }

  /** Finds the next sender anew, among all that have a frame. Harmless while one is on the wire. */
  arbitrate(): void {
    if (this.#delivering || this.#onTheWire()) return;
    const earliest = Math.max(this.#quietUntil, this.#parts.timeline.now);
    let winner: CanNode | undefined;
    let startsAt = Number.POSITIVE_INFINITY;
    let lowest = 0;
    let tie = false;
    for (const node of this.#nodes) {
      const frame = node.candidate;
      if (frame === undefined || !node.isOnBus) continue;
      const ready = Math.max(node.suspendedUntil, earliest);
      const field = arbitrationField(frame);
      if (ready < startsAt || (ready === startsAt && field < lowest)) {
        winner = node;
        startsAt = ready;
        lowest = field;
        tie = false;
      } else if (ready === startsAt && field === lowest) {
        tie = true;
      }
    }
    this.#plan(winner, winner === undefined ? earliest : startsAt, tie);
  }

  #plan(winner: CanNode | undefined, startsAt: number, tie: boolean): void {
    this.#sender = winner;
    this.#startsAt = startsAt;
    const isStuck = this.#forced === "dominant" && this.#nodes.some(({ isOnBus }) => isOnBus);
    if (winner === undefined) {
      this.#careful = isStuck;
      if (isStuck) this.#begin();
      else this.#alarm.clear();
      return;
    }
    const given = winner.candidate as CanFrame;
    winner.sending = given;
    this.#frame = winner.onWire(given);
    this.#careful = tie || this.#forced !== undefined || this.#corruptions.length > 0 || this.#isDisturbedByOddNode();
    const { nominalBit, dataBit } = this.#parts;
    this.#endsAt = startsAt + canFrameTime(this.#frame, nominalBit, dataBit);
    if (this.#careful) this.#alarm.set((Math.floor(startsAt) + JUST_AFTER) as Instant);
    else this.#setFastAlarm(winner);
  }

  /** The end of EOF, or of the ACK slot in which nobody answers. */
  #setFastAlarm(winner: CanNode): void {
    const { nominalBit } = this.#parts;
    const isSeen = this.#isAcknowledged(winner);
    this.#alarm.set(Math.round(isSeen ? this.#endsAt : this.#endsAt - AFTER_ACK_BITS * nominalBit) as Instant);
  }

  /** An error-passive receiver at a wrong bit rate disturbs nobody. */
  #isDisturbedByOddNode(): boolean {
    if (!this.#hasOddNodes || this.#nodes.length === 1) return false;
    return this.#nodes.some(
      ({ ownBitRate, isOnBus, toldState, candidate }) =>
        ownBitRate !== undefined && isOnBus && (toldState === "active" || candidate !== undefined),
    );
  }

  #isAcknowledged(sender: CanNode): boolean {
    const startsAt = this.#startsAt;
    for (const node of this.#nodes) {
      if (node === sender || !node.isOnBus || node.activeSince > startsAt) continue;
      if (node.ownBitRate === undefined) return true;
    }
    return false;
  }

  #wake(now: Instant): void {
    if (this.#disturbed !== undefined) {
      this.#bitEnds(this.#disturbed, now);
      return;
    }
    if (this.#careful) {
      this.#begin();
      return;
    }
    const sender = this.#sender as CanNode;
    this.#sender = undefined;
    this.#recovery.credit(this.#startsAt);
    this.#delivering = true;
    try {
      if (now === Math.round(this.#endsAt)) this.#frameEnds(sender, now);
      else this.#ackMissing(sender, now);
    } finally {
      this.#delivering = false;
    }
    this.arbitrate();
    this.#armRecovery();
  }

  /** The frame begins: is there really something wrong with it? */
  #begin(): void {
    const sender = this.#sender;
    let flips: readonly BitFlip[] = [];
    if (sender !== undefined && this.#corruptions.length > 0) {
      const frame = this.#frame as CanFrame;
      const { flips: found, left } = corrupt(this.#corruptions, frame, this.#parts.indexOf);
      flips = found;
      this.#corruptions = left;
      if (flips.length > 0) this.#parts.log.corrupted(sender, frame, this.#parts.timeline.now);
    }
    this.#careful = false;
    const senders = this.#senders();
    if (sender !== undefined && senders.size === 1 && flips.length === 0 && !this.#isOdd()) {
      this.#setFastAlarm(sender);
      return;
    }
    this.#goBitByBit(senders, flips);
  }

  #isOdd(): boolean {
    return this.#forced !== undefined || this.#isDisturbedByOddNode();
  }

  /** All that begin at once, or the one sender. While the wire is stuck, nobody can begin. */
  #senders(): ReadonlyMap<CanNode, CanFrame> {
    const senders = new Map<CanNode, CanFrame>();
    if (this.#forced === "dominant") return senders;
    for (const node of this.#nodes) {
      const { candidate } = node;
      if (candidate === undefined || !node.isOnBus || node.suspendedUntil > this.#startsAt) continue;
      senders.set(node, node.onWire(candidate));
      node.sending = candidate;
    }
    return senders;
  }

  #goBitByBit(senders: ReadonlyMap<CanNode, CanFrame>, flips: readonly BitFlip[]): void {
    const startsAt = this.#startsAt;
    this.#recovery.credit(startsAt);
    const present = this.#nodes.filter((node) => node.isOnBus && node.activeSince <= startsAt);
    this.#disturbed = new DisturbedFrame(this.#parts, present, senders, flips, startsAt);
    this.#sender = undefined;
    this.#setBitAlarm(this.#disturbed);
  }

  /** Brings the frame that is on the wire up to the bit that is there now. */
  #disturb(): void {
    if (this.#disturbed !== undefined || !this.#onTheWire()) return;
    if (this.#careful) {
      this.#careful = false;
      this.#goBitByBit(this.#senders(), []);
      return;
    }
    const sender = this.#sender as CanNode;
    this.#goBitByBit(new Map([[sender, this.#frame as CanFrame]]), []);
    const disturbed = this.#disturbed as unknown as DisturbedFrame;
    while (Math.round(disturbed.ends) <= this.#parts.timeline.now) disturbed.pass(undefined, () => undefined);
    this.#setBitAlarm(disturbed);
  }

  #setBitAlarm(disturbed: DisturbedFrame): void {
    this.#alarm.set(Math.max(this.#parts.timeline.now, Math.round(disturbed.ends)) as Instant);
  }

  #bitEnds(disturbed: DisturbedFrame, now: Instant): void {
    const { bit, begins } = disturbed;
    const received: CanNode[] = [];
    const transmitted: CanNode[] = [];
    disturbed.pass(this.#forced, (node, result) => {
      if (result === "received") received.push(node);
      else if (result === "transmitted") transmitted.push(node);
      else this.#parts.log.error(node, result, bit, now);
    });
    if (disturbed.wasDominant) {
      this.#recovery.credit(begins);
      this.#recovery.recessiveSince = disturbed.begins;
    }
    this.#delivering = true;
    try {
      for (const { index } of disturbed.nodes) this.#settle(this.#nodeAt(index), now);
      if (received.length + transmitted.length > 0) this.#deliver(transmitted, received, disturbed, now);
      if (disturbed.over) this.#disturbedFrameEnds(disturbed, now);
    } finally {
      this.#delivering = false;
    }
    if (this.#disturbed !== undefined) {
      this.#setBitAlarm(disturbed);
      return;
    }
    this.arbitrate();
    this.#armRecovery();
  }

  #nodeAt(index: number): CanNode | undefined {
    return this.#nodes.find((node) => node.index === index);
  }

  #disturbedFrameEnds(disturbed: DisturbedFrame, now: Instant): void {
    const { nominalBit } = this.#parts;
    this.#disturbed = undefined;
    this.#quietUntil = disturbed.begins + INTERMISSION_BITS * nominalBit;
    for (const { index, transmitter } of disturbed.nodes) {
      const node = this.#nodeAt(index);
      if (node === undefined || !transmitter) continue;
      this.#suspend(node);
      if (node.aborting) this.#abort(node, now);
    }
  }

  /** An error-passive node that has sent waits longer than the others. */
  #suspend(node: CanNode): void {
    if (node.toldState !== "passive") return;
    node.suspendedUntil = this.#quietUntil + SUSPEND_BITS * this.#parts.nominalBit;
  }

  #abort(node: CanNode, now: Instant): void {
    const given = node.finish();
    if (given !== undefined) node.listener?.aborted(given, now);
  }

  #frameEnds(sender: CanNode, now: Instant): void {
    const { nominalBit } = this.#parts;
    this.#quietUntil = this.#endsAt + INTERMISSION_BITS * nominalBit;
    this.#recovery.recessiveSince = this.#endsAt - AFTER_ACK_BITS * nominalBit;
    const { counters } = sender;
    if (counters.transmitErrors > 0) {
      counters.transmitted();
      this.#settle(sender, now);
    }
    this.#suspend(sender);
    const startsAt = this.#startsAt;
    const frame = this.#frame as CanFrame;
    this.#parts.log.frame(sender, frame, this.#endsAt - startsAt, now);
    const given = sender.finish();
    for (const node of this.#nodes) {
      if (node === sender || !node.isOnBus || node.activeSince > startsAt || node.ownBitRate !== undefined) continue;
      if (node.counters.receiveErrors > 0) {
        node.counters.received();
        this.#settle(node, now);
      }
      node.listener?.received(frame, now);
    }
    if (given !== undefined && sender.active) sender.listener?.transmitted(given, now);
  }

  /** What came through of a frame that went bit by bit; others may have taken it in although it will be sent again. */
  #deliver(
    transmitted: readonly CanNode[],
    received: readonly CanNode[],
    disturbed: DisturbedFrame,
    now: Instant,
  ): void {
    const [sender] = transmitted;
    const frame = disturbed.frameOf(sender);
    if (frame === undefined) return;
    if (sender !== undefined) this.#parts.log.frame(sender, frame, disturbed.begins - this.#startsAt, now);
    const given = transmitted.map((node) => ({ node, frame: node.finish() }));
    for (const node of received) if (node.isOnBus) node.listener?.received(frame, now);
    for (const { node, frame: own } of given)
      if (own !== undefined && node.active) node.listener?.transmitted(own, now);
  }

  /** The end of an ACK slot that has stayed recessive, with nobody there who could say more. */
  #ackMissing(sender: CanNode, now: Instant): void {
    const { nominalBit } = this.#parts;
    const frame = this.#frame as CanFrame;
    const slotEnds = this.#endsAt - AFTER_ACK_BITS * nominalBit;
    this.#quietUntil = slotEnds + (ERROR_FRAME_BITS + INTERMISSION_BITS) * nominalBit;
    this.#recovery.recessiveSince = this.#quietUntil - (AFTER_ACK_BITS + INTERMISSION_BITS) * nominalBit;
    if (sender.toldState === "active") sender.counters.transmitFailed();
    const { nominal, data } = canFrameBits(frame);
    this.#parts.log.error(sender, "ack", nominal + data - AFTER_ACK_BITS - 1, now);
    this.#settle(sender, now);
    this.#suspend(sender);
    if (sender.aborting) this.#abort(sender, now);
  }

  /** Tells of a change of the error state, and takes a node off the bus. */
  #settle(node: CanNode | undefined, now: Instant): void {
    if (node === undefined || node.counters.state === node.toldState) return;
    this.#parts.log.state(node, now);
    if (node.toldState !== "busOff") return;
    this.#disturbed?.nodeOf(node)?.leave();
    node.aborting = false;
    for (const frame of node.waiting.splice(0)) node.listener?.aborted(frame, now);
    if (node.config.busOffRecovery === "automatic") this.beginRecovery(node);
  }

  #armRecovery(): void {
    const { next } = this.#recovery;
    if (next === undefined) this.#recoveryAlarm.clear();
    else this.#recoveryAlarm.set(Math.max(this.#parts.timeline.now, next) as Instant);
  }

  /** Harmless while a frame is on the wire: its end looks again. */
  #recoveryDue(now: Instant): void {
    if (this.#onTheWire()) return;
    for (const node of this.#recovery.take(now)) {
      node.counters.reset();
      node.activeSince = now;
      node.suspendedUntil = 0;
      this.#settle(node, now);
    }
    this.arbitrate();
    this.#armRecovery();
  }
}
