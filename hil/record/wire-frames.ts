import type { TraceEvent, TraceEventOf } from "../../emulator/kernel/trace.ts";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";

/** Marks an error frame in the identifier, whose other bits are then classes. (linux/can.h, linux/can/error.h) */
export const ERROR_FRAME = 0x2000_0000;
const CLASSES = 0x1fff_ffff;
const ErrorClass = { Protocol: 0x08, Ack: 0x20, BusError: 0x80 } as const;
/** data[2] and data[3]; data[6] and data[7] are TEC and REC. */
const VIOLATIONS: ReadonlyMap<string, readonly [type: number, location: number]> = new Map([
  ["bit", [0x01, 0x00]],
  ["form", [0x02, 0x00]],
  ["stuff", [0x04, 0x00]],
  ["crc", [0x00, 0x08]],
  ["ack", [0x00, 0x19]],
]);
const DATA_LENGTH = 8;

/**
 * What an adapter would show of the events of a trace: frames, and error frames as SocketCAN has them. An error frame is
 * shown once, with the error and the counters of the node that began it, however many nodes answer it.
 */
export class WireFrames {
  /** By bus: the nodes that have found an error since its last frame, or since one of them found the next. */
  readonly #flagged = new Map<string, Set<string>>();

  /** @returns undefined for an event that shows nothing new */
  of(event: TraceEvent): CanFrame | undefined {
    if (event.type === "can.frame") {
      this.#flagged.delete(event.source);
      return event;
    }
    return event.type === "can.error" && this.#begins(event) ? errorFrame(event) : undefined;
  }

  #begins({ source, node }: TraceEventOf<"can.error">): boolean {
    const flagged = this.#flagged.get(source);
    const begins = flagged === undefined || flagged.has(node);
    if (begins) this.#flagged.set(source, new Set([node]));
    else flagged.add(node);
    return begins;
  }
}

/** One that was captured. @param word identifier and flags @returns undefined for more data than an error frame has */
export function errorFrameOf(word: number, data: Uint8Array): CanFrame | undefined {
  if (data.length > DATA_LENGTH) return undefined;
  return { id: ERROR_FRAME + (word & CLASSES), flags: CanFlag.Extended, data };
}

function errorFrame({ kind, tec, rec }: TraceEventOf<"can.error">): CanFrame {
  const [type, location] = VIOLATIONS.get(kind) ?? [0, 0];
  const data = new Uint8Array(DATA_LENGTH);
  data.set([type, location], 2);
  data.set([Math.min(tec, 0xff), Math.min(rec, 0xff)], 6);
  const what = kind === "ack" ? ErrorClass.Ack : ErrorClass.Protocol;
  return { id: ERROR_FRAME + (what | ErrorClass.BusError), flags: CanFlag.Extended, data };
}
