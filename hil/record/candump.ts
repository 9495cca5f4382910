import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { fromHex } from "../../emulator/wire/text.ts";
import { type CapturedFrame, frameFault } from "./captured-frame.ts";
import { linesOf } from "./pieces.ts";
import { RecordError } from "./record-error.ts";
import { ERROR_FRAME, errorFrameOf } from "./wire-frames.ts";

const CLAUSE = "can-utils, candump -l";
/** The digit behind "##". (linux/can.h: CANFD_BRS, CANFD_ESI) */
const FD_BRS = 1;
const FD_ESI = 2;

/** The lines of a log as `candump -l` writes it, each with its line end. Times are cut to microseconds. */
export function* candumpLines(frames: Iterable<CapturedFrame>): Generator<string> {
  for (const { time, bus, frame } of frames) {
    const micros = time / 1000n;
    const fraction = String(micros % 1_000_000n).padStart(6, "0");
    yield `(${micros / 1_000_000n}.${fraction}) ${bus} ${frameText(frame)}\n`;
  }
}

function frameText({ id, flags, data }: CanFrame): string {
  const digits = (flags & CanFlag.Extended) !== 0 ? 8 : 3;
  const name = id.toString(16).toUpperCase().padStart(digits, "0");
  if ((flags & CanFlag.Remote) !== 0) return `${name}#R${data.length === 0 ? "" : data.length}`;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length).toString("hex").toUpperCase();
  if ((flags & CanFlag.Fd) === 0) return `${name}#${bytes}`;
  const brs = (flags & CanFlag.BitRateSwitch) !== 0 ? FD_BRS : 0;
  const esi = (flags & CanFlag.ErrorStateIndicator) !== 0 ? FD_ESI : 0;
  return `${name}##${(brs | esi).toString(16)}${bytes}`;
}

/**
 * The frames of a candump log, with or without the " R" or " T" that tells the direction. Blank lines are let pass.
 * @throws {RecordError} at the first line that is none of these
 */
export function* readCandump(pieces: Iterable<Uint8Array>): Generator<CapturedFrame> {
  let number = 0;
  for (const line of linesOf(pieces)) {
    number++;
    if (line.trim() === "") continue;
    const read = decodeLine(line);
    if (typeof read === "string") throw new RecordError("CANDUMP_MALFORMED", `line ${number}: ${read}`, CLAUSE);
    yield read;
  }
}

const LINE = /^\((\d{1,12})\.(\d{1,9})\)\s+(\S{1,64})\s+([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#(\S*)(?:\s+[RT])?\s*$/;

/** @returns a reason when the line is wrong */
function decodeLine(line: string): CapturedFrame | string {
  const [, seconds, fraction, bus, id, rest] = LINE.exec(line) ?? [];
  if (seconds === undefined || fraction === undefined || bus === undefined || id === undefined || rest === undefined) {
    return "not of the form (seconds.micros) bus id#data";
  }
  const time = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  const number = Number.parseInt(id, 16);
  if (id.length === 8 && (number & ERROR_FRAME) !== 0) {
    const data = fromHex(rest);
    const frame = data === undefined ? undefined : errorFrameOf(number, data);
    return frame === undefined ? `"${rest}" is no data of an error frame` : { time, bus, frame };
  }
  const frame = decodeFrame(number, id.length === 8 ? CanFlag.Extended : 0, rest);
  if (typeof frame === "string") return frame;
  const fault = frameFault(frame);
  return fault ?? { time, bus, frame };
}

function decodeFrame(id: number, extended: number, text: string): CanFrame | string {
  const remote = /^[Rr]([0-8]?)$/.exec(text);
  if (remote !== null) {
    return { id, flags: extended | CanFlag.Remote, data: new Uint8Array(Number(remote[1])) };
  }
  if (!text.startsWith("#")) {
    const data = fromHex(text);
    return data === undefined ? `"${text}" is not hexadecimal` : { id, flags: extended, data };
  }
  const digit = Number.parseInt(text.charAt(1), 16);
  const data = fromHex(text.slice(2));
  if (Number.isNaN(digit) || data === undefined) return `"${text}" is not a flag digit and hexadecimal data`;
  const brs = (digit & FD_BRS) !== 0 ? CanFlag.BitRateSwitch : 0;
  const esi = (digit & FD_ESI) !== 0 ? CanFlag.ErrorStateIndicator : 0;
  return { id, flags: extended | CanFlag.Fd | brs | esi, data };
}
