import { CanFlag, type CanFrame, dlcOfLength } from "./can-frame.ts";

/**
 * How long a frame is on the wire, counted over its actual bits: a byte at a time, by tables.
 *
 * Bit stuffing is a machine with eight states: the value of the last bit on the wire, and how many of its kind stand
 * there in a row (1 to 4; at the fifth the stuff bit follows, and is the first of the other kind).
 */

/** Bits in which nothing is told: three of intermission between two frames. (ISO 11898-1:2015, 10.4.6.2) */
export const INTERMISSION_BITS = 3;

/** ACK slot, ACK delimiter, seven bits EOF. */
const ENDING_BITS = 9;
const CRC_DELIMITER_BITS = 1;
const CRC15_BITS = 15;
/**
 * Stuff count with its parity (4), CRC (17 up to 16 bytes of data, else 21), and a fixed stuff bit in front and after
 * every fourth of them. (ISO 11898-1:2015, 10.4.2.6 and 10.5)
 */
const FD_CRC_FIELD_SHORT_BITS = 4 + 17 + 6;
const FD_CRC_FIELD_LONG_BITS = 4 + 21 + 7;
const FD_SHORT_DATA_MAX = 16;

/** SOF to DLC without stuff bits. */
const CLASSIC_BASE_BITS = 19;
const CLASSIC_EXTENDED_BITS = 39;
/** FD: SOF to BRS, which has its own rate half and half; then ESI and DLC. */
const FD_BASE_BITS = 17;
const FD_EXTENDED_BITS = 36;
const ESI_AND_DLC_BITS = 5;

/** Before SOF the table is in the state in which a dominant bit stands alone, and SOF then starts a run of its own. */
const BEFORE_SOF = 0;
const stateOf = (bit: number, run: number): number => (bit << 2) | (run - 1);

/** By state and byte: the stuff bits that go in (bits 3 and up), and the state after it (bits 0 to 2). */
const STUFFING = new Uint8Array(8 * 256);
for (let index = 0; index < STUFFING.length; index++) {
  let bit = (index >> 10) & 1;
  let run = ((index >> 8) & 3) + 1;
  let stuffed = 0;
  for (let place = 7; place >= 0; place--) {
    const next = (index >> place) & 1;
    run = next === bit ? run + 1 : 1;
    bit = next;
    if (run === 5) {
      stuffed++;
      bit ^= 1;
      run = 1;
    }
  }
  STUFFING[index] = (stuffed << 3) | stateOf(bit, run);
}

/** CRC-15: polynomial 4599, initial value 0. (ISO 11898-1:2015, 10.4.2.6) */
const CRC15_POLYNOMIAL = 0x4599;
const CRC15 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 7;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x4000) !== 0 ? (crc << 1) ^ CRC15_POLYNOMIAL : crc << 1;
  return crc & 0x7fff;
});

/**
 * SOF up to the last bit before the data field, as bytes that end with it. The places in front of SOF alternate, so that
 * they add no stuff bit, and the one next to SOF is recessive. Written anew for every frame.
 */
const header = new Uint8Array(6);
const FILL = 0b0101_0101;

/** How many bits of a frame go at which rate, from SOF to the end of EOF. */
interface CanFrameBits {
  readonly nominal: number;
  /** At the data bit rate; 0 without BRS. */
  readonly data: number;
}

/** @param frame one that can be (`canFrameFault`) */
export function canFrameBits(frame: CanFrame): CanFrameBits {
  const packed = measure(frame);
  return { nominal: packed & 0xffff, data: packed >>> 16 };
}

/**
 * From the beginning of SOF to the end of EOF, in nanoseconds, not rounded.
 *
 * The rate changes at the sample point of BRS and changes back at the sample point of the CRC delimiter. With the same
 * sample point at both rates, the two bits together are one bit of each rate.
 * @param nominalBit @param dataBit length of one bit, ns
 */
export function canFrameTime(frame: CanFrame, nominalBit: number, dataBit: number): number {
  const packed = measure(frame);
  return (packed & 0xffff) * nominalBit + (packed >>> 16) * dataBit;
}

/** Nominal bits in the low half, data bits in the high half. */
const measure = (frame: CanFrame): number =>
  (frame.flags & CanFlag.Fd) === 0 ? measureClassic(frame) : measureFd(frame);

function measureClassic(frame: CanFrame): number {
  const remote = (frame.flags & CanFlag.Remote) !== 0;
  const extended = (frame.flags & CanFlag.Extended) !== 0;
  const data = frame.data;
  const length = remote ? 0 : data.length;
  const headerLength = extended ? classicExtendedHeader(frame) : classicBaseHeader(frame);
  // A CRC that starts from 0 does not see zeros in front; the fill is taken away again.
  let crc = CRC15[(header[0] as number) & (extended ? 0x7f : 0x07)] as number;
  let state = BEFORE_SOF;
  let stuffed = 0;
  for (let index = 0; index < headerLength; index++) {
    const byte = header[index] as number;
    if (index > 0) crc = ((crc << 8) ^ (CRC15[(crc >> 7) ^ byte] as number)) & 0x7fff;
    const entry = STUFFING[(state << 8) | byte] as number;
    state = entry & 7;
    stuffed += entry >> 3;
  }
  for (let index = 0; index < length; index++) {
    const byte = data[index] as number;
    crc = ((crc << 8) ^ (CRC15[(crc >> 7) ^ byte] as number)) & 0x7fff;
    const entry = STUFFING[(state << 8) | byte] as number;
    state = entry & 7;
    stuffed += entry >> 3;
  }
  // Fifteen bits are filled up to sixteen with one that is other than the last, and so brings no stuff bit.
  const tail = (crc << 1) | (~crc & 1);
  const entry = STUFFING[(state << 8) | (tail >> 8)] as number;
  stuffed += (entry >> 3) + ((STUFFING[((entry & 7) << 8) | (tail & 0xff)] as number) >> 3);
  const fixed = (extended ? CLASSIC_EXTENDED_BITS : CLASSIC_BASE_BITS) + CRC15_BITS + CRC_DELIMITER_BITS + ENDING_BITS;
  return fixed + 8 * length + stuffed;
}

/**
 * Dynamic stuffing ends with the data field: what follows has fixed stuff bits, so that its length does not depend on
 * the CRC. A stuff bit that would stand right behind the data field is the first of the fixed ones.
 */
function measureFd(frame: CanFrame): number {
  const extended = (frame.flags & CanFlag.Extended) !== 0;
  const data = frame.data;
  const headerLength = extended ? fdExtendedHeader(frame) : fdBaseHeader(frame);
  let state = BEFORE_SOF;
  let early = 0;
  // FDF, res and BRS never end a run of five, so every stuff bit of the last byte of the header comes behind BRS.
  for (let index = 0; index < headerLength - 1; index++) {
    const entry = STUFFING[(state << 8) | (header[index] as number)] as number;
    state = entry & 7;
    early += entry >> 3;
  }
  let byte = header[headerLength - 1] as number;
  let entry = STUFFING[(state << 8) | byte] as number;
  let late = entry >> 3;
  for (let index = 0; index < data.length; index++) {
    byte = data[index] as number;
    entry = STUFFING[((entry & 7) << 8) | byte] as number;
    late += entry >> 3;
  }
  const stuffAtTheEnd = ((entry >> 2) & 1) !== (byte & 1);
  if (stuffAtTheEnd) late--;
  const crcField = data.length <= FD_SHORT_DATA_MAX ? FD_CRC_FIELD_SHORT_BITS : FD_CRC_FIELD_LONG_BITS;
  const nominal = (extended ? FD_EXTENDED_BITS : FD_BASE_BITS) + early + ENDING_BITS;
  const rest = ESI_AND_DLC_BITS + 8 * data.length + late + crcField + CRC_DELIMITER_BITS;
  return (frame.flags & CanFlag.BitRateSwitch) === 0 ? nominal + rest : nominal | (rest << 16);
}

/** SOF 0, identifier 11, RTR, IDE 0, r0 0, DLC 4: 19 bits. */
function classicBaseHeader(frame: CanFrame): number {
  const remote = (frame.flags & CanFlag.Remote) === 0 ? 0 : 1;
  const bits = (frame.id << 7) | (remote << 6) | (dlcOfLength(frame.data.length) as number);
  header[0] = ((FILL << 3) & 0xf8) | (bits >>> 16);
  header[1] = bits >>> 8;
  header[2] = bits;
  return 3;
}

/** SOF 0, base identifier 11, SRR 1, IDE 1, extension 18, RTR, r1 0, r0 0, DLC 4: 39 bits. */
function classicExtendedHeader(frame: CanFrame): number {
  const remote = (frame.flags & CanFlag.Remote) === 0 ? 0 : 1;
  const base = frame.id >>> 18;
  const low = ((frame.id & 0x3ffff) << 7) | (remote << 6) | (dlcOfLength(frame.data.length) as number); // 25 bits
  const high = (base << 2) | 0b11; // SOF and 13 bits
  header[0] = 0x80 | (high >>> 7);
  header[1] = (high << 1) | (low >>> 24);
  header[2] = low >>> 16;
  header[3] = low >>> 8;
  header[4] = low;
  return 5;
}

/** FDF 1, res 0, BRS, ESI, DLC 4. */
const fdControl = (frame: CanFrame): number =>
  0x80 |
  ((frame.flags & CanFlag.BitRateSwitch) === 0 ? 0 : 0x20) |
  ((frame.flags & CanFlag.ErrorStateIndicator) === 0 ? 0 : 0x10) |
  (dlcOfLength(frame.data.length) as number);

/** SOF 0, identifier 11, RRS 0, IDE 0, then the eight bits of {@link fdControl}: 22 bits. */
function fdBaseHeader(frame: CanFrame): number {
  const bits = frame.id << 2; // SOF and 13 bits
  header[0] = ((FILL << 6) & 0xc0) | (bits >>> 8);
  header[1] = bits;
  header[2] = fdControl(frame);
  return 3;
}

/** SOF 0, base identifier 11, SRR 1, IDE 1, extension 18, RRS 0, then {@link fdControl}: 41 bits. */
function fdExtendedHeader(frame: CanFrame): number {
  const base = frame.id >>> 18;
  const low = (frame.id & 0x3ffff) << 1; // extension and RRS, 19 bits
  const high = (base << 2) | 0b11; // SOF and 13 bits
  // 7 bits fill, 14 bits, 19 bits
  header[0] = ((FILL << 1) & 0xfe) | (high >>> 13);
  header[1] = high >>> 5;
  header[2] = (high << 3) | (low >>> 16);
  header[3] = low >>> 8;
  header[4] = low;
  header[5] = fdControl(frame);
  return 6;
}
