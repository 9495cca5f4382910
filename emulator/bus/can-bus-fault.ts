import { UsageError } from "../kernel/errors.ts";
import { CanFlag, type CanFrame, canFrameFault } from "../wire/can-frame.ts";
import type { BitFlip, ForcedLevel } from "./disturbed-frame.ts";

/** One bit of some frames is seen turned over. Counts attempts, so a frame that is tried again counts again. */
interface CorruptBitFault {
  readonly fault: "corruptBit";
  /** Number of the bit on the wire: 0 is SOF, stuff bits count. */
  readonly bit: number;
  /** The one node that sees it so; left out: all do, the sender too. */
  readonly seenBy?: string;
  /** Only frames with that identifier. */
  readonly id?: number;
  /** With `id`: whether it is a 29-bit one. */
  readonly extended?: boolean;
  /** Which of the matching frames is the first, from 1, counted since the fault was armed. Default 1. */
  readonly occurrence?: number;
  /** How many matching frames in a row. Default 1; "all": without end. */
  readonly count?: number | "all";
}

/** What can be wrong with a bus or with one node on it. Plain data. */
export type CanBusFault =
  /** A node sends that frame without pause, and nothing that it is asked for. */
  | { readonly fault: "babble"; readonly node: string; readonly frame: CanFrame }
  /** A node is cut off from the others, and goes on alone. */
  | { readonly fault: "openWire"; readonly node: string }
  /** The wires touch each other ("recessive") or the supply ("dominant"). */
  | { readonly fault: "short"; readonly level: ForcedLevel }
  /** A node follows another nominal bit rate than the others, bit/s; its data bit rate is as much too high or low. */
  | { readonly fault: "wrongBitRate"; readonly node: string; readonly bitRate: number }
  | CorruptBitFault;

/** A fault and how many matching frames it has seen. */
export interface ArmedCorruption {
  readonly fault: CorruptBitFault;
  readonly seen: number;
}

/** The highest number that a bit of a frame can have, and one more: 64 bytes, 29-bit identifier, all stuff bits. */
const BIT_MAX = 800;

/** @throws {UsageError} for a fault that could never be */
export function checkBusFault(fault: CanBusFault): void {
  if (fault.fault === "wrongBitRate" && !(fault.bitRate > 0)) throw new UsageError(`bit rate ${fault.bitRate}`);
  if (fault.fault === "babble") {
    const wrong = canFrameFault(fault.frame);
    if (wrong !== undefined) throw new UsageError(wrong);
  }
  if (fault.fault !== "corruptBit") return;
  const { bit, occurrence = 1, count = 1 } = fault;
  if (!(Number.isInteger(bit) && bit >= 0 && bit < BIT_MAX)) throw new UsageError(`bit ${bit}, 0 to ${BIT_MAX - 1}`);
  if (!(Number.isInteger(occurrence) && occurrence >= 1)) throw new UsageError(`occurrence ${occurrence}, from 1`);
  if (count !== "all" && !(Number.isInteger(count) && count >= 1)) throw new UsageError(`count ${count}, from 1`);
}

/**
 * Counts a frame that begins for every corruption that it matches.
 * @returns the bits that are turned over, and what is left to come
 */
export function corrupt(
  armed: readonly ArmedCorruption[],
  { id, flags }: CanFrame,
  indexOf: (node: string) => number,
): { readonly flips: readonly BitFlip[]; readonly left: readonly ArmedCorruption[] } {
  const flips: BitFlip[] = [];
  const extended = (flags & CanFlag.Extended) !== 0;
  const counted = armed.map(({ fault, seen }) => {
    const { bit, seenBy, occurrence = 1 } = fault;
    if (fault.id !== undefined && (fault.id !== id || extended !== (fault.extended ?? id > 0x7ff))) {
      return { fault, seen };
    }
    if (seen + 1 >= occurrence) flips.push({ bit, node: seenBy === undefined ? undefined : indexOf(seenBy) });
    return { fault, seen: seen + 1 };
  });
  const left = counted.filter(
    ({ fault: { count = 1, occurrence = 1 }, seen }) => count === "all" || seen < occurrence - 1 + count,
  );
  return { flips, left };
}
