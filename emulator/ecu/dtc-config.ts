import { ms } from "../kernel/time.ts";
import { DtcFunctionalGroup, DtcSeverity } from "../wire/dtc.ts";
import { Did } from "../wire/uds.ts";
import type { FlashGeometry } from "./flash.ts";

/** The DTCs that an ECU of the family can have: SAE J2012-DA codes with their failure type. (docs/protocols/dtc.md) */
export const Dtc = {
  /** U0001-87: a longer request broke off. */
  MessageLost: 0xc00187,
  /** U0146-87: the supervised message of the gateway does not come. */
  GatewayLost: 0xc14687,
  /** U3000-45: flash could not be erased or programmed. */
  ProgrammingFailed: 0xf00045,
  /** U3000-52: new software was given up, at its start or on trial. */
  SoftwareReverted: 0xf00052,
  /** U3000-57: an image did not pass its check. */
  ImageRefused: 0xf00057,
  /** U3003-16: supply voltage below its limit. */
  Undervoltage: 0xf00316,
} as const;

/** One DTC and its rules. Plain data. */
export interface DtcDefinition {
  /** 24 bits. */
  readonly code: number;
  /** Severity and class, see DtcSeverity; 0: none. */
  readonly severity: number;
  /** DTCFunctionalUnit: of the vehicle maker's numbering. */
  readonly functionalUnit: number;
  readonly functionalGroups: readonly number[];
  readonly readinessGroup?: number;
  /** A confirmed one lights the warning indicator, and is then kept with permanent status too. */
  readonly indicator: boolean;
  /** In how many operation cycles in a row it must fail to be confirmed. */
  readonly cyclesToConfirm: number;
  /** After how many passed cycles in a row the indicator is not requested any more. */
  readonly cyclesToHeal: number;
  /** After how many passed cycles in a row a confirmed one is forgotten. */
  readonly cyclesToAge: number;
  /** What one failed, or passed, test moves the fault detection counter by. */
  readonly failStep: number;
  readonly passStep: number;
}

export interface DtcConfig {
  readonly definitions: readonly DtcDefinition[];
  /** The data identifiers that a snapshot holds. */
  readonly snapshotDids: readonly number[];
  /** MemorySelection of the memory that a clear of all DTCs leaves alone. */
  readonly userMemory: number;
  /** The module that keeps it: copy 0 in its first sector, copy 1 in its second. */
  readonly flash: FlashGeometry;
}

const KIB = 1024;

/** An event is failed by one bad result, and confirmed at once. */
const event = (code: number, overrides: Partial<DtcDefinition> = {}): DtcDefinition => ({
  code,
  severity: DtcSeverity.MaintenanceOnly,
  functionalUnit: 0x10,
  functionalGroups: [],
  indicator: false,
  cyclesToConfirm: 1,
  cyclesToHeal: 3,
  cyclesToAge: 40,
  failStep: 127,
  passStep: 128,
  ...overrides,
});

export const FAMILY_DTCS: DtcConfig = {
  definitions: [
    event(Dtc.MessageLost, { cyclesToConfirm: 2 }),
    event(Dtc.GatewayLost, { severity: DtcSeverity.CheckAtNextHalt, failStep: 64, passStep: 64 }),
    event(Dtc.ProgrammingFailed, {
      severity: DtcSeverity.CheckImmediately,
      functionalGroups: [DtcFunctionalGroup.Emissions, DtcFunctionalGroup.Vobd],
      readinessGroup: 0x01,
      indicator: true,
    }),
    event(Dtc.SoftwareReverted),
    event(Dtc.ImageRefused),
    event(Dtc.Undervoltage, {
      severity: DtcSeverity.CheckAtNextHalt,
      functionalGroups: [DtcFunctionalGroup.Safety],
      cyclesToConfirm: 2,
    }),
  ],
  snapshotDids: [Did.ActiveSession, Did.SoftwareVersion, Did.OperatingTime],
  userMemory: 0x01,
  flash: {
    address: 0xafc00000,
    size: 16 * KIB,
    sectorSize: 8 * KIB,
    pageSize: 32,
    sectorEraseTime: ms(20),
    pageProgramTime: ms(1),
  },
};
