/** Writes ASCII text into a field of fixed length, filled up with NUL. @returns false when it does not fit or is not ASCII */
export function writeAscii(into: Uint8Array, offset: number, length: number, text: string): boolean {
  if (text.length > length) return false;
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  into.fill(0, offset, offset + length);
  for (let index = 0; index < text.length; index++) into[offset + index] = text.charCodeAt(index);
  return true;
}

/** Reads ASCII up to the first NUL or the end of the field. Bytes over 0x7F become "?". */
export function readAscii(from: Uint8Array, offset: number, length: number): string {
  let text = "";
  for (let index = offset; index < Math.min(offset + length, from.length); index++) {
    const byte = from[index] as number;
    if (byte === 0) break;
    text += byte > 0x7f ? "?" : String.fromCharCode(byte);
  }
  return text;
}

export const toHex = (data: Uint8Array): string => {
  let text = "";
  for (const byte of data) text += byte.toString(16).padStart(2, "0");
  return text;
};

/** @returns undefined for an odd number of digits or anything that is no digit */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}
