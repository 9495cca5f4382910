import type { Stateful } from "../kernel/machine.ts";
import { RUN_START } from "../kernel/time.ts";
import { arbitrationField, CanFlag, type CanFrame } from "../wire/can-frame.ts";
import { type CanErrorState, ErrorCounters, type ErrorCountersState } from "./error-counters.ts";
import type { CanLink, CanListener } from "./link.ts";

/** How one controller is set up. */
export interface CanNodeConfig {
  /**
   * Which of its frames takes part in the arbitration: with "fifo" the one that was given first, as with one transmit
   * buffer; with "priority" the one with the lowest arbitration field, as with a queue of message buffers.
   */
  readonly transmitOrder: "fifo" | "priority";
  /** Whether a node that is off the bus begins to count 128 times 11 recessive bits by itself, or when it is told. */
  readonly busOffRecovery: "automatic" | "onRequest";
}

export const DEFAULT_CAN_NODE: CanNodeConfig = { transmitOrder: "fifo", busOffRecovery: "automatic" };

/** A node of a virtual bus. */
export interface CanPort extends CanLink {
  /** Whether it has power. A frame that is on the wire when power comes back is missed. */
  readonly active: boolean;
  readonly errorState: CanErrorState;
  /** TEC. */
  readonly transmitErrors: number;
  /** REC. */
  readonly receiveErrors: number;
  /** Off the bus: comes back after 128 times 11 recessive bits. Harmless otherwise. (ISO 11898-1:2015, 12.1.4.3) */
  recover(): void;
}

/** A way back onto the bus: sequences of 11 recessive bits that are still to be seen, counted from an instant on. */
interface Recovery {
  left: number;
  readonly since: number;
}

export interface CanNodeState {
  readonly waiting: readonly CanFrame[];
  readonly sending: CanFrame | undefined;
  readonly aborting: boolean;
  readonly active: boolean;
  readonly activeSince: number;
  readonly counters: ErrorCountersState;
  readonly toldState: CanErrorState;
  readonly toldError: string;
  readonly suspendedUntil: number;
  readonly recovery: Readonly<Recovery> | undefined;
  readonly babble: CanFrame | undefined;
  readonly ownBitRate: number | undefined;
}

/** What a node asks of its bus. */
export interface CanNodeOwner {
  transmit(node: CanNode, frame: CanFrame): void;
  abortAll(node: CanNode): void;
  setActive(node: CanNode, active: boolean): void;
  recover(node: CanNode): void;
}

/** The controller of one node: its queue, its error counters, and what is wrong with it. */
export class CanNode implements CanPort, Stateful<CanNodeState> {
  readonly name: string;
  readonly index: number;
  readonly config: CanNodeConfig;
  readonly #owner: CanNodeOwner;
  readonly counters = new ErrorCounters();
  listener: CanListener | undefined;
  /** The first is the one that takes part in the arbitration. */
  waiting: CanFrame[] = [];
  /** What it gave last to the wire. */
  sending: CanFrame | undefined;
  /** The frame on the wire is not to be tried again. */
  aborting = false;
  active = true;
  activeSince: number = RUN_START;
  /** Of `counters`, the last one that was recorded. */
  toldState: CanErrorState = "active";
  /** The last error that was recorded, until a frame goes well. */
  toldError = "";
  /** Suspend transmission: it does not begin a frame before. */
  suspendedUntil = 0;
  recovery: Recovery | undefined;
  /** Fault: it sends that frame without pause, and nothing else. */
  babble: CanFrame | undefined;
  /** Fault: its nominal bit rate, bit/s, when that is not the bus's. */
  ownBitRate: number | undefined;

  constructor(owner: CanNodeOwner, name: string, index: number, config: CanNodeConfig) {
    this.#owner = owner;
    this.name = name;
    this.index = index;
    this.config = config;
  }

  get errorState(): CanErrorState {
    return this.counters.state;
  }

  get transmitErrors(): number {
    return this.counters.transmitErrors;
  }

  get receiveErrors(): number {
    return this.counters.receiveErrors;
  }

  /** It takes part in what happens on its wire. */
  get isOnBus(): boolean {
    return this.active && this.toldState !== "busOff";
  }

  /** What it would send next. */
  get candidate(): CanFrame | undefined {
    return this.babble ?? this.waiting[0];
  }

  transmit(frame: CanFrame): void {
    this.#owner.transmit(this, frame);
  }

  abortAll(): void {
    this.#owner.abortAll(this);
  }

  attach(listener: CanListener): void {
    this.listener = listener;
  }

  setActive(active: boolean): void {
    this.#owner.setActive(this, active);
  }

  recover(): void {
    this.#owner.recover(this);
  }

  /** Puts a frame into the queue. */
  enqueue(frame: CanFrame): void {
    if (this.config.transmitOrder === "fifo") {
      this.waiting.push(frame);
      return;
    }
    const field = arbitrationField(frame);
    const behind = this.waiting.findIndex((other) => arbitrationField(other) > field);
    this.waiting.splice(behind < 0 ? this.waiting.length : behind, 0, frame);
  }

  /** The frame that was given to the wire is done with. @returns it, unless it was none of the queue */
  finish(): CanFrame | undefined {
    this.aborting = false;
    const { sending } = this;
    if (sending === undefined) return undefined;
    const { waiting } = this;
    const place = waiting[0] === sending ? 0 : waiting.indexOf(sending);
    if (place < 0) return undefined;
    if (place === waiting.length - 1) waiting.pop();
    else waiting.splice(place, 1);
    return sending;
  }

  /** As it looks on the wire: an error-passive node says so in its CAN FD frames. (ISO 11898-1:2015, 10.4.2.4) */
  onWire(frame: CanFrame): CanFrame {
    if (this.toldState !== "passive" || (frame.flags & CanFlag.Fd) === 0) return frame;
    return { ...frame, flags: frame.flags | CanFlag.ErrorStateIndicator };
  }

  /** The controller as it comes up with power. */
  reset(): void {
    this.counters.reset();
    this.toldState = "active";
    this.toldError = "";
    this.suspendedUntil = 0;
    this.recovery = undefined;
    this.waiting.length = 0;
    this.aborting = false;
  }

  save(): CanNodeState {
    const { sending, aborting, active, activeSince, toldState, toldError, suspendedUntil, babble, ownBitRate } = this;
    return {
      waiting: [...this.waiting],
      counters: this.counters.save(),
      recovery: this.recovery === undefined ? undefined : { ...this.recovery },
      sending,
      aborting,
      active,
      activeSince,
      toldState,
      toldError,
      suspendedUntil,
      babble,
      ownBitRate,
    };
  }

  load(state: CanNodeState): void {
    this.waiting = [...state.waiting];
    this.sending = state.sending;
    this.aborting = state.aborting;
    this.active = state.active;
    this.activeSince = state.activeSince;
    this.counters.load(state.counters);
    this.toldState = state.toldState;
    this.toldError = state.toldError;
    this.suspendedUntil = state.suspendedUntil;
    this.recovery = state.recovery === undefined ? undefined : { ...state.recovery };
    this.babble = state.babble;
    this.ownBitRate = state.ownBitRate;
  }
}
