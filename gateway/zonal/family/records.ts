import { writeAscii } from "../../../emulator/wire/text.ts";
import type { FamilyNode } from "./config.ts";

const VCI_LENGTH = 48;
const HEALTH_LENGTH = 24;
const ID_LENGTH = 16;
const VERSION_LENGTH = 8;
const SERIAL_LENGTH = 16;
const BATTERY_MV = 13_020;
const TEMPERATURE = 25;
const TEMPERATURE_OFFSET = 40;
const STATE_OF_CHARGE = 85;

const put = (into: Uint8Array, offset: number, length: number, text: string): number => {
  writeAscii(into, offset, length, text.slice(0, length));
  return offset + length;
};

/** id, software, hardware, serial number */
export function vciRecord({ id, software, hardware, serialNumber }: FamilyNode): Uint8Array {
  const record = new Uint8Array(VCI_LENGTH);
  let offset = put(record, 0, ID_LENGTH, id);
  offset = put(record, offset, VERSION_LENGTH, software);
  offset = put(record, offset, VERSION_LENGTH, hardware);
  put(record, offset, SERIAL_LENGTH, serialNumber);
  return record;
}

/** id, status, number of DTCs, battery (mV, little-endian), temperature + 40, three zeros */
export function healthRecord(node: FamilyNode): Uint8Array {
  const record = new Uint8Array(HEALTH_LENGTH);
  const view = new DataView(record.buffer);
  let offset = put(record, 0, ID_LENGTH, node.id);
  record[offset++] = node.status ?? 0;
  record[offset++] = node.dtcCount ?? 0;
  view.setUint16(offset, node.battery ?? BATTERY_MV, true);
  record[offset + 2] = (node.temperature ?? TEMPERATURE) + TEMPERATURE_OFFSET;
  return record;
}

/** State of charge, temperature + 40, engine, parking brake */
export const readiness = (node: FamilyNode): readonly number[] => [
  node.stateOfCharge ?? STATE_OF_CHARGE,
  (node.temperature ?? TEMPERATURE) + TEMPERATURE_OFFSET,
  node.engineRuns === true ? 1 : 0,
  node.parkingBrake === false ? 0 : 1,
];

/** How many, then each. */
export function listOf(records: readonly Uint8Array[]): readonly number[] {
  return [records.length, ...records.flatMap((record) => [...record])];
}
