/** As much of DER as a certificate needs. (ITU-T X.690, 8 and 10) */

const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Null: 0x05,
  ObjectIdentifier: 0x06,
  Utf8String: 0x0c,
  PrintableString: 0x13,
  UtcTime: 0x17,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** One value with its tag and definite length. @param tag the identifier octet; tag numbers over 30 are not needed */
export function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, body]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => tagged(Tag.Sequence, ...items);
export const setOf = (item: Uint8Array): Buffer => tagged(Tag.Set, item);
export const octetString = (data: Uint8Array): Buffer => tagged(Tag.OctetString, data);
export const utf8String = (text: string): Buffer => tagged(Tag.Utf8String, Buffer.from(text, "utf8"));
export const printableString = (text: string): Buffer => tagged(Tag.PrintableString, Buffer.from(text, "ascii"));
export const nullValue = (): Buffer => tagged(Tag.Null);
export const booleanTrue = (): Buffer => tagged(Tag.Boolean, Buffer.of(0xff));

/** @param unusedBits at the end of the last byte */
export const bitString = (data: Uint8Array, unusedBits = 0): Buffer =>
  tagged(Tag.BitString, Buffer.of(unusedBits), data);

/** A positive integer. @param magnitude most significant byte first, not empty */
export function integer(magnitude: Uint8Array): Buffer {
  let first = 0;
  while (first < magnitude.length - 1 && magnitude[first] === 0) first++;
  const digits = magnitude.subarray(first);
  return ((digits[0] as number) & 0x80) === 0 ? tagged(Tag.Integer, digits) : tagged(Tag.Integer, Buffer.of(0), digits);
}

/** @param dotted such as "1.2.840.113549" */
export function objectIdentifier(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number) as [number, number, ...number[]];
  const bytes: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return tagged(Tag.ObjectIdentifier, Buffer.from(bytes));
}

/** YYMMDDHHMMSSZ. @param date 1950 to 2049 (RFC 5280, 4.1.2.5.1) */
export const utcTime = (date: Date): Buffer =>
  tagged(Tag.UtcTime, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`, "ascii"));

/** One value as it was found. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With its tag and length. */
  readonly whole: Uint8Array;
}

/** The values that stand one behind the other. @throws {RangeError} for lengths that lead beyond the end */
export function readDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = byteAt(bytes, at + 1);
    const lengthLength = first < 0x80 ? 0 : first & 0x7f;
    if (lengthLength > 4) throw new RangeError("a length of more than 32 bits");
    let length = lengthLength === 0 ? first : 0;
    for (let index = 0; index < lengthLength; index++) length = length * 256 + byteAt(bytes, at + 2 + index);
    const start = at + 2 + lengthLength;
    if (start + length > bytes.length) throw new RangeError("a value that is longer than there are bytes");
    const content = bytes.subarray(start, start + length);
    values.push({ tag: byteAt(bytes, at), content, whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return values;
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError("a value that is longer than there are bytes");
  return byte;
}
