import { UsageError } from "../../emulator/kernel/errors.ts";

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
