import type { Stateful } from "../kernel/machine.ts";
import { CanBit, canBitStream } from "../wire/can-bit-stream.ts";
import type { CanFrame } from "../wire/can-frame.ts";
import { BitDecoder, type BitDecoderState } from "./bit-decoder.ts";
import { type CanErrorKind, ERROR_STEP, type ErrorCounters } from "./error-counters.ts";

/** What one bit led to. */
export type BitResult = "nothing" | "received" | "transmitted" | CanErrorKind;

/** `idle`: has seen no SOF yet; `flag`: its error flag; `afterFlag`: until the bus is recessive; `delimiter`: the rest of the error delimiter. */
type Role = "idle" | "transmit" | "receive" | "flag" | "afterFlag" | "delimiter" | "done";

export interface BitNodeState {
  readonly index: number;
  readonly frame: CanFrame | undefined;
  readonly role: Role;
  readonly place: number;
  readonly decoder: BitDecoderState;
  readonly transmitter: boolean;
  readonly passiveFlag: boolean;
  readonly unseenAck: boolean;
  readonly count: number;
  readonly last: number;
  readonly phase: number;
}

const FLAG_BITS = 6;
const DELIMITER_BITS = 8;
/** Dominant bits that a node bears behind its flag; with the eighth both counters' rule begins again. */
const DOMINANT_BITS_BORNE = 8;

/**
 * One CAN controller in one disturbed frame, bit by bit: sends or receives, finds errors, and makes the error frame.
 * (ISO 11898-1:2015, 10.9 to 10.11 and 12.1.4.2)
 */
export class BitNode implements Stateful<BitNodeState> {
  readonly index: number;
  readonly #counters: ErrorCounters;
  readonly #decoder = new BitDecoder();
  #frame: CanFrame | undefined;
  #stream: Uint8Array;
  #role: Role;
  #place = 0;
  /** It sent when the error came, so that its errors count for TEC. */
  #transmitter: boolean;
  #passiveFlag = false;
  /** Its passive flag is about an ACK error, for which TEC moves only if somebody else sends a flag too. */
  #unseenAck = false;
  /** Of bits, in the part of the error frame that goes on. */
  #count = 0;
  #last = -1;
  /** How much of its next bit has passed, 0 to 1. Others than 0 only if not all nodes have one bit rate. */
  phase = 0;

  /** @param frame what it sends; undefined: it receives */
  constructor(index: number, counters: ErrorCounters, frame: CanFrame | undefined) {
    this.index = index;
    this.#counters = counters;
    this.#frame = frame;
    this.#stream = frame === undefined ? new Uint8Array(0) : canBitStream(frame);
    this.#role = frame === undefined ? "idle" : "transmit";
    this.#transmitter = frame !== undefined;
  }

  get frame(): CanFrame | undefined {
    return this.#frame;
  }

  /** It waits for a frame to begin. */
  get done(): boolean {
    return this.#role === "done" || this.#role === "idle";
  }

  /** It has seen no SOF. */
  get idle(): boolean {
    return this.#role === "idle";
  }

  /** It has not lost the arbitration. */
  get transmitter(): boolean {
    return this.#transmitter;
  }

  /** Its next bit has the length of those of the data phase. */
  get isFast(): boolean {
    if (this.#role === "transmit") return ((this.#stream[this.#place] as number) & CanBit.Fast) !== 0;
    return this.#role === "receive" && this.#decoder.isFast;
  }

  /** The level that it sends: 0 dominant, 1 recessive. */
  get level(): number {
    if (this.#role === "transmit") return (this.#stream[this.#place] as number) & CanBit.Value;
    if (this.#role === "receive") return this.#decoder.acknowledges ? 0 : 1;
    return this.#role === "flag" && !this.#passiveFlag ? 0 : 1;
  }

  /** Off the bus, or without power: it takes no part any more. */
  leave(): void {
    this.#role = "done";
  }

  /** One bit has passed. @param seen its level, as this node sees it */
  sample(seen: number): BitResult {
    switch (this.#role) {
      case "idle":
        if (seen === 1) return "nothing";
        this.#role = "receive";
        return this.#receive(this.#decoder.step(seen));
      case "transmit":
        return this.#transmit(seen);
      case "receive":
        return this.#receive(this.#decoder.step(seen));
      case "flag":
        return this.#flag(seen);
      case "afterFlag":
        this.#afterFlag(seen);
        return "nothing";
      case "delimiter":
        return this.#delimiter(seen);
      case "done":
        return "nothing";
    }
  }

  save(): BitNodeState {
    return {
      index: this.index,
      frame: this.#frame,
      role: this.#role,
      place: this.#place,
      decoder: this.#decoder.save(),
      transmitter: this.#transmitter,
      passiveFlag: this.#passiveFlag,
      unseenAck: this.#unseenAck,
      count: this.#count,
      last: this.#last,
      phase: this.phase,
    };
  }

  load(state: BitNodeState): void {
    this.#frame = state.frame;
    this.#stream = state.frame === undefined ? new Uint8Array(0) : canBitStream(state.frame);
    this.#role = state.role;
    this.#place = state.place;
    this.#decoder.load(state.decoder);
    this.#transmitter = state.transmitter;
    this.#passiveFlag = state.passiveFlag;
    this.#unseenAck = state.unseenAck;
    this.#count = state.count;
    this.#last = state.last;
    this.phase = state.phase;
  }

  #transmit(seen: number): BitResult {
    const sent = this.#stream[this.#place] as number;
    const decoded = this.#decoder.step(seen); // it may yet become a receiver
    const differs = (sent & CanBit.Value) !== seen;
    if ((sent & CanBit.Ack) !== 0) {
      if (!differs) return this.#error("ack");
    } else if (differs) {
      if ((sent & CanBit.Arbitration) === 0 || seen === 1) return this.#error("bit");
      if ((sent & CanBit.Stuff) !== 0) return this.#error("stuff");
      this.#role = "receive";
      this.#transmitter = false;
      return this.#receive(decoded);
    }
    this.#place++;
    if (this.#place < this.#stream.length) return "nothing";
    this.#role = "done";
    this.#counters.transmitted();
    return "transmitted";
  }

  #receive(decoded: ReturnType<BitDecoder["step"]>): BitResult {
    if (decoded === "more") return "nothing";
    if (decoded !== "received") return this.#error(decoded);
    this.#role = "done";
    this.#counters.received();
    return "received";
  }

  /**
   * Rules a and c. A transmitter's TEC does not move for a stuff bit that was overwritten in the arbitration, nor for an
   * ACK error of an error-passive one whose flag nobody answers. Which flag it sends follows from the state before.
   */
  #error(kind: CanErrorKind): CanErrorKind {
    this.#passiveFlag = this.#counters.state === "passive";
    this.#unseenAck = this.#transmitter && kind === "ack" && this.#passiveFlag;
    const isExempt = this.#unseenAck || (this.#transmitter && kind === "stuff");
    if (!this.#transmitter) this.#counters.receiveFailed(1);
    else if (!isExempt) this.#counters.transmitFailed();
    this.#role = "flag";
    this.#count = 0;
    this.#last = -1;
    return kind;
  }

  #flag(seen: number): BitResult {
    if (this.#passiveFlag) {
      if (seen === 0 && this.#unseenAck) {
        this.#unseenAck = false;
        this.#counters.transmitFailed();
      }
      // Complete with six equal bits, whoever made them. (10.10.2)
      this.#count = seen === this.#last ? this.#count + 1 : 1;
      this.#last = seen;
    } else if (seen === 1) {
      this.#punish(); // rules d and e: a bit error in an active flag, which begins anew
      this.#count = 0;
      this.#passiveFlag = this.#counters.state === "passive";
      return "bit";
    } else {
      this.#count++;
    }
    if (this.#count === FLAG_BITS) {
      this.#role = "afterFlag";
      this.#count = 0;
    }
    return "nothing";
  }

  /** Rule b: a receiver that sees a dominant bit right behind its flag. Rule f: dominant bits without end. */
  #afterFlag(seen: number): void {
    if (seen === 1) {
      this.#role = "delimiter";
      this.#count = 1;
      return;
    }
    this.#count++;
    if (this.#count === 1 && !this.#transmitter) this.#counters.receiveFailed(ERROR_STEP);
    if (this.#count % DOMINANT_BITS_BORNE === 0) this.#punish();
  }

  #delimiter(seen: number): BitResult {
    this.#count++;
    if (seen === 0 && this.#count < DELIMITER_BITS) return this.#error("form");
    if (this.#count === DELIMITER_BITS) this.#role = "done";
    return "nothing";
  }

  #punish(): void {
    if (this.#transmitter) this.#counters.transmitFailed();
    else this.#counters.receiveFailed(ERROR_STEP);
  }
}
