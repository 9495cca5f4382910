import { OptionType } from "./option-type.ts";

/** Options stand between header and payload: type (1 byte), length of the value (2 bytes), value. (docs/protocols/ssu.md, 3.3) */

/** In a SYN what the client asks for; in a SYN-ACK what has been settled: `Plain` or `Secure`. */
export const Security = { Plain: 0, Secure: 1, SecurePreferred: 2 } as const;
export type Security = (typeof Security)[keyof typeof Security];

/** Bytes `start` to `end` - 1 have come. */
export interface SackBlock {
  readonly start: number;
  readonly end: number;
}

export interface PacketOptions {
  /** How many bytes of value a {@link OptionType.Pad} has. */
  readonly pad?: number;
  readonly sourceId?: bigint;
  /** The largest datagram that the sender takes, bytes. */
  readonly maxDatagram?: number;
  readonly security?: Security;
  readonly cookie?: Uint8Array;
  /** The block with the newest packet first. */
  readonly sack?: readonly SackBlock[];
  /** Why a connection is reset: a code of {@link AlertCode}. */
  readonly reason?: number;
}

/** Datagrams are never made smaller than that: 576 bytes of IPv4 without its headers. */
export const DATAGRAM_FLOOR = 548;
/** The largest payload of a UDP datagram over IPv4. */
export const DATAGRAM_MAX = 65_507;
export const OPTION_HEADER_LENGTH = 3;
const SACK_BLOCK_LENGTH = 16;
export const SACK_BLOCKS_MAX = 4;
const COOKIE_LENGTH_MAX = 128;

type OptionsResult =
  | { readonly type: "options"; readonly options: PacketOptions }
  | { readonly type: "malformed"; readonly reason: string };

const WORD = 0x1_0000_0000;
const SEQ_HIGH_MAX = 0x1f_ffff;
const NONE = new Uint8Array(0);

/** In the order of their types, padding last. */
export function encodeOptions(options: PacketOptions): Uint8Array {
  const length = optionsLength(options);
  if (length === 0) return NONE;
  const data = new Uint8Array(length);
  const view = new DataView(data.buffer);
  let at = 0;
  const begin = (type: number, size: number): number => {
    view.setUint8(at, type);
    view.setUint16(at + 1, size);
    at += OPTION_HEADER_LENGTH + size;
    return at - size;
  };
  if (options.sourceId !== undefined) view.setBigUint64(begin(OptionType.SourceId, 8), options.sourceId);
  if (options.maxDatagram !== undefined) view.setUint16(begin(OptionType.MaxDatagram, 2), options.maxDatagram);
  if (options.security !== undefined) view.setUint8(begin(OptionType.Security, 1), options.security);
  if (options.cookie !== undefined) data.set(options.cookie, begin(OptionType.Cookie, options.cookie.length));
  if (options.sack !== undefined) putBlocks(view, begin(OptionType.Sack, blocksLength(options.sack)), options.sack);
  if (options.reason !== undefined) view.setUint8(begin(OptionType.Reason, 1), options.reason);
  if (options.pad !== undefined) begin(OptionType.Pad, options.pad);
  return data;
}

/** How many bytes these options take. */
export function optionsLength(options: PacketOptions): number {
  let length = 0;
  const add = (size: number): void => {
    length += OPTION_HEADER_LENGTH + size;
  };
  if (options.sourceId !== undefined) add(8);
  if (options.maxDatagram !== undefined) add(2);
  if (options.security !== undefined) add(1);
  if (options.cookie !== undefined) add(options.cookie.length);
  if (options.sack !== undefined) add(blocksLength(options.sack));
  if (options.reason !== undefined) add(1);
  if (options.pad !== undefined) add(options.pad);
  return length;
}

/** Total. An option of an unknown type is passed over; one that comes twice, or with a length it can't have, is a fault. */
export function decodeOptions(data: Uint8Array): OptionsResult {
  if (data.length === 0) return { type: "options", options: {} };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const options: PacketOptions = {};
  const seen = new Set<number>();
  for (let at = 0; at < data.length; ) {
    if (at + OPTION_HEADER_LENGTH > data.length) return malformed(`an option is cut off at ${at}`);
    const type = view.getUint8(at);
    const size = view.getUint16(at + 1);
    const valueAt = at + OPTION_HEADER_LENGTH;
    at = valueAt + size;
    if (at > data.length) return malformed(`option ${type} has ${size} bytes, ${data.length - valueAt} are there`);
    if (seen.has(type)) return malformed(`option ${type} comes twice`);
    seen.add(type);
    if (!readOption(options, type, view, valueAt, size)) return malformed(`option ${type} can't be as it is`);
  }
  return { type: "options", options };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** @returns false when the value can't be */
function readOption(into: Writable<PacketOptions>, type: number, view: DataView, at: number, size: number): boolean {
  switch (type) {
    case OptionType.Pad:
      into.pad = size;
      return true;
    case OptionType.SourceId:
      if (size !== 8) return false;
      into.sourceId = view.getBigUint64(at);
      return into.sourceId !== 0n;
    case OptionType.MaxDatagram:
      if (size !== 2) return false;
      into.maxDatagram = view.getUint16(at);
      return into.maxDatagram >= DATAGRAM_FLOOR && into.maxDatagram <= DATAGRAM_MAX;
    case OptionType.Security:
      if (size !== 1 || view.getUint8(at) > Security.SecurePreferred) return false;
      into.security = view.getUint8(at) as Security;
      return true;
    case OptionType.Cookie:
      into.cookie = new Uint8Array(view.buffer, view.byteOffset + at, size).slice();
      return size > 0 && size <= COOKIE_LENGTH_MAX;
    case OptionType.Sack:
      into.sack = readBlocks(view, at, size);
      return into.sack.length > 0;
    case OptionType.Reason:
      if (size !== 1) return false;
      into.reason = view.getUint8(at);
      return true;
    default:
      return true;
  }
}

/** @returns none when they can't be: more than four, none, or one that ends before it begins */
function readBlocks(view: DataView, at: number, size: number): SackBlock[] {
  const count = size / SACK_BLOCK_LENGTH;
  if (!Number.isInteger(count) || count > SACK_BLOCKS_MAX) return [];
  const blocks: SackBlock[] = [];
  for (let index = 0; index < count; index++) {
    const offset = at + index * SACK_BLOCK_LENGTH;
    if (view.getUint32(offset) > SEQ_HIGH_MAX || view.getUint32(offset + 8) > SEQ_HIGH_MAX) return [];
    const start = view.getUint32(offset) * WORD + view.getUint32(offset + 4);
    const end = view.getUint32(offset + 8) * WORD + view.getUint32(offset + 12);
    if (end <= start) return [];
    blocks.push({ start, end });
  }
  return blocks;
}

function putBlocks(view: DataView, at: number, blocks: readonly SackBlock[]): void {
  let offset = at;
  for (const { start, end } of blocks) {
    for (const edge of [start, end]) {
      view.setUint32(offset, Math.floor(edge / WORD));
      view.setUint32(offset + 4, edge % WORD);
      offset += 8;
    }
  }
}

const blocksLength = (blocks: readonly SackBlock[]): number => blocks.length * SACK_BLOCK_LENGTH;

const malformed = (reason: string): OptionsResult => ({ type: "malformed", reason });
