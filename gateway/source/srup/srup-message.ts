import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type FieldKind, LAYOUTS, padLength, type SrupBody, SrupType, srupTypeOf, WITHDRAWN } from "./message-types.ts";

/**
 * 5 is the original's, signed by RSA; 6 has the same layouts, signed by Ed25519 or ML-DSA-65. A message of one version is
 * none of the other.
 */
export type SrupVersion = 5 | 6;
/** Of any field behind a 16-bit length, token and signature included; bytes. */
const LV_LENGTH_MAX = 0xffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const HEADER_LENGTH = 20;

/** What every message begins with. */
interface SrupHeader {
  /** 0 to 2^64 - 1. */
  readonly sequence: bigint;
  /** Identity of who sent it, 0 to 2^64 - 1. */
  readonly sender: bigint;
  /** Usually the text of a UUID; anything up to 65 535 bytes. */
  readonly token: Uint8Array;
}

export type SrupMessage = SrupHeader & SrupBody;

export interface SignedSrupMessage {
  readonly message: SrupMessage;
  /** Over {@link signedBytes}. */
  readonly signature: Uint8Array;
}

/**
 * - "version": of another protocol version, and nothing behind that is looked at
 * - "type": no type of message, or a withdrawn one
 * - "truncated": shorter than its fields say
 */
export type SrupFault = "version" | "type" | "truncated";

export interface MalformedSrup {
  readonly type: "malformed";
  readonly fault: SrupFault;
  readonly reason: string;
}

/** The header of a message, before anything is known of its body. */
export interface SrupHeaderView extends SrupHeader {
  readonly type: "header";
  /** The type's number, known or not. */
  readonly code: number;
  /** Where the length of the signature begins, bytes. */
  readonly end: number;
}

export type DecodedSrup = ({ readonly type: "message" } & SignedSrupMessage) | MalformedSrup;

/** Total. Any number passes as the type. */
export function decodeSrupHeader(bytes: Uint8Array, version: SrupVersion = 5): SrupHeaderView | MalformedSrup {
  if (bytes.length === 0) return malformed("truncated", "no bytes at all");
  if (bytes[0] !== version) return malformed("version", `protocol version ${bytes[0]}, not ${version}`);
  const reader = new Reader(bytes, 1);
  const code = reader.u8();
  const sequence = reader.u64();
  const sender = reader.u64();
  const token = reader.lv();
  if (reader.shortBy > 0) return reader.truncated();
  return { type: "header", code, sequence, sender, token, end: reader.offset };
}

/**
 * Total. Bytes behind the last field are ignored, as the original does; so are the two pad bytes of
 * SYNDICATED_C2_REQUEST, which are signed as zeros whatever was sent. Fields are views of `bytes`.
 * @param types "all" reads the withdrawn types too
 */
export function decodeSrup(
  bytes: Uint8Array,
  types: "current" | "all" = "current",
  version: SrupVersion = 5,
): DecodedSrup {
  const header = decodeSrupHeader(bytes, version);
  if (header.type === "malformed") return header;
  const { code, sequence, sender, token } = header;
  const type = srupTypeOf(code);
  if (type === undefined) return malformed("type", `${hex8(code)} is no type of message`);
  if (types === "current" && WITHDRAWN.has(type)) return malformed("type", `${type} (${hex8(code)}) was withdrawn`);
  const reader = new Reader(bytes, header.end);
  const signature = reader.lv();
  const fields: Record<string, unknown> = {};
  for (const [name, kind] of fieldsOf(type)) fields[name] = reader[kind]();
  if (reader.shortBy > 0) return reader.truncated();
  return { type: "message", message: { type, sequence, sender, token, ...fields } as SrupMessage, signature };
}

/** What the signature is over: the message without the signature and its length. @throws {SrupFieldError} */
export function signedBytes(message: SrupMessage, version: SrupVersion = 5): Uint8Array {
  return written([...headerParts(message, version), ...bodyParts(message)]);
}

/** @throws {SrupFieldError} when a field is longer or greater than its place */
export function encodeSrup({ message, signature }: SignedSrupMessage, version: SrupVersion = 5): Uint8Array {
  return written([...headerParts(message, version), ["lv", signature, "signature"], ...bodyParts(message)]);
}

/** A field that its place in a message can't hold. */
export class SrupFieldError extends UsageError {
  override readonly code = "SRUP_FIELD";
}

type Part = readonly [kind: FieldKind, value: unknown, name: string];

const fieldsOf = (type: SrupType): [string, FieldKind][] => Object.entries<FieldKind>(LAYOUTS[type]);

const headerParts = (message: SrupMessage, version: SrupVersion): Part[] => [
  ["u8", version, "version"],
  ["u8", SrupType[message.type], "type"],
  ["u64", message.sequence, "sequence"],
  ["u64", message.sender, "sender"],
  ["lv", message.token, "token"],
];

function bodyParts(message: SrupMessage): Part[] {
  const values = message as unknown as Readonly<Record<string, unknown>>;
  const parts = fieldsOf(message.type).map(([name, kind]): Part => [kind, values[name], name]);
  for (let index = 0; index < padLength(message.type); index++) parts.push(["u8", 0, "pad"]);
  return parts;
}

const LENGTHS: Readonly<Record<Exclude<FieldKind, "lv">, number>> = { u8: 1, u32: 4, u64: 8 };

function written(parts: readonly Part[]): Uint8Array {
  const sizes = parts.map(([kind, value]) => (kind === "lv" ? 2 + (value as Uint8Array).length : LENGTHS[kind]));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const [index, part] of parts.entries()) {
    put(view, offset, part);
    offset += sizes[index] as number;
  }
  return bytes;
}

function put(view: DataView, offset: number, [kind, value, name]: Part): void {
  switch (kind) {
    case "lv": {
      const data = value as Uint8Array;
      if (data.length > LV_LENGTH_MAX) throw new SrupFieldError(`${name} has ${data.length} bytes, 65535 at most`);
      view.setUint16(offset, data.length);
      new Uint8Array(view.buffer).set(data, offset + 2);
      return;
    }
    case "u64": {
      const number = value as bigint;
      if (number < 0n || number > U64_MAX) throw new SrupFieldError(`${name} is ${number}, which 64 bits can't hold`);
      view.setBigUint64(offset, number, true);
      return;
    }
    case "u8":
    case "u32": {
      const number = value as number;
      const max = kind === "u8" ? 0xff : 0xffff_ffff;
      if (!Number.isInteger(number) || number < 0 || number > max)
        throw new SrupFieldError(`${name} is ${number}, not an integer from 0 to ${max}`);
      if (kind === "u8") view.setUint8(offset, number);
      else view.setUint32(offset, number, true);
    }
  }
}

/** Reads on; once something was missing, everything behind reads as nothing, and `shortBy` tells. */
class Reader {
  offset: number;
  /** Bytes that were missing; 0 when all was there. */
  shortBy = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = offset;
  }

  u8(): number {
    const at = this.#take(1);
    return at === undefined ? 0 : this.#view.getUint8(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at === undefined ? 0 : this.#view.getUint32(at, true);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at === undefined ? 0n : this.#view.getBigUint64(at, true);
  }

  lv(): Uint8Array {
    const at = this.#take(2);
    const length = at === undefined ? 0 : this.#view.getUint16(at);
    const start = this.#take(length);
    return start === undefined ? new Uint8Array(0) : this.#bytes.subarray(start, start + length);
  }

  truncated(): MalformedSrup {
    return malformed("truncated", `${this.shortBy} of the bytes that its fields need are missing`);
  }

  #take(length: number): number | undefined {
    const at = this.offset;
    if (this.shortBy > 0 || at + length > this.#bytes.length) {
      this.shortBy += this.shortBy > 0 ? length : at + length - this.#bytes.length;
      return undefined;
    }
    this.offset += length;
    return at;
  }
}

const malformed = (fault: SrupFault, reason: string): MalformedSrup => ({ type: "malformed", fault, reason });

const hex8 = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/** Shortest message there is: header without token, signature of length 0, no body. Bytes. @public */
export const SRUP_LENGTH_MIN = HEADER_LENGTH + 2;
