import { UsageError } from "../kernel/errors.ts";
import type { Duration } from "../kernel/time.ts";
import { CanFlag, type CanFrame } from "../wire/can-frame.ts";
import { decodeNPdu } from "../wire/n-pci.ts";

/** One fault of a {@link FaultyCanLink}, and the frames it befalls. Plain data. What is left out matches everything. */
export interface CanFaultRule {
  readonly fault: "drop" | "delay" | "duplicate" | "corrupt";
  /** Seen from the node behind the link. */
  readonly direction: "transmit" | "receive";
  readonly id?: number;
  /** With `id`: whether it is a 29-bit one. */
  readonly extended?: boolean;
  /** The kind of N_PDU, as normal addressing has it. */
  readonly nPdu?: "SF" | "FF" | "CF" | "FC";
  /** Which of the matching frames is the first to suffer, from 1, counted since the rule was armed. Default 1. */
  readonly occurrence?: number;
  /** How many matching frames in a row suffer. Default 1; "all": without end. */
  readonly count?: number | "all";
  /** How likely each of them suffers, 0 to 1. Default 1. */
  readonly probability?: number;
  /** `delay` only: how long the frame, and what comes behind it in its direction, is held. */
  readonly delay?: Duration;
  /** `corrupt` only: which byte, and which of its bits are turned over. Default: one bit at random. */
  readonly byte?: number;
  readonly mask?: number;
}

/** A rule and how many matching frames it has seen. */
export interface ArmedRule {
  readonly rule: CanFaultRule;
  readonly seen: number;
}

/** @throws {UsageError} for a rule that could never work */
export function checkRule(rule: CanFaultRule): void {
  const { fault, delay, occurrence = 1, count = 1, probability = 1, mask = 1, byte = 0 } = rule;
  if (fault === "delay" && !(delay !== undefined && delay > 0)) throw new UsageError("a delay rule needs a delay");
  if (!(Number.isInteger(occurrence) && occurrence >= 1)) throw new UsageError(`occurrence ${occurrence}, from 1`);
  if (count !== "all" && !(Number.isInteger(count) && count >= 1)) throw new UsageError(`count ${count}, from 1`);
  if (!(probability >= 0 && probability <= 1)) throw new UsageError(`probability ${probability}, 0 to 1`);
  if (!(mask >= 1 && mask <= 0xff && byte >= 0)) throw new UsageError(`byte ${byte} with mask ${mask}`);
}

export function ruleMatches(rule: CanFaultRule, frame: CanFrame, direction: CanFaultRule["direction"]): boolean {
  if (rule.direction !== direction) return false;
  if (rule.id !== undefined) {
    const extended = (frame.flags & CanFlag.Extended) !== 0;
    if (frame.id !== rule.id || extended !== (rule.extended ?? rule.id > 0x7ff)) return false;
  }
  return rule.nPdu === undefined || decodeNPdu(frame.data).type === rule.nPdu;
}

/** Whether the rule is over, and can't match again. */
export const isSpent = ({ rule, seen }: ArmedRule): boolean =>
  rule.count !== "all" && seen >= (rule.occurrence ?? 1) - 1 + (rule.count ?? 1);
