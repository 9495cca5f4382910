import type { Instant } from "../kernel/time.ts";
import type { Work } from "./work.ts";

/** A numbered piece of what was stored with a DTC. */
export interface DtcRecord {
  readonly number: number;
  /** A snapshot: numberOfIdentifiers, then each identifier and its data. Extended data: as it is. */
  readonly data: Uint8Array;
}

/** One DTC, as a report shows it. */
export interface DtcView {
  /** 24 bits. */
  readonly code: number;
  readonly status: number;
  readonly severity: number;
  readonly functionalUnit: number;
  /** FunctionalGroupIdentifiers that it belongs to. */
  readonly functionalGroups: readonly number[];
  readonly readinessGroup: number | undefined;
  /** -128 (passed) to 127 (failed). */
  readonly faultDetectionCounter: number;
  readonly permanent: boolean;
  /** Its place in the order of events since it was cleared; undefined when that has not happened. */
  readonly firstFailed: number | undefined;
  readonly lastFailed: number | undefined;
  readonly confirmed: number | undefined;
  readonly snapshots: readonly DtcRecord[];
  readonly extendedData: readonly DtcRecord[];
}

/** The DTC memory of an ECU, as its UDS server sees it. */
export interface DtcHost {
  /** The status bits that the ECU has. */
  readonly statusAvailabilityMask: number;
  /** Record numbers that any of its DTCs can have. */
  readonly snapshotNumbers: readonly number[];
  readonly extendedDataNumbers: readonly number[];
  /** Every DTC that the ECU supports, in the order of their codes. */
  list(): readonly DtcView[];
  /** Those in a user defined memory; undefined when there is no such memory. */
  userMemory(selection: number): readonly DtcView[] | undefined;
  /**
   * Clears the DTCs named, or the user defined memory named.
   * @returns refused with NRC 0x72 when they can't be stored
   */
  clear(codes: readonly number[], selection: number | undefined, now: Instant): Work;
  /** Nothing that happens changes the DTCs named until they are on again. */
  setting(on: boolean, codes: readonly number[]): void;
  /** The default session: all settings are on. */
  sessionEnded(): void;
}
