import { CanFlag, type CanFrame, canFrameFault, canLengthOfDlc, dlcOfLength } from "./can-frame.ts";
import { fromHex, toHex } from "./text.ts";

/** One line that a program sends to a serial CAN adapter. (docs/protocols/doors.md) */
export type SlcanCommand =
  | { readonly type: "transmit"; readonly frame: CanFrame }
  /** S0 to S9: nominal bit rate, bit/s. */
  | { readonly type: "bitRate"; readonly bitRate: number }
  | { readonly type: "open"; readonly listenOnly: boolean }
  | { readonly type: "close" }
  /** Z0, Z1: a time stamp behind each frame. */
  | { readonly type: "timestamps"; readonly on: boolean }
  | { readonly type: "version" }
  | { readonly type: "serialNumber" }
  | { readonly type: "status" }
  /** Filters, polling and the speed of the serial line: taken and without effect. */
  | { readonly type: "ignored" }
  | { readonly type: "malformed"; readonly reason: string };

/** The longest line: a CAN FD frame of 64 bytes with 29 bits of identifier. */
export const SLCAN_LINE_MAX = 1 + 8 + 1 + 128;
/** Answer to a command that was taken, and end of every line. */
export const SLCAN_OK = "\r";
/** Answer to one that was not: BELL. */
export const SLCAN_ERROR = "\u0007";

/** By the digit behind the S, bit/s. */
const BIT_RATES = [10_000, 20_000, 50_000, 100_000, 125_000, 250_000, 500_000, 750_000, 1_000_000, 83_300] as const;
/** A time stamp counts milliseconds and begins anew every minute. */
const TIMESTAMP_PERIOD_MS = 60_000;

/** Letter of a frame, by its flags. Lower case: 11 bits; upper case: 29 bits. */
const LETTERS: Readonly<Record<string, number>> = {
  t: 0,
  T: CanFlag.Extended,
  r: CanFlag.Remote,
  R: CanFlag.Remote | CanFlag.Extended,
  d: CanFlag.Fd,
  D: CanFlag.Fd | CanFlag.Extended,
  b: CanFlag.Fd | CanFlag.BitRateSwitch,
  B: CanFlag.Fd | CanFlag.BitRateSwitch | CanFlag.Extended,
};
const LETTER_OF_FLAGS = new Map(Object.entries(LETTERS).map(([letter, flags]) => [flags, letter]));

/** Reads one line. Total: any text gives a command or a reason. @param line without its CR */
export function decodeSlcan(line: string): SlcanCommand {
  const letter = line.charAt(0);
  const flags = Object.hasOwn(LETTERS, letter) ? LETTERS[letter] : undefined;
  if (flags !== undefined) return decodeFrame(line, flags);
  const rest = line.slice(1);
  if (letter === "S") return bitRateOf(rest);
  if (letter === "Z" && /^[01]$/.test(rest)) return { type: "timestamps", on: rest === "1" };
  const plain = Object.hasOwn(PLAIN, letter) ? PLAIN[letter] : undefined;
  if (plain !== undefined && rest === "") return plain;
  return decodeIgnored(letter, rest);
}

/** The line of a frame with its CR. @param at milliseconds of any clock, when the program has asked for time stamps */
export function encodeSlcan({ id, flags, data }: CanFrame, at?: number): string {
  const letter = LETTER_OF_FLAGS.get(flags & ~CanFlag.ErrorStateIndicator) as string;
  const identifier = id.toString(16).padStart((flags & CanFlag.Extended) === 0 ? 3 : 8, "0");
  const dlc = (dlcOfLength(data.length) as number).toString(16);
  const octets = (flags & CanFlag.Remote) === 0 ? toHex(data) : "";
  const stamp =
    at === undefined
      ? ""
      : Math.floor(at % TIMESTAMP_PERIOD_MS)
          .toString(16)
          .padStart(4, "0");
  return `${letter}${`${identifier}${dlc}${octets}${stamp}`.toUpperCase()}${SLCAN_OK}`;
}

const malformed = (reason: string): SlcanCommand => ({ type: "malformed", reason });

/** Commands of one letter and nothing else. An empty line is a program that feels its way. */
const PLAIN: Readonly<Record<string, SlcanCommand>> = {
  O: { type: "open", listenOnly: false },
  L: { type: "open", listenOnly: true },
  C: { type: "close" },
  V: { type: "version" },
  v: { type: "version" },
  N: { type: "serialNumber" },
  F: { type: "status" },
  "": { type: "ignored" },
};

/** s btr, W filter, M code, m mask, Q auto-start, U speed, X and P and A polling. */
const decodeIgnored = (letter: string, rest: string): SlcanCommand =>
  "sWMmQUXPA".includes(letter) && /^[0-9A-Fa-f]*$/.test(rest)
    ? { type: "ignored" }
    : malformed(`"${(letter + rest).slice(0, 16)}" is no command`);

function bitRateOf(digit: string): SlcanCommand {
  const bitRate = /^\d$/.test(digit) ? BIT_RATES[Number(digit)] : undefined;
  return bitRate === undefined ? malformed(`bit rate "${digit.slice(0, 8)}"`) : { type: "bitRate", bitRate };
}

function decodeFrame(line: string, flags: number): SlcanCommand {
  const digits = (flags & CanFlag.Extended) === 0 ? 3 : 8;
  const identifier = line.slice(1, 1 + digits);
  const dlcDigit = line.charAt(1 + digits);
  if (identifier.length < digits || !/^[0-9A-Fa-f]+$/.test(identifier)) return malformed(`identifier "${identifier}"`);
  if (!/^[0-9A-Fa-f]$/.test(dlcDigit)) return malformed(`data length "${dlcDigit}"`);
  const remote = (flags & CanFlag.Remote) !== 0;
  const length = canLengthOfDlc(Number.parseInt(dlcDigit, 16));
  const octets = line.slice(2 + digits);
  if (octets.length !== (remote ? 0 : 2 * length)) return malformed(`${octets.length} digits for ${length} bytes`);
  const data = remote ? new Uint8Array(Math.min(length, 8)) : fromHex(octets);
  if (data === undefined) return malformed("data that is not hexadecimal");
  const frame: CanFrame = { id: Number.parseInt(identifier, 16), flags, data };
  const fault = canFrameFault(frame);
  return fault === undefined ? { type: "transmit", frame } : malformed(fault);
}
