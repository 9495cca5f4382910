import { crc32 } from "../wire/crc32.ts";

export type Bank = "A" | "B";
/** "empty" is never booted; "trial" is booted a few times and must then be confirmed by the application. */
type BankStatus = "empty" | "valid" | "trial";

export interface BankRecord {
  readonly status: BankStatus;
  /** How often it was started on trial. */
  readonly starts: number;
}

/** What the bootloader must not forget. Two copies of it lie in the data flash. (docs/protocols/ecu.md, boot metadata) */
export interface BootMetadata {
  /** The bank that the next start tries first. */
  readonly active: Bank;
  readonly banks: Readonly<Record<Bank, BankRecord>>;
  /** The least securityCounter that an image must have. Only ever goes up. */
  readonly rollbackFloor: number;
  /** Who programmed last; up to {@link FINGERPRINT_MAX} bytes. */
  readonly fingerprint: Uint8Array;
}

export const METADATA_LENGTH = 64;
export const FINGERPRINT_MAX = 32;
const MAGIC = 0x4d42544f; // "OTBM"
const STATUS: readonly BankStatus[] = ["empty", "valid", "trial"];
const Offset = {
  magic: 0,
  sequence: 4,
  active: 8,
  statusA: 9,
  statusB: 10,
  startsA: 11,
  startsB: 12,
  fingerprintLength: 13,
  rollbackFloor: 16,
  fingerprint: 20,
  crc: 60,
} as const;

export const otherBank = (bank: Bank): Bank => (bank === "A" ? "B" : "A");

export const BLANK_METADATA: BootMetadata = {
  active: "A",
  banks: { A: { status: "empty", starts: 0 }, B: { status: "empty", starts: 0 } },
  rollbackFloor: 0,
  fingerprint: new Uint8Array(0),
};

export const withBank = (metadata: BootMetadata, bank: Bank, record: BankRecord): BootMetadata => ({
  ...metadata,
  banks: { ...metadata.banks, [bank]: record },
});

export function encodeMetadata(metadata: BootMetadata, sequence: number): Uint8Array {
  const data = new Uint8Array(METADATA_LENGTH).fill(0xff);
  const view = new DataView(data.buffer);
  view.setUint32(Offset.magic, MAGIC, true);
  view.setUint32(Offset.sequence, sequence, true);
  data[Offset.active] = metadata.active === "A" ? 0 : 1;
  data[Offset.statusA] = STATUS.indexOf(metadata.banks.A.status);
  data[Offset.statusB] = STATUS.indexOf(metadata.banks.B.status);
  data[Offset.startsA] = metadata.banks.A.starts;
  data[Offset.startsB] = metadata.banks.B.starts;
  data[Offset.fingerprintLength] = metadata.fingerprint.length;
  view.setUint32(Offset.rollbackFloor, metadata.rollbackFloor, true);
  data.set(metadata.fingerprint.subarray(0, FINGERPRINT_MAX), Offset.fingerprint);
  view.setUint32(Offset.crc, crc32(data.subarray(0, Offset.crc)), true);
  return data;
}

/** Total. @returns undefined for anything that was not written whole by {@link encodeMetadata} */
export function decodeMetadata(
  data: Uint8Array,
): { readonly metadata: BootMetadata; readonly sequence: number } | undefined {
  if (data.length < METADATA_LENGTH) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, METADATA_LENGTH);
  if (view.getUint32(Offset.magic, true) !== MAGIC) return undefined;
  if (view.getUint32(Offset.crc, true) !== crc32(data.subarray(0, Offset.crc))) return undefined;
  const statusA = STATUS[data[Offset.statusA] as number];
  const statusB = STATUS[data[Offset.statusB] as number];
  const fingerprintLength = data[Offset.fingerprintLength] as number;
  if (statusA === undefined || statusB === undefined || fingerprintLength > FINGERPRINT_MAX) return undefined;
  const metadata: BootMetadata = {
    active: data[Offset.active] === 0 ? "A" : "B",
    banks: {
      A: { status: statusA, starts: data[Offset.startsA] as number },
      B: { status: statusB, starts: data[Offset.startsB] as number },
    },
    rollbackFloor: view.getUint32(Offset.rollbackFloor, true),
    fingerprint: data.slice(Offset.fingerprint, Offset.fingerprint + fingerprintLength),
  };
  return { metadata, sequence: view.getUint32(Offset.sequence, true) };
}
