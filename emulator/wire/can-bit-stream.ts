import { CanFlag, type CanFrame, dlcOfLength } from "./can-frame.ts";

/** What is known of one bit of a {@link canBitStream}; `Value` is the level itself, 1 recessive. */
export const CanBit = {
  Value: 1,
  /** A stuff bit, dynamic or fixed. */
  Stuff: 2,
  /** In the arbitration field: SOF to RTR, or RRS. */
  Arbitration: 4,
  /** At the data bit rate. BRS counts as nominal and the CRC delimiter as data: together they are one bit of each. */
  Fast: 8,
  /** The ACK slot, which its sender leaves recessive. */
  Ack: 16,
} as const;

/** Up to 16 bytes CRC-17, over that CRC-21; the leading bit of each is set at first. (ISO 11898-1:2015, 10.4.2.6) */
const CRC15 = { width: 15, polynomial: 0x4599, initial: 0 };
const CRC17 = { width: 17, polynomial: 0x1685b, initial: 1 << 16 };
const CRC21 = { width: 21, polynomial: 0x102899, initial: 1 << 20 };
const FD_SHORT_DATA_MAX = 16;
const EOF_BITS = 7;
/** Stuff count modulo 8 in Gray code. (ISO 11898-1:2015, 10.4.2.6, Table 8) */
const GRAY = [0b000, 0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100];

/**
 * A frame as its sender puts it on the wire, SOF to the end of EOF, one {@link CanBit} set for each bit. For frames that
 * are looked at bit by bit; how long one takes is told faster by `canFrameTime`.
 * @param frame one that can be (`canFrameFault`)
 */
export function canBitStream(frame: CanFrame): Uint8Array {
  const fd = (frame.flags & CanFlag.Fd) !== 0;
  const stream = new BitWriter((frame.flags & CanFlag.BitRateSwitch) !== 0);
  writeIdentifier(stream, frame, fd);
  writeControlAndData(stream, frame, fd);
  if (fd) writeFdCrc(stream, frame.data.length);
  else stream.field(crcOf(stream.plain, CRC15), CRC15.width);
  stream.endStuffing(!fd);
  stream.raw(1, CanBit.Fast);
  stream.raw(1 | CanBit.Ack, 0);
  for (let bit = 0; bit <= EOF_BITS; bit++) stream.raw(1, 0); // with the ACK delimiter in front
  return stream.bytes();
}

function writeIdentifier(stream: BitWriter, { id, flags }: CanFrame, fd: boolean): void {
  const remote = !fd && (flags & CanFlag.Remote) !== 0 ? 1 : 0;
  stream.mark = CanBit.Arbitration;
  stream.field(0, 1);
  if ((flags & CanFlag.Extended) === 0) {
    stream.field(id, 11);
    stream.field(remote, 1);
    stream.field(0, 1);
  } else {
    stream.field(id >>> 18, 11);
    stream.field(0b11, 2);
    stream.field(id & 0x3ffff, 18);
    stream.field(remote, 1);
  }
  stream.mark = 0;
}

function writeControlAndData(stream: BitWriter, { flags, data }: CanFrame, fd: boolean): void {
  if (fd) {
    const brs = (flags & CanFlag.BitRateSwitch) === 0 ? 0 : 1;
    stream.field(0b100 | brs, 3);
    stream.mark = CanBit.Fast;
    stream.field((flags & CanFlag.ErrorStateIndicator) === 0 ? 0 : 1, 1);
  } else {
    stream.field(0, (flags & CanFlag.Extended) === 0 ? 1 : 2);
  }
  stream.field(dlcOfLength(data.length) as number, 4);
  if ((flags & CanFlag.Remote) === 0) for (const byte of data) stream.field(byte, 8);
}

function writeFdCrc(stream: BitWriter, dataLength: number): void {
  const gray = GRAY[stream.stuffed % 8] as number;
  const parity = (gray ^ (gray >> 1) ^ (gray >> 2)) & 1;
  stream.beginFixedStuffing();
  const crc = dataLength <= FD_SHORT_DATA_MAX ? CRC17 : CRC21;
  const stuffCount = (gray << 1) | parity;
  stream.field(stuffCount, 4);
  stream.field(crcOf(stream.crcInput(stuffCount), crc), crc.width);
}

/** Puts bits in a row, stuff bits between them. */
class BitWriter {
  /** The bits without stuff bits. */
  readonly plain: number[] = [];
  stuffed = 0;
  /** What the bits that follow are besides their value. */
  mark = 0;
  readonly #bits: number[] = [];
  readonly #switches: boolean;
  #run = 0;
  #last = -1;
  #pending = false;
  #fixedFrom = -1;

  constructor(switches: boolean) {
    this.#switches = switches;
  }

  field(value: number, count: number): void {
    for (let place = count - 1; place >= 0; place--) this.#put(Math.floor(value / 2 ** place) & 1);
  }

  /** What the CRC of CAN FD goes over: all bits before, stuff bits too, and the stuff count. */
  crcInput(stuffCount: number): number[] {
    const before = this.#bits.slice(0, this.#fixedFrom).map((bit) => bit & CanBit.Value);
    return [...before, ...[3, 2, 1, 0].map((place) => (stuffCount >> place) & 1)];
  }

  /** A dynamic stuff bit that would stand here is the first of the fixed ones. */
  beginFixedStuffing(): void {
    this.#pending = false;
    this.#fixedFrom = this.#bits.length;
  }

  endStuffing(withStuffBit: boolean): void {
    if (withStuffBit) this.#stuffIfDue();
    this.mark = 0;
  }

  raw(bit: number, mark: number): void {
    this.#bits.push(bit | (this.#switches ? mark : mark & ~CanBit.Fast));
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bits);
  }

  #put(bit: number): void {
    if (this.#fixedFrom < 0) this.#stuffIfDue();
    else if ((this.#bits.length - this.#fixedFrom) % 5 === 0) this.raw((1 - this.#last) | CanBit.Stuff, this.mark);
    this.plain.push(bit);
    this.raw(bit, this.mark);
    this.#run = bit === this.#last ? this.#run + 1 : 1;
    this.#last = bit;
    this.#pending = this.#run === 5;
  }

  /** A stuff bit belongs to the field of the bit before it. */
  #stuffIfDue(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#last = 1 - this.#last;
    this.#run = 1;
    this.stuffed++;
    const before = (this.#bits.at(-1) as number) & ~(CanBit.Value | CanBit.Stuff);
    this.raw(this.#last | CanBit.Stuff | before, this.mark & CanBit.Fast);
  }
}

function crcOf(bits: readonly number[], { width, polynomial, initial }: typeof CRC15): number {
  const mask = 2 ** width - 1;
  let crc = initial;
  for (const bit of bits) {
    const out = ((crc >>> (width - 1)) & 1) ^ bit;
    crc = (crc << 1) & mask;
    if (out === 1) crc ^= polynomial & mask;
  }
  return crc;
}
