/** Block types, option codes and link types. (draft-ietf-opsawg-pcapng, sections 4 and 3.5; tcpdump.org/linktypes.html) */
export const BlockType = {
  SectionHeader: 0x0a0d0d0a,
  InterfaceDescription: 1,
  SimplePacket: 3,
  EnhancedPacket: 6,
} as const;

export const Option = { EndOfOptions: 0, Comment: 1, UserApplication: 4, InterfaceName: 2, TimeResolution: 9 } as const;

export const LinkType = { Ethernet: 1, CanSocketCan: 227 } as const;

/** Tells the byte order of a section. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const VERSION_MAJOR = 1;
/** The length of a section that is not known when it begins. */
const UNKNOWN_LENGTH = 0xffff_ffff_ffff_ffffn;
const NANOSECONDS = 9;

interface OptionValue {
  readonly code: number;
  readonly value: Uint8Array;
}

const padded = (length: number): number => (length + 3) & ~3;

/** One block, little-endian, with both its lengths. `fill` writes the `bodyLength` bytes at offset 8. */
function block(type: number, bodyLength: number, fill: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const length = 12 + padded(bodyLength);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  fill(bytes, view);
  view.setUint32(length - 4, length, true);
  return bytes;
}

const optionsLength = (options: readonly OptionValue[]): number =>
  options.reduce((sum, { value }) => sum + 4 + padded(value.length), 4);

function writeOptions(bytes: Uint8Array, view: DataView, start: number, options: readonly OptionValue[]): void {
  let offset = start;
  for (const { code, value } of options) {
    view.setUint16(offset, code, true);
    view.setUint16(offset + 2, value.length, true);
    bytes.set(value, offset + 4);
    offset += 4 + padded(value.length);
  }
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export function sectionHeader(application: string): Uint8Array {
  const options = [{ code: Option.UserApplication, value: text(application) }];
  return block(BlockType.SectionHeader, 16 + optionsLength(options), (bytes, view) => {
    view.setUint32(8, BYTE_ORDER_MAGIC, true);
    view.setUint16(12, VERSION_MAJOR, true);
    view.setBigUint64(16, UNKNOWN_LENGTH, true);
    writeOptions(bytes, view, 24, options);
  });
}

/** Times of its packets are in nanoseconds. */
export function interfaceDescription(linkType: number, name: string): Uint8Array {
  const options = [
    { code: Option.InterfaceName, value: text(name) },
    { code: Option.TimeResolution, value: Uint8Array.of(NANOSECONDS) },
  ];
  return block(BlockType.InterfaceDescription, 8 + optionsLength(options), (bytes, view) => {
    view.setUint16(8, linkType, true);
    writeOptions(bytes, view, 16, options);
  });
}

/** @param index which interface of the section @param time Unix time, nanoseconds */
export function enhancedPacket(index: number, time: bigint, packet: Uint8Array): Uint8Array {
  return block(BlockType.EnhancedPacket, 20 + packet.length, (bytes, view) => {
    view.setUint32(8, index, true);
    view.setUint32(12, Number(time >> 32n), true);
    view.setUint32(16, Number(time & 0xffff_ffffn), true);
    view.setUint32(20, packet.length, true);
    view.setUint32(24, packet.length, true);
    bytes.set(packet, 28);
  });
}
