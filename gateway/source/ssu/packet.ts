import { crc32 } from "../../../emulator/wire/crc32.ts";
import { decodeOptions, encodeOptions, type PacketOptions } from "./packet-options.ts";

/** One SSU packet is the whole payload of one UDP datagram. Numbers are big-endian. (docs/protocols/ssu.md, 3) */

const SSU_VERSION = 1;
export const PACKET_HEADER_LENGTH = 40;
export const AUTH_TAG_LENGTH = 16;

/** What a packet is about, named as in TCP; `Auth`: a tag follows the payload. */
export const PacketFlag = { Fin: 0x01, Syn: 0x02, Rst: 0x04, Ack: 0x10, Auth: 0x80 } as const;

const KNOWN_FLAGS = PacketFlag.Fin | PacketFlag.Syn | PacketFlag.Rst | PacketFlag.Ack | PacketFlag.Auth;
/** Sequence numbers are exact in a `number`, so they stay below 2^53. */
const SEQ_HIGH_MAX = 0x1f_ffff;
const WORD = 0x1_0000_0000;

export interface Packet {
  /** Bits of {@link PacketFlag}. */
  readonly flags: number;
  /** The connection id that the receiver chose; 0 in a SYN, when there is none yet. */
  readonly to: bigint;
  /** Of the first byte of payload, or of SYN or FIN where there is none. */
  readonly seq: number;
  /** The next one that is expected; 0 without `Ack`. */
  readonly ack: number;
  /** How many bytes from `ack` on the sender has room for. */
  readonly window: number;
  readonly options: PacketOptions;
  readonly payload: Uint8Array;
}

export interface DecodedPacket extends Packet {
  readonly type: "packet";
  /** The options as they came. */
  readonly rawOptions: Uint8Array;
  /** What the tag covers, and the tag; there with `Auth` only. */
  readonly auth?: { readonly covered: Uint8Array; readonly tag: Uint8Array };
}

/** Why a datagram is no packet; the receiver counts it and does nothing else. */
export type PacketFault = "short" | "version" | "checksum" | "flags" | "length" | "options" | "number";

export interface MalformedPacket {
  readonly type: "malformed";
  readonly fault: PacketFault;
  readonly reason: string;
}

/** Makes the 16 bytes that stand behind a packet; given the covered bytes. */
type Tagger = (covered: Uint8Array) => Uint8Array;

/** @param tagger makes the tag; the flag `Auth` is set with it */
export function encodePacket(packet: Packet, tagger?: Tagger): Uint8Array<ArrayBuffer> {
  const options = encodeOptions(packet.options);
  const payloadAt = PACKET_HEADER_LENGTH + options.length;
  const tagAt = payloadAt + packet.payload.length;
  const data = new Uint8Array(tagAt + (tagger === undefined ? 0 : AUTH_TAG_LENGTH));
  const view = new DataView(data.buffer);
  view.setUint8(4, SSU_VERSION);
  view.setUint8(5, packet.flags | (tagger === undefined ? 0 : PacketFlag.Auth));
  view.setUint16(6, options.length);
  view.setBigUint64(8, packet.to);
  putNumber(view, 16, packet.seq);
  putNumber(view, 24, packet.ack);
  view.setUint32(32, packet.window);
  view.setUint16(36, packet.payload.length);
  data.set(options, PACKET_HEADER_LENGTH);
  data.set(packet.payload, payloadAt);
  if (tagger !== undefined) data.set(tagger(data.subarray(4, tagAt)), tagAt);
  view.setUint32(0, crc32(data.subarray(4)));
  return data;
}

/** Total: any bytes give a packet or a reason. What comes back shares memory with `data`. */
export function decodePacket(data: Uint8Array): DecodedPacket | MalformedPacket {
  const fault = faultOf(data);
  if (fault !== undefined) return fault;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const flags = view.getUint8(5);
  const payloadAt = PACKET_HEADER_LENGTH + view.getUint16(6);
  const tagAt = payloadAt + view.getUint16(36);
  const rawOptions = data.subarray(PACKET_HEADER_LENGTH, payloadAt);
  const options = decodeOptions(rawOptions);
  if (options.type === "malformed") return malformed("options", options.reason);
  return {
    type: "packet",
    flags,
    to: view.getBigUint64(8),
    seq: numberAt(view, 16),
    ack: numberAt(view, 24),
    window: view.getUint32(32),
    options: options.options,
    payload: data.subarray(payloadAt, tagAt),
    rawOptions,
    ...((flags & PacketFlag.Auth) !== 0 && { auth: { covered: data.subarray(4, tagAt), tag: data.subarray(tagAt) } }),
  };
}

/** Whom a datagram is for, before anything of it has been checked; undefined when it is too short to say. */
export const destinationOf = (data: Uint8Array): bigint | undefined =>
  data.length < PACKET_HEADER_LENGTH
    ? undefined
    : new DataView(data.buffer, data.byteOffset, data.byteLength).getBigUint64(8);

/** Lengths and numbers are looked at before the checksum: they are cheap, and it needs the whole datagram. */
function faultOf(data: Uint8Array): MalformedPacket | undefined {
  if (data.length < PACKET_HEADER_LENGTH) return malformed("short", `${data.length} bytes, a header has 40`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const version = view.getUint8(4);
  if (version !== SSU_VERSION) return malformed("version", `version ${version}`);
  const flags = view.getUint8(5);
  const tagLength = (flags & PacketFlag.Auth) === 0 ? 0 : AUTH_TAG_LENGTH;
  const length = PACKET_HEADER_LENGTH + view.getUint16(6) + view.getUint16(36) + tagLength;
  if (length !== data.length) return malformed("length", `${data.length} bytes, the header says ${length}`);
  const crc = crc32(data.subarray(4));
  if (crc !== view.getUint32(0)) return malformed("checksum", "the checksum is wrong");
  if ((flags & ~KNOWN_FLAGS) !== 0) return malformed("flags", `unknown flags ${flags}`);
  if (!isSensible(flags, view.getUint16(36))) return malformed("flags", `flags ${flags} that make no sense together`);
  if (view.getUint32(16) > SEQ_HIGH_MAX || view.getUint32(24) > SEQ_HIGH_MAX) {
    return malformed("number", "a sequence number of 2^53 or more");
  }
  if ((flags & PacketFlag.Syn) !== 0 && view.getUint32(16) !== 0) {
    return malformed("number", "an initial sequence number of 2^32 or more"); // so that numbers never come near 2^53
  }
  return undefined;
}

/** SYN, RST and FIN exclude each other, SYN and RST carry no payload, and only a SYN or RST may come without ACK. */
function isSensible(flags: number, payloadLength: number): boolean {
  const kind = flags & (PacketFlag.Syn | PacketFlag.Rst | PacketFlag.Fin);
  if (kind !== 0 && kind !== PacketFlag.Syn && kind !== PacketFlag.Rst && kind !== PacketFlag.Fin) return false;
  if ((kind === PacketFlag.Syn || kind === PacketFlag.Rst) && payloadLength > 0) return false;
  return (flags & PacketFlag.Ack) !== 0 || kind === PacketFlag.Syn || kind === PacketFlag.Rst;
}

const malformed = (fault: PacketFault, reason: string): MalformedPacket => ({ type: "malformed", fault, reason });

function putNumber(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / WORD));
  view.setUint32(offset + 4, value % WORD);
}

const numberAt = (view: DataView, offset: number): number => view.getUint32(offset) * WORD + view.getUint32(offset + 4);
