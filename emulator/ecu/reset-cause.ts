import { ResetType } from "../uds/service.ts";

/** Why the ECU started, and the code for it in identifier 0111. (docs/protocols/ecu.md, watchdog) */
export const RESET_CAUSES = {
  powerOn: 0,
  hardReset: 1,
  keyOffOnReset: 2,
  softReset: 3,
  watchdog: 4,
  undervoltage: 5,
  trap: 6,
} as const;
export type ResetCause = keyof typeof RESET_CAUSES;

export const COMMANDED: Readonly<Record<ResetType, ResetCause>> = {
  [ResetType.HardReset]: "hardReset",
  [ResetType.KeyOffOnReset]: "keyOffOnReset",
  [ResetType.SoftReset]: "softReset",
};

/** Resets that go on with the operation cycle; any other start begins a new one. */
export const SAME_CYCLE: ReadonlySet<ResetCause> = new Set(["softReset", "watchdog", "trap"]);
