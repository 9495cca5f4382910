import { fromHex } from "../../emulator/wire/text.ts";
import { FirmwareError } from "./firmware-error.ts";
import { linesOf, type MemoryRecord } from "./memory-records.ts";

const RecordType = {
  Data: 0x00,
  EndOfFile: 0x01,
  ExtendedSegmentAddress: 0x02,
  StartSegmentAddress: 0x03,
  ExtendedLinearAddress: 0x04,
  StartLinearAddress: 0x05,
} as const;

/** Length, two bytes of address, type, checksum. */
const FRAME_LENGTH = 5;
/** Offsets wrap around at the end of a segment, but not at 64 KiB of a linear address; no file should make use of it. */
const SEGMENT_LENGTH = 0x1_0000;
const LINEAR_LAST = 0xffff_ffff;

/**
 * Reads an Intel HEX file: 16-, 20- and 32-bit addresses. Start addresses say nothing that an image needs and are passed
 * over. (Intel Hexadecimal Object File Format Specification, revision A, 1988)
 * @throws {FirmwareError} FIRMWARE_MALFORMED, FIRMWARE_CHECKSUM, FIRMWARE_TRUNCATED when there is no end record
 */
export function readIntelHex(text: string): readonly MemoryRecord[] {
  const records: MemoryRecord[] = [];
  let base = 0;
  let last = LINEAR_LAST;
  let ended = false;
  for (const [index, content] of linesOf(text).entries()) {
    if (content === "") continue;
    const line = index + 1;
    if (ended) throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: a record behind the end of file record`);
    const { type, address, data } = readRecord(content, line);
    switch (type) {
      case RecordType.Data:
        if (address + data.length - 1 > last - base)
          throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: data runs over the end of its address space`);
        records.push({ address: base + address, data, line });
        break;
      case RecordType.EndOfFile:
        ended = true;
        break;
      case RecordType.ExtendedSegmentAddress:
        base = baseOf(data, line) * 0x10;
        last = base + SEGMENT_LENGTH - 1;
        break;
      case RecordType.ExtendedLinearAddress:
        base = baseOf(data, line) * SEGMENT_LENGTH;
        last = LINEAR_LAST;
        break;
      case RecordType.StartSegmentAddress:
      case RecordType.StartLinearAddress:
        break;
      default:
        throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: record type ${type}, not 0 to 5`);
    }
  }
  if (!ended) throw new FirmwareError("FIRMWARE_TRUNCATED", "no end of file record");
  return records;
}

function readRecord(content: string, line: number): { type: number; address: number; data: Uint8Array } {
  const bytes = content.startsWith(":") ? fromHex(content.slice(1)) : undefined;
  if (bytes === undefined || bytes.length < FRAME_LENGTH)
    throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: no record of a colon and hexadecimal pairs`);
  const [length, high, low, type] = bytes as unknown as [number, number, number, number];
  if (bytes.length !== length + FRAME_LENGTH) {
    const reason = `line ${line}: ${bytes.length - FRAME_LENGTH} data bytes where the record says ${length}`;
    throw new FirmwareError("FIRMWARE_MALFORMED", reason);
  }
  const sum = bytes.reduce((total, byte) => total + byte, 0) & 0xff;
  if (sum !== 0)
    throw new FirmwareError("FIRMWARE_CHECKSUM", `line ${line}: the bytes add up to ${sum} modulo 256, not to 0`);
  return { type, address: high * 0x100 + low, data: bytes.subarray(4, 4 + length) };
}

function baseOf(data: Uint8Array, line: number): number {
  if (data.length !== 2)
    throw new FirmwareError("FIRMWARE_MALFORMED", `line ${line}: ${data.length} address bytes, not 2`);
  return (data[0] as number) * 0x100 + (data[1] as number);
}
