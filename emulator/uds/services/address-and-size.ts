const FIELD_LENGTH_MAX = 4;

export type AddressAndSize =
  | { readonly type: "range"; readonly address: number; readonly size: number; readonly length: number }
  | { readonly type: "formatInvalid" }
  | { readonly type: "tooShort" };

/**
 * Reads addressAndLengthFormatIdentifier, memoryAddress and memorySize. The low nibble of the identifier is the length
 * of the address, the high nibble that of the size. Fields of 1 to 4 bytes are known. (ISO 14229-1:2020, Table H.1)
 * @returns in `length` how many bytes were read
 */
export function readAddressAndSize(data: Uint8Array, offset: number): AddressAndSize {
  const format = data[offset];
  if (format === undefined) return { type: "tooShort" };
  const range = readFormatted(format, data, offset + 1);
  return range.type === "range" ? { ...range, length: 1 + range.length } : range;
}

/** The same where the format stands elsewhere. @returns in `length` how many bytes were read */
export function readFormatted(format: number, data: Uint8Array, offset: number): AddressAndSize {
  const addressLength = format & 0x0f;
  const sizeLength = format >>> 4;
  const known = (length: number): boolean => length >= 1 && length <= FIELD_LENGTH_MAX;
  if (!known(addressLength) || !known(sizeLength)) return { type: "formatInvalid" };
  const length = addressLength + sizeLength;
  if (data.length < offset + length) return { type: "tooShort" };
  const address = bigEndian(data, offset, addressLength);
  return { type: "range", address, size: bigEndian(data, offset + addressLength, sizeLength), length };
}

export function bigEndian(data: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let index = offset; index < offset + length; index++) value = value * 0x100 + (data[index] as number);
  return value;
}
