import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";

/**
 * A CAN frame bit by bit, written the long way from ISO 11898-1:2015, clause 10: the second opinion on the tables of
 * emulator/wire/can-bits.ts, with which it shares no code.
 */
export interface WireBit {
  readonly value: number;
  readonly field: string;
  /** "brs" begins at the nominal rate and ends at the data rate; "crcDelimiter" the other way round. */
  readonly rate: "nominal" | "data";
  readonly stuff: boolean;
}

export interface NaiveFrame {
  readonly bits: readonly WireBit[];
  readonly crc: number;
  readonly dynamicStuffBits: number;
}

interface Plain {
  readonly value: number;
  readonly field: string;
}

const LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64];

/** Most significant bit first. `polynomial` without its highest term. */
export function naiveCrc(bits: readonly number[], width: number, polynomial: number, initial: number): number {
  let crc = initial;
  for (const bit of bits) {
    const top = (crc >>> (width - 1)) & 1;
    crc = (crc << 1) & (2 ** width - 1);
    if ((top ^ bit) === 1) crc ^= polynomial;
  }
  return crc;
}

const bitsOf = (value: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Math.floor(value / 2 ** (count - 1 - index)) % 2);

const has = (frame: CanFrame, flag: number): number => ((frame.flags & flag) === 0 ? 0 : 1);

function identifierFields(frame: CanFrame): [string, number[]][] {
  const fd = has(frame, CanFlag.Fd) === 1;
  const remote: [string, number[]] = fd ? ["rrs", [0]] : ["rtr", [has(frame, CanFlag.Remote)]];
  if (has(frame, CanFlag.Extended) === 0) return [["id", bitsOf(frame.id, 11)], remote, ["ide", [0]]];
  return [
    ["id", bitsOf(Math.floor(frame.id / 2 ** 18), 11)],
    ["srr", [1]],
    ["ide", [1]],
    ["id", bitsOf(frame.id % 2 ** 18, 18)],
    remote,
  ];
}

function controlFields(frame: CanFrame): [string, number[]][] {
  const dlc: [string, number[]] = ["dlc", bitsOf(LENGTHS.indexOf(frame.data.length), 4)];
  if (has(frame, CanFlag.Fd) === 1) {
    const brs: [string, number[]] = ["brs", [has(frame, CanFlag.BitRateSwitch)]];
    return [["fdf", [1]], ["res", [0]], brs, ["esi", [has(frame, CanFlag.ErrorStateIndicator)]], dlc];
  }
  return has(frame, CanFlag.Extended) === 1 ? [["r1", [0]], ["r0", [0]], dlc] : [["r0", [0]], dlc];
}

function plainHead(frame: CanFrame): Plain[] {
  const data = has(frame, CanFlag.Remote) === 1 ? [] : [...frame.data].flatMap((byte) => bitsOf(byte, 8));
  const fields = [["sof", [0]] as const, ...identifierFields(frame), ...controlFields(frame), ["data", data] as const];
  return fields.flatMap(([field, values]) => values.map((value) => ({ field, value })));
}

/** Puts in the bit that is other than five equal ones, itself the first of the next five. */
function stuff(plain: readonly Plain[], alsoAtTheEnd: boolean): (Plain & { readonly stuff: boolean })[] {
  const stuffed: (Plain & { readonly stuff: boolean })[] = [];
  for (const [index, bit] of plain.entries()) {
    stuffed.push({ ...bit, stuff: false });
    const last = stuffed.slice(-5);
    const full = last.length === 5 && last.every(({ value }) => value === bit.value);
    if (full && (index < plain.length - 1 || alsoAtTheEnd)) {
      stuffed.push({ value: 1 - bit.value, field: bit.field, stuff: true });
    }
  }
  return stuffed;
}

const GRAY = [0b000, 0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100];

/** Stuff count and CRC, a fixed stuff bit in front and after every fourth bit. */
function fdCrcField(head: readonly (Plain & { readonly stuff: boolean })[], length: number, count: number) {
  const gray = GRAY[count % 8] as number;
  const parity = bitsOf(gray, 3).reduce((sum, bit) => sum ^ bit, 0);
  const stuffCount = [...bitsOf(gray, 3), parity];
  const seen = [...head.map(({ value }) => value), ...stuffCount];
  const long = length > 16;
  const crc = long ? naiveCrc(seen, 21, 0x102899, 1 << 20) : naiveCrc(seen, 17, 0x1685b, 1 << 16);
  const content = [
    ...stuffCount.map((value) => ({ value, field: "stuffCount", stuff: false })),
    ...bitsOf(crc, long ? 21 : 17).map((value) => ({ value, field: "crc", stuff: false })),
  ];
  const bits: (Plain & { readonly stuff: boolean })[] = [];
  let before = head.at(-1)?.value as number;
  for (const [index, bit] of content.entries()) {
    if (index % 4 === 0) bits.push({ value: 1 - before, field: bit.field, stuff: true });
    bits.push(bit);
    before = bit.value;
  }
  return { crc, bits };
}

export function naiveFrame(frame: CanFrame): NaiveFrame {
  const head = plainHead(frame);
  const fd = (frame.flags & CanFlag.Fd) !== 0;
  let bits: (Plain & { readonly stuff: boolean })[];
  let crc: number;
  let dynamicStuffBits: number;
  if (fd) {
    const stuffed = stuff(head, false);
    dynamicStuffBits = stuffed.filter((bit) => bit.stuff).length;
    const field = fdCrcField(stuffed, frame.data.length, dynamicStuffBits);
    crc = field.crc;
    bits = [...stuffed, ...field.bits];
  } else {
    const values = head.map(({ value }) => value);
    crc = naiveCrc(values, 15, 0x4599, 0);
    bits = stuff([...head, ...bitsOf(crc, 15).map((value) => ({ value, field: "crc" }))], true);
    dynamicStuffBits = bits.filter((bit) => bit.stuff).length;
  }
  const ending = [
    { field: "crcDelimiter", value: 1 },
    { field: "ack", value: 0 },
    { field: "ackDelimiter", value: 1 },
    ...bitsOf(0x7f, 7).map((value) => ({ field: "eof", value })),
  ].map((bit) => ({ ...bit, stuff: false }));
  let fast = false;
  const timed = [...bits, ...ending].map((bit): WireBit => {
    if (bit.field === "ack") fast = false;
    const rate = fast ? "data" : "nominal";
    if (bit.field === "brs" && bit.value === 1) fast = true;
    return { ...bit, rate };
  });
  return { bits: timed, crc, dynamicStuffBits };
}
