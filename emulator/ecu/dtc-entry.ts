import type { DtcRecord } from "../uds/host-dtc.ts";
import { DtcStatus } from "../wire/dtc.ts";
import type { DtcDefinition } from "./dtc-config.ts";

/** What is remembered of one DTC. Plain data, replaced and never changed. */
export interface DtcEntry {
  readonly status: number;
  /** How often it went from passed to failed; up to {@link COUNT_MAX}, as all counts here. */
  readonly occurrences: number;
  /** Operation cycles in a row that were passed since it last failed. */
  readonly aging: number;
  /** Operation cycles in a row in which it failed. */
  readonly failedCycles: number;
  /** It may only go when the ECU itself has seen that the fault is gone. */
  readonly permanent: boolean;
  /** Ordinals of events, 0 when there was none since it was cleared. */
  readonly firstFailed: number;
  readonly lastFailed: number;
  readonly confirmed: number;
  readonly snapshots: readonly DtcRecord[];
}

const COUNT_MAX = 255;
const upOne = (count: number): number => Math.min(COUNT_MAX, count + 1);

const {
  TestFailed,
  TestFailedThisOperationCycle,
  PendingDtc,
  ConfirmedDtc,
  TestNotCompletedSinceLastClear,
  TestFailedSinceLastClear,
  TestNotCompletedThisOperationCycle,
  WarningIndicatorRequested,
} = DtcStatus;

/** As after a clear. (ISO 14229-1:2020, D.2) */
export const CLEARED: DtcEntry = {
  status: TestNotCompletedSinceLastClear | TestNotCompletedThisOperationCycle,
  occurrences: 0,
  aging: 0,
  failedCycles: 0,
  permanent: false,
  firstFailed: 0,
  lastFailed: 0,
  confirmed: 0,
  snapshots: [],
};

/** Snapshots: the first failure since the last clear, and the latest. */
export const SNAPSHOT_FIRST = 0x01;
export const SNAPSHOT_LATEST = 0x02;

const has = (entry: DtcEntry, bits: number): boolean => (entry.status & bits) !== 0;

/**
 * The test has ended with "failed". A result that only repeats what is known changes nothing.
 * @param ordinal of the event @param freeze takes the snapshot
 */
export function failed(entry: DtcEntry, rule: DtcDefinition, ordinal: number, freeze: () => Uint8Array): DtcEntry {
  if (has(entry, TestFailed) && has(entry, TestFailedThisOperationCycle)) return entry;
  const failedCycles = has(entry, TestFailedThisOperationCycle) ? entry.failedCycles : upOne(entry.failedCycles);
  const confirms = failedCycles >= rule.cyclesToConfirm || has(entry, ConfirmedDtc);
  const lights = confirms && rule.indicator;
  const fell = !has(entry, TestFailed);
  return {
    status:
      (entry.status & ~(TestNotCompletedSinceLastClear | TestNotCompletedThisOperationCycle)) |
      TestFailed |
      TestFailedThisOperationCycle |
      PendingDtc |
      TestFailedSinceLastClear |
      (confirms ? ConfirmedDtc : 0) |
      (lights ? WarningIndicatorRequested : 0),
    occurrences: fell ? upOne(entry.occurrences) : entry.occurrences,
    aging: 0,
    failedCycles,
    permanent: entry.permanent || lights,
    firstFailed: entry.firstFailed || ordinal,
    lastFailed: fell ? ordinal : entry.lastFailed,
    confirmed: confirms && !has(entry, ConfirmedDtc) ? ordinal : entry.confirmed,
    snapshots: fell ? withSnapshot(entry.snapshots, freeze()) : entry.snapshots,
  };
}

const withSnapshot = (snapshots: readonly DtcRecord[], data: Uint8Array): readonly DtcRecord[] => {
  const first = snapshots[0];
  if (first === undefined) return [{ number: SNAPSHOT_FIRST, data }];
  return [first, { number: SNAPSHOT_LATEST, data }];
};

/** The test has ended with "passed". */
export function passed(entry: DtcEntry): DtcEntry {
  const status = entry.status & ~(TestFailed | TestNotCompletedSinceLastClear | TestNotCompletedThisOperationCycle);
  return status === entry.status ? entry : { ...entry, status };
}

/**
 * A new operation cycle begins. Done twice without a test in between it is the same as done once, so it need not be
 * stored. (ISO 14229-1:2020, D.2: pendingDTC ends with a cycle that was tested and not failed, and such cycles age)
 */
export function cycleBegun(entry: DtcEntry, rule: DtcDefinition): DtcEntry {
  const tested = !has(entry, TestNotCompletedThisOperationCycle);
  const healthy = tested && !has(entry, TestFailed | TestFailedThisOperationCycle);
  const status = (entry.status & ~TestFailedThisOperationCycle) | TestNotCompletedThisOperationCycle;
  if (!healthy) return { ...entry, status };
  const aging = has(entry, PendingDtc | ConfirmedDtc) || entry.permanent ? upOne(entry.aging) : entry.aging;
  const healed = aging >= rule.cyclesToHeal;
  const rest = status & ~PendingDtc & ~(healed ? WarningIndicatorRequested : 0);
  const passing = { ...entry, failedCycles: 0, aging, permanent: entry.permanent && !healed };
  if (aging < rule.cyclesToAge || !has(entry, ConfirmedDtc)) return { ...passing, status: rest };
  return { ...CLEARED, status: rest & ~(ConfirmedDtc | WarningIndicatorRequested) };
}

/** Cleared by a tester, which can't take the permanent status away. (ISO 14229-1:2020, 12.2 and 12.3) */
export const cleared = (entry: DtcEntry): DtcEntry => (entry.permanent ? { ...CLEARED, permanent: true } : CLEARED);

/**
 * What of it must be stored. While nothing has failed since it was cleared, the cycle does not matter: such an entry
 * changes once, when its test is first completed.
 */
export const isStoredAlike = (one: DtcEntry, other: DtcEntry): boolean =>
  one === other || (isBlank(one) && isBlank(other) && lasting(one) === lasting(other));

const isBlank = (entry: DtcEntry): boolean =>
  !entry.permanent && !has(entry, TestFailed | PendingDtc | ConfirmedDtc | TestFailedSinceLastClear);

const lasting = ({ status }: DtcEntry): number =>
  status & ~(TestFailedThisOperationCycle | TestNotCompletedThisOperationCycle);
