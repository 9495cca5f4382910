import { POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";

/** Comparison logic. (ISO 14229-1:2020, Table 142) */
const Logic = { LessThan: 0x01, LargerThan: 0x02, Equal: 0x03, NotEqual: 0x04 } as const;

/** What an event of type 07 compares: eventTypeRecord, taken apart. */
export interface Comparison {
  readonly did: number;
  readonly logic: number;
  readonly reference: number;
  /** What the value must go back by before the event can happen again: percent of the reference. */
  readonly hysteresis: number;
  readonly signed: boolean;
  /** In the positive response to a 22 with that identifier: bits, the highest one of the first byte is bit 0. */
  readonly offset: number;
  readonly length: number;
}

const HYSTERESIS_MAX = 100;
const WHOLE_LENGTH = 32;
const HEAD_LENGTH = 3;

/** @param record 10 bytes @returns undefined for a value that is reserved */
export function readComparison(record: Uint8Array): Comparison | undefined {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const localization = view.getUint16(8);
  const signed = localization >>> 15 === 1;
  const logic = view.getUint8(2);
  const hysteresis = view.getUint8(7);
  const ordered = logic === Logic.LessThan || logic === Logic.LargerThan;
  const known = ordered || logic === Logic.Equal || logic === Logic.NotEqual;
  if (!known || hysteresis > (ordered ? HYSTERESIS_MAX : 0)) return undefined;
  return {
    did: view.getUint16(0),
    logic,
    reference: signed ? view.getInt32(3) : view.getUint32(3),
    hysteresis,
    signed,
    offset: localization & 0x3ff,
    length: (localization >>> 10) & 0x1f || WHOLE_LENGTH,
  };
}

/** @param data of the identifier @returns undefined when the value does not lie in the response */
export function comparedValue({ did, signed, offset, length }: Comparison, data: Uint8Array): number | undefined {
  if (offset + length > 8 * (HEAD_LENGTH + data.length)) return undefined;
  const head = [Sid.ReadDataByIdentifier + POSITIVE_RESPONSE_OFFSET, did >>> 8, did & 0xff];
  let value = 0;
  for (let bit = offset; bit < offset + length; bit++) {
    const index = bit >>> 3;
    const octet = (index < HEAD_LENGTH ? head[index] : data[index - HEAD_LENGTH]) as number;
    value = value * 2 + ((octet >>> (7 - (bit & 7))) & 1);
  }
  return signed && value >= 2 ** (length - 1) ? value - 2 ** length : value;
}

/** Whether the comparison holds now. @param held whether it held before: then only the hysteresis ends it */
export function holds({ logic, reference, hysteresis }: Comparison, value: number, held: boolean): boolean {
  const back = held ? (Math.abs(reference) * hysteresis) / 100 : 0;
  switch (logic) {
    case Logic.LessThan:
      return value < reference + back;
    case Logic.LargerThan:
      return value > reference - back;
    case Logic.Equal:
      return value === reference;
    default:
      return value !== reference;
  }
}
