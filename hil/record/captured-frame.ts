import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { WireFrames } from "./wire-frames.ts";

/** Unix time at which the captures of a virtual run begin, seconds: 2026-01-01 00:00:00 UTC, so that equal runs give equal files. */
export const CAPTURE_EPOCH = 1_767_225_600;

/** One frame as capture files have it. */
export interface CapturedFrame {
  /** Unix time, nanoseconds. */
  readonly time: bigint;
  readonly bus: string;
  readonly frame: CanFrame;
}

/** What an adapter would show of the events of a trace, error frames among it. @param epoch Unix time of the start of the run, seconds */
export function* framesOf(events: Iterable<TraceEvent>, epoch = CAPTURE_EPOCH): Generator<CapturedFrame> {
  const start = BigInt(epoch) * 1_000_000_000n;
  const wires = new WireFrames();
  for (const event of events) {
    const frame = wires.of(event);
    if (frame !== undefined) yield { time: start + BigInt(event.at), bus: event.source, frame };
  }
}

const LENGTHS_FD: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64]);

/** Why no CAN frame can look like this; undefined for a good one. */
export function frameFault({ id, flags, data }: CanFrame): string | undefined {
  const idMax = (flags & CanFlag.Extended) !== 0 ? 0x1fff_ffff : 0x7ff;
  if (id > idMax) return `identifier ${id.toString(16)}, at most ${idMax.toString(16)}`;
  if ((flags & CanFlag.Fd) === 0) return data.length > 8 ? `${data.length} bytes in a classic frame` : undefined;
  if ((flags & CanFlag.Remote) !== 0) return "a remote frame in CAN FD";
  return LENGTHS_FD.has(data.length) ? undefined : `${data.length} bytes, which no DLC stands for`;
}
