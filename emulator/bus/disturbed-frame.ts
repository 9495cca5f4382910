import type { Stateful } from "../kernel/machine.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import { BitNode, type BitNodeState, type BitResult } from "./bit-node.ts";
import type { CanNode } from "./can-node.ts";

/** Length of one bit, ns. */
export interface BitTiming {
  readonly nominalBit: number;
  readonly dataBit: number;
}

/** One bit that is seen wrongly: by one node, or by all. */
export interface BitFlip {
  /** 0 is SOF; stuff bits count. */
  readonly bit: number;
  /** Index of the node; undefined: all. */
  readonly node: number | undefined;
}

/** The level that a short forces on the wire. */
export type ForcedLevel = "dominant" | "recessive";

export interface DisturbedFrameState {
  readonly nodes: readonly BitNodeState[];
  readonly flips: readonly BitFlip[];
  readonly bit: number;
  readonly begins: number;
  readonly ends: number;
}

/** What rounding may take away from a whole bit. */
const ROUNDING = 1e-9;

/**
 * A frame, or what is left of it, that goes over the wire bit by bit until all nodes wait for the next one. The wire is
 * dominant when one node sends a dominant bit; a node that follows another bit rate sends and sees at its own pace.
 */
export class DisturbedFrame implements Stateful<DisturbedFrameState> {
  readonly #timing: BitTiming;
  readonly #owners: readonly CanNode[];
  readonly nodes: readonly BitNode[];
  #flips: readonly BitFlip[];
  /** Number of the bit that is on the wire. */
  #bit = 0;
  #begins: number;
  #ends: number;
  #wireIsDominant = false;

  /**
   * @param owners who takes part
   * @param senders and the frame of each that sends one
   * @param startsAt of SOF, ns
   */
  constructor(
    timing: BitTiming,
    owners: readonly CanNode[],
    senders: ReadonlyMap<CanNode, CanFrame>,
    flips: readonly BitFlip[],
    startsAt: number,
  ) {
    this.#timing = timing;
    this.#owners = owners;
    this.nodes = owners.map((owner) => new BitNode(owner.index, owner.counters, senders.get(owner)));
    this.#flips = flips;
    this.#begins = startsAt;
    this.#ends = startsAt + this.#length();
  }

  get bit(): number {
    return this.#bit;
  }

  /** Of the bit that is on the wire, ns. */
  get begins(): number {
    return this.#begins;
  }

  get ends(): number {
    return this.#ends;
  }

  /** What the last bit was. */
  get wasDominant(): boolean {
    return this.#wireIsDominant;
  }

  /** All wait for the next frame. */
  get over(): boolean {
    return this.nodes.every(({ done }) => done);
  }

  /** What is sent by that node; undefined: by any that has not lost the arbitration. */
  frameOf(sender: CanNode | undefined): CanFrame | undefined {
    return this.nodes.find(({ transmitter, index }) => transmitter && index === (sender?.index ?? index))?.frame;
  }

  nodeOf(owner: CanNode): BitNode | undefined {
    return this.nodes.find(({ index }) => index === owner.index);
  }

  /** One bit goes by. @param told is called for each node with what the bit led to, in the order of nodes */
  pass(forced: ForcedLevel | undefined, told: (owner: CanNode, result: Exclude<BitResult, "nothing">) => void): void {
    const level = this.#wireLevel(forced);
    const flips = this.#flips.filter(({ bit }) => bit === this.#bit);
    this.#wireIsDominant = level === 0;
    const span = this.#ends - this.#begins;
    for (const [place, node] of this.nodes.entries()) {
      const flipped = flips.some((flip) => flip.node === undefined || flip.node === node.index);
      const seen = flipped ? 1 - level : level;
      if (node.idle && seen === 1) continue; // it synchronises with the edge that begins a frame
      const owner = this.#owners[place] as CanNode;
      for (let left = this.#wholeBits(place, span); left > 0; left--) {
        const result = node.sample(seen);
        if (result !== "nothing") told(owner, result);
      }
    }
    this.#bit++;
    this.#begins = this.#ends;
    this.#ends = this.#begins + this.#length();
  }

  save(): DisturbedFrameState {
    const nodes = this.nodes.map((node) => node.save());
    return { nodes, flips: this.#flips, bit: this.#bit, begins: this.#begins, ends: this.#ends };
  }

  load(state: DisturbedFrameState): void {
    for (const [place, saved] of state.nodes.entries()) (this.nodes[place] as BitNode).load(saved);
    this.#flips = state.flips;
    this.#bit = state.bit;
    this.#begins = state.begins;
    this.#ends = state.ends;
  }

  /** How many bits of its own have passed for a node with that time. */
  #wholeBits(place: number, span: number): number {
    const node = this.nodes[place] as BitNode;
    const passed = node.phase + span / this.#bitOf(place);
    const whole = Math.floor(passed + ROUNDING);
    node.phase = Math.max(0, passed - whole);
    return whole;
  }

  #wireLevel(forced: ForcedLevel | undefined): number {
    if (forced !== undefined) return forced === "dominant" ? 0 : 1;
    for (const node of this.nodes) if (node.level === 0) return 0;
    return 1;
  }

  /** Of the bit that begins: the shortest that anybody follows. */
  #length(): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const [place, node] of this.nodes.entries()) {
      if (!node.done) shortest = Math.min(shortest, this.#bitOf(place));
    }
    return Number.isFinite(shortest) ? shortest : this.#timing.nominalBit;
  }

  #bitOf(place: number): number {
    const { nominalBit, dataBit } = this.#timing;
    const { ownBitRate } = this.#owners[place] as CanNode;
    const bit = (this.nodes[place] as BitNode).isFast ? dataBit : nominalBit;
    return ownBitRate === undefined ? bit : (bit * 1e9) / (nominalBit * ownBitRate);
  }
}
