import { UsageError } from "../../emulator/kernel/errors.ts";
import { SRUP_SIGNATURES, type SrupSignatures } from "../../gateway/source/srup/key-text.ts";

/** @throws {UsageError} */
export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`"${text}" is no port from 0 to 65535`);
  return port;
}

/** What --for says. @throws {UsageError} */
export function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= 1e6)) throw new UsageError(`--for "${text}" is no number of seconds`);
  return seconds;
}

/** What --max says. @throws {UsageError} */
export function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const size = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  if (size === 0) throw new UsageError(`--max "${text}" is no number of bytes`);
  return size;
}

/** What --last says. @throws {UsageError} */
export function countOf(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`--last "${text}" is no number`);
  return Number(text);
}

/** What --wait says, seconds. @throws {UsageError} */
export function waitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= 3_600)) throw new UsageError(`--wait "${text}" is no number of seconds up to 3600`);
  return seconds;
}

/** What --signatures says. @throws {UsageError} */
export function signaturesWord(text: string | undefined): SrupSignatures | undefined {
  const signatures = SRUP_SIGNATURES.find((each) => each === text);
  if (text !== undefined && signatures === undefined)
    throw new UsageError(`--signatures "${text}" is none of ${SRUP_SIGNATURES.join(", ")}`);
  return signatures;
}
