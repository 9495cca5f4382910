import type { Stateful } from "../kernel/machine.ts";
import { CanBit, canBitStream } from "../wire/can-bit-stream.ts";
import { CAN_DATA_MAX, CanFlag, type CanFrame, canLengthOfDlc } from "../wire/can-frame.ts";

/** What one more bit means to a receiver. "crc" is told behind the ACK delimiter, where its error flag begins. */
export type DecodedBit = "more" | "received" | "stuff" | "form" | "crc";

type Field = "stuffed" | "fixed" | "crcDelimiter" | "ack" | "ackDelimiter" | "eof";

export interface BitDecoderState {
  readonly field: Field;
  readonly seen: readonly number[];
  readonly plain: readonly number[];
  readonly last: number;
  readonly run: number;
  readonly left: number;
  readonly crcIsRight: boolean;
}

const STUFF_RUN = 5;
const CRC15_BITS = 15;
const CRC_FIELD_SHORT_BITS = 27;
const CRC_FIELD_LONG_BITS = 32;
const FD_SHORT_DATA_MAX = 16;
const EOF_BITS = 7;
/** Places of bits, SOF being 0, in frames with 11-bit and with 29-bit identifiers. */
const IDE = 13;
const BASE = { rtr: 12, fdf: 14, classicDlc: 15 };
const EXTENDED = { rtr: 32, fdf: 33, classicDlc: 35 };
/** Behind FDF: res, BRS, ESI, DLC. */
const RES_BEHIND_FDF = 1;
const BRS_BEHIND_FDF = 2;
const ESI_BEHIND_FDF = 3;
const DLC_BEHIND_FDF = 4;
const DLC_BITS = 4;

/**
 * The receiving side of a CAN controller: one bit after the other, as it sees them, SOF first.
 * (ISO 11898-1:2015, 10.4 to 10.6, 10.9)
 *
 * A recessive res bit, which would be a frame format of the future, is a form error: there is no protocol exception.
 */
export class BitDecoder implements Stateful<BitDecoderState> {
  #field: Field = "stuffed";
  /** SOF to the end of the CRC, with stuff bits and without. */
  #seen: number[] = [];
  #plain: number[] = [];
  #last = -1;
  #run = 0;
  /** Bits left in the field; while stuffed, -1 until the DLC has been read. */
  #left = -1;
  #crcIsRight = false;

  /** At the beginning of the ACK slot: whether a dominant bit is to be sent in it. */
  get acknowledges(): boolean {
    return this.#field === "ack" && this.#crcIsRight;
  }

  /** The bit that comes next is one of the data phase. */
  get isFast(): boolean {
    if (this.#field !== "stuffed" && this.#field !== "fixed" && this.#field !== "crcDelimiter") return false;
    const brs = this.#places().fdf + BRS_BEHIND_FDF;
    return this.#isFd() && this.#plain[brs] === 1;
  }

  step(bit: number): DecodedBit {
    switch (this.#field) {
      case "stuffed":
        return this.#stuffed(bit);
      case "fixed":
        return this.#fixed(bit);
      case "crcDelimiter":
        this.#crcIsRight = bit === 1 && this.#matchesItself();
        this.#field = "ack";
        return bit === 1 ? "more" : "form";
      case "ack":
        this.#field = "ackDelimiter";
        return "more";
      case "ackDelimiter":
        this.#field = "eof";
        this.#left = EOF_BITS;
        if (bit === 0) return "form";
        return this.#crcIsRight ? "more" : "crc";
      case "eof":
        this.#left--;
        if (this.#left === 0) return "received"; // whatever the last bit is
        return bit === 1 ? "more" : "form";
    }
  }

  save(): BitDecoderState {
    const { field, seen, plain } = { field: this.#field, seen: [...this.#seen], plain: [...this.#plain] };
    return { field, seen, plain, last: this.#last, run: this.#run, left: this.#left, crcIsRight: this.#crcIsRight };
  }

  load(state: BitDecoderState): void {
    this.#field = state.field;
    this.#seen = [...state.seen];
    this.#plain = [...state.plain];
    this.#last = state.last;
    this.#run = state.run;
    this.#left = state.left;
    this.#crcIsRight = state.crcIsRight;
  }

  #stuffed(bit: number): DecodedBit {
    this.#seen.push(bit);
    if (this.#run === STUFF_RUN) {
      if (bit === this.#last) return "stuff";
      this.#last = bit;
      this.#run = 1;
      if (this.#left === 0) this.#field = "crcDelimiter";
      return "more";
    }
    this.#run = bit === this.#last ? this.#run + 1 : 1;
    this.#last = bit;
    this.#plain.push(bit);
    if (this.#left > 0) this.#left--;
    else if (this.#headerEnds()) this.#left = 8 * this.#dataLength() + (this.#isFd() ? 0 : CRC15_BITS);
    if (this.#isFd() && this.#plain.length === this.#places().fdf + RES_BEHIND_FDF + 1 && bit === 1) return "form";
    if (this.#left === 0) this.#stuffedFieldsEnd();
    return "more";
  }

  /** Classic: a stuff bit may stand behind the last bit of the CRC. FD: it would be the first of the fixed ones. */
  #stuffedFieldsEnd(): void {
    if (this.#isFd()) {
      this.#field = "fixed";
      this.#left = this.#dataLength() <= FD_SHORT_DATA_MAX ? CRC_FIELD_SHORT_BITS : CRC_FIELD_LONG_BITS;
      this.#run = 0;
    } else if (this.#run < STUFF_RUN) {
      this.#field = "crcDelimiter";
    }
  }

  /** A fixed stuff bit is other than the bit in front of it; one that is not is a form error. */
  #fixed(bit: number): DecodedBit {
    this.#seen.push(bit);
    const isStuffBit = this.#run % STUFF_RUN === 0;
    this.#run++;
    const isWrong = isStuffBit && bit === this.#last;
    this.#last = bit;
    if (--this.#left === 0) this.#field = "crcDelimiter";
    return isWrong ? "form" : "more";
  }

  #places(): typeof BASE {
    return this.#plain[IDE] === 1 ? EXTENDED : BASE;
  }

  #isFd(): boolean {
    return this.#plain[this.#places().fdf] === 1;
  }

  #dlcPlace(): number {
    const { fdf, classicDlc } = this.#places();
    return this.#isFd() ? fdf + DLC_BEHIND_FDF : classicDlc;
  }

  #headerEnds(): boolean {
    return this.#left < 0 && this.#plain.length === this.#dlcPlace() + DLC_BITS;
  }

  #number(place: number, count: number): number {
    let value = 0;
    for (let index = place; index < place + count; index++) value = 2 * value + (this.#plain[index] as number);
    return value;
  }

  #isRemote(): boolean {
    return !this.#isFd() && this.#plain[this.#places().rtr] === 1;
  }

  #codedLength(): number {
    const length = canLengthOfDlc(this.#number(this.#dlcPlace(), DLC_BITS));
    return this.#isFd() ? length : Math.min(length, CAN_DATA_MAX);
  }

  #dataLength(): number {
    return this.#isRemote() ? 0 : this.#codedLength();
  }

  /** Whether what was seen is, CRC and stuff count included, what a sender of its content would have sent. */
  #matchesItself(): boolean {
    const stream = canBitStream(this.#frame());
    return this.#seen.every((bit, place) => bit === ((stream[place] as number) & CanBit.Value));
  }

  #frame(): CanFrame {
    const extended = this.#plain[IDE] === 1;
    const { fdf } = this.#places();
    const fd = this.#isFd();
    const flag = (set: boolean, bit: number): number => (set ? bit : 0);
    const flags =
      flag(extended, CanFlag.Extended) |
      flag(fd, CanFlag.Fd) |
      flag(this.#isRemote(), CanFlag.Remote) |
      flag(fd && this.#plain[fdf + BRS_BEHIND_FDF] === 1, CanFlag.BitRateSwitch) |
      flag(fd && this.#plain[fdf + ESI_BEHIND_FDF] === 1, CanFlag.ErrorStateIndicator);
    const data = new Uint8Array(this.#codedLength());
    const start = this.#dlcPlace() + DLC_BITS;
    for (let index = 0; index < this.#dataLength(); index++) data[index] = this.#number(start + 8 * index, 8);
    const id = extended ? this.#number(1, 11) * 2 ** 18 + this.#number(IDE + 1, 18) : this.#number(1, 11);
    return { id, flags, data };
  }
}
