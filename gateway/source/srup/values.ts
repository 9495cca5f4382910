import { SrupFieldError } from "./srup-message.ts";

/** How a value of DATA is written; nothing in the message says it, both sides know it by the data id. */
export type SrupValueType =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float"
  | "double"
  | "text";

type NumberType = Exclude<SrupValueType, "text">;
export type SrupValue = number | bigint | string;

const SIZES: Readonly<Record<NumberType, number>> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  float: 4,
  double: 8,
};

/** @throws {SrupFieldError} when the type can't hold the value */
export function encodeSrupValue(type: SrupValueType, value: SrupValue): Uint8Array {
  if (type === "text") return encodeText(String(value));
  const bytes = new Uint8Array(SIZES[type]);
  const view = new DataView(bytes.buffer);
  if (type === "float") view.setFloat32(0, Number(value), true);
  else if (type === "double") view.setFloat64(0, Number(value), true);
  else putInteger(bytes, type, value);
  return bytes;
}

function putInteger(bytes: Uint8Array, type: NumberType, value: SrupValue): void {
  const bits = BigInt(8 * bytes.length);
  const signed = type.startsWith("int");
  const min = signed ? -(1n << (bits - 1n)) : 0n;
  const max = (1n << (signed ? bits - 1n : bits)) - 1n;
  const whole = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
  if (!whole || BigInt(value) < min || BigInt(value) > max) throw new SrupFieldError(`${value} is no ${type}`);
  let rest = BigInt.asUintN(Number(bits), BigInt(value));
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

/**
 * Total. @returns undefined when there are fewer bytes than the type has, or the text is not UTF-8; more bytes than that
 * are ignored, as the original does
 * @public
 */
export function decodeSrupValue(type: SrupValueType, data: Uint8Array): SrupValue | undefined {
  if (type === "text") return decodeText(data);
  const size = SIZES[type];
  if (data.length < size) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (type === "float") return view.getFloat32(0, true);
  if (type === "double") return view.getFloat64(0, true);
  let bits = 0n;
  for (let index = size - 1; index >= 0; index--) bits = (bits << 8n) | BigInt(data[index] as number);
  const value = type.startsWith("int") ? BigInt.asIntN(8 * size, bits) : bits;
  return size === 8 ? value : Number(value);
}

export const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Total. @returns undefined for bytes that are not UTF-8 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text up to the first NUL, or to the end where there is none. @returns undefined for bytes that are not UTF-8 */
export function decodeCString(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

/** With its one NUL, which counts in the length and is signed. */
export const encodeCString = (text: string): Uint8Array => encodeText(`${text}\0`);
