import { fromHex } from "../../emulator/wire/text.ts";
import { FirmwareError } from "./firmware-error.ts";
import { linesOf, type MemoryRecord } from "./memory-records.ts";

/** Bytes of address by the digit behind the S; S4 is not in use. */
const ADDRESS_LENGTHS: readonly (number | undefined)[] = [2, 2, 3, 4, undefined, 2, 3, 4, 3, 2];

/**
 * Reads a file of Motorola S-records: S1, S2 and S3 data in any order; S0 is passed over; S5 and S6 counts must be right;
 * S7, S8 or S9 ends the file. srec_cat writes no end record where there is no start address, so a right count in its
 * place will do.
 * @throws {FirmwareError} FIRMWARE_MALFORMED, FIRMWARE_CHECKSUM, FIRMWARE_TRUNCATED when the file ends in neither, or has
 *   fewer data records than were counted
 */
export function readSRecords(text: string): readonly MemoryRecord[] {
  const records: MemoryRecord[] = [];
  let ended = false;
  let counted = false;
  for (const [index, content] of linesOf(text).entries()) {
    if (content === "") continue;
    const line = index + 1;
    if (ended) throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: a record behind the end record`);
    const { type, address, data } = readRecord(content, line);
    counted = type === 5 || type === 6;
    if (type >= 7) ended = true;
    else if (counted) checkCount(address, records.length, line);
    else if (type !== 0) records.push({ address, data, line });
  }
  if (!ended && !counted)
    throw new FirmwareError("FIRMWARE_TRUNCATED", "no end record (S7 to S9) and no count (S5, S6)");
  return records;
}

function readRecord(content: string, line: number): { type: number; address: number; data: Uint8Array } {
  const type = /^S[0-9]/.test(content) ? Number(content[1]) : undefined;
  const bytes = type === undefined ? undefined : fromHex(content.slice(2));
  const addressLength = type === undefined ? undefined : ADDRESS_LENGTHS[type];
  if (type === undefined || bytes === undefined || addressLength === undefined || bytes.length < addressLength + 2)
    throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: no record S0 to S3 or S5 to S9 of hexadecimal pairs`);
  const length = bytes[0] as number;
  if (bytes.length !== length + 1) {
    const reason = `line ${line}: ${bytes.length - 1} bytes where the record says ${length}`;
    throw new FirmwareError("FIRMWARE_MALFORMED", reason);
  }
  const sum = bytes.reduce((total, byte) => total + byte, 0) & 0xff;
  if (sum !== 0xff)
    throw new FirmwareError("FIRMWARE_CHECKSUM", `line ${line}: the bytes add up to ${sum} modulo 256, not to 255`);
  const address = bytes.subarray(1, 1 + addressLength).reduce((value, byte) => value * 0x100 + byte, 0);
  const data = bytes.subarray(1 + addressLength, -1);
  if (type >= 5 && data.length > 0)
    throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: data in an S${type} record`);
  return { type, address, data };
}

/** @param counted data records that are said to stand before this line */
function checkCount(counted: number, seen: number, line: number): void {
  if (counted === seen) return;
  const code = counted > seen ? "FIRMWARE_TRUNCATED" : "FIRMWARE_MALFORMED";
  throw new FirmwareError(code, `line ${line}: ${counted} data records were counted, ${seen} are there`);
}
