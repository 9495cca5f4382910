import type { DidRule, RoutineRule } from "../uds/host.ts";
import { ALL_SESSIONS, NON_DEFAULT, PROGRAMMING } from "../uds/service.ts";
import { fromHex } from "../wire/text.ts";
import { Did, Rid, RoutineControlType } from "../wire/uds.ts";
import { FINGERPRINT_MAX } from "./boot-metadata.ts";
import type { EcuIdentity } from "./config.ts";

const READABLE: DidRule = { read: { sessions: ALL_SESSIONS, unlocked: false } };

export const DIDS: ReadonlyMap<number, DidRule> = new Map<number, DidRule>([
  [
    Did.Fingerprint,
    { ...READABLE, write: { sessions: PROGRAMMING, unlocked: true, lengthMin: 1, lengthMax: FINGERPRINT_MAX } },
  ],
  ...[
    Did.ResetCause,
    Did.BootSoftware,
    Did.ActiveSession,
    Did.PartNumber,
    Did.Supplier,
    Did.ManufacturingDate,
    Did.SerialNumber,
    Did.Vin,
    Did.HardwareNumber,
    Did.HardwareVersion,
    Did.SoftwareVersion,
  ].map((did): [number, DidRule] => [did, READABLE]),
]);

const START_ONLY = { types: [RoutineControlType.Start], unlocked: true } as const;

export const ROUTINES: ReadonlyMap<number, RoutineRule> = new Map<number, RoutineRule>([
  [Rid.EraseMemory, { ...START_ONLY, sessions: PROGRAMMING, download: "ends" }],
  [Rid.CheckMemory, { ...START_ONLY, sessions: PROGRAMMING, download: "refused" }],
  [Rid.CheckProgrammingDependencies, { ...START_ONLY, sessions: PROGRAMMING, download: "refused" }],
  [Rid.RevertSoftware, { ...START_ONLY, sessions: NON_DEFAULT, download: "refused" }],
  [Rid.CommitSoftware, { ...START_ONLY, sessions: NON_DEFAULT, download: "refused" }],
]);

/** The identifiers that never change. @returns undefined for all others */
export function identityData(identity: EcuIdentity, did: number): Uint8Array | undefined {
  switch (did) {
    case Did.PartNumber:
      return ascii(identity.partNumber);
    case Did.Supplier:
      return ascii(identity.supplier);
    case Did.ManufacturingDate:
      return fromHex(identity.manufacturingDate);
    case Did.SerialNumber:
      return ascii(identity.serialNumber);
    case Did.Vin:
      return ascii(identity.vin);
    case Did.HardwareNumber:
      return ascii(identity.hardwareNumber);
    case Did.HardwareVersion:
      return ascii(identity.hardwareVersion);
    case Did.BootSoftware:
      return ascii(identity.bootSoftware, 1); // numberOfModules (ISO 14229-1:2020, Table C.1)
    default:
      return undefined;
  }
}

export function ascii(text: string, ...before: readonly number[]): Uint8Array {
  return Uint8Array.from([...before, ...Array.from(text, (character) => character.charCodeAt(0) & 0x7f)]);
}
