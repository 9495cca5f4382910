import { UsageError } from "../../emulator/kernel/errors.ts";
import { readAscii, writeAscii } from "../../emulator/wire/text.ts";

/** What the package formats have in common: little-endian numbers and names in fields of fixed length. */

/** Length of a field that holds the name of an ECU or a zone. */
export const NAME_LENGTH = 16;
/** The only version of the vehicle and zone formats. */
export const FORMAT_VERSION = 0x0001_0000;

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A name that is to be compared with others. @returns undefined unless it is 1 or more printable ASCII characters */
export function readName(bytes: Uint8Array, offset: number, length = NAME_LENGTH): string | undefined {
  for (let index = offset; index < offset + length; index++) {
    const byte = bytes[index] as number;
    if (byte === 0) return index === offset ? undefined : readAscii(bytes, offset, length);
    if (byte < 0x20 || byte > 0x7e) return undefined;
  }
  return readAscii(bytes, offset, length);
}

interface Extent {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Why the parts of a package don't lie behind its header, inside it and beside each other; undefined when they do. */
export function misplaced(parts: readonly Extent[], from: number, to: number): string | undefined {
  let end = from;
  let before = "the header";
  for (const part of [...parts].sort((a, b) => a.offset - b.offset)) {
    const partEnd = part.offset + part.size;
    if (part.offset < end) return `${part.name} at ${part.offset} overlaps ${before}, which ends at ${end}`;
    if (partEnd > to) return `${part.name} ends at ${partEnd}, the package at ${to}`;
    end = partEnd;
    before = part.name;
  }
  return undefined;
}

/** A field that its place in the package can't hold. */
export class PackageFieldError extends UsageError {
  override readonly code = "PACKAGE_FIELD";
}

/** @throws {PackageFieldError} when the text is too long for its field or not ASCII */
export function putText(bytes: Uint8Array, offset: number, length: number, text: string, what: string): void {
  if (!writeAscii(bytes, offset, length, text))
    throw new PackageFieldError(`${what} "${text}" is not ${length} ASCII characters at most`);
}

/** @throws {PackageFieldError} when the number is no integer from 0 to `max` */
export function fits(value: number, max: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new PackageFieldError(`${what} is ${value}, not an integer from 0 to ${max}`);
  return value;
}

export const UINT8_MAX = 0xff;
export const UINT16_MAX = 0xffff;
export const UINT32_MAX = 0xffff_ffff;

/** Eight hexadecimal digits. */
export const hex32 = (value: number): string => value.toString(16).padStart(8, "0");
