import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { frameFault } from "./captured-frame.ts";
import { ERROR_FRAME, errorFrameOf } from "./wire-frames.ts";

/**
 * Packets of LINKTYPE_CAN_SOCKETCAN: identifier and flags (big-endian), length, FD flags, two reserved bytes, data.
 * (tcpdump.org/linktypes/LINKTYPE_CAN_SOCKETCAN.html)
 */
const HEADER_LENGTH = 8;
const IdFlag = { Extended: 0x8000_0000, Remote: 0x4000_0000, Error: ERROR_FRAME } as const;
const FdFlag = { BitRateSwitch: 1, ErrorStateIndicator: 2, Fd: 4 } as const;

export function encodeSocketCan({ id, flags, data }: CanFrame): Uint8Array {
  const remote = (flags & CanFlag.Remote) !== 0;
  const packet = new Uint8Array(HEADER_LENGTH + (remote ? 0 : data.length));
  const extendedFlag = (flags & CanFlag.Extended) !== 0 && id < ERROR_FRAME ? IdFlag.Extended : 0;
  new DataView(packet.buffer).setUint32(0, id + extendedFlag + (remote ? IdFlag.Remote : 0));
  packet[4] = data.length;
  if ((flags & CanFlag.Fd) !== 0) {
    const brs = (flags & CanFlag.BitRateSwitch) !== 0 ? FdFlag.BitRateSwitch : 0;
    const esi = (flags & CanFlag.ErrorStateIndicator) !== 0 ? FdFlag.ErrorStateIndicator : 0;
    packet[5] = FdFlag.Fd | brs | esi;
  }
  if (!remote) packet.set(data, HEADER_LENGTH);
  return packet;
}

export type DecodedSocketCan =
  | { readonly type: "frame"; readonly frame: CanFrame }
  | { readonly type: "malformed"; readonly reason: string };

/** Total. The data in the result is a copy. */
export function decodeSocketCan(packet: Uint8Array): DecodedSocketCan {
  if (packet.length < HEADER_LENGTH) {
    return { type: "malformed", reason: `${packet.length} of ${HEADER_LENGTH} header bytes` };
  }
  const word = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
  const length = packet[4] as number;
  const fd = packet[5] as number;
  const remote = (word & IdFlag.Remote) !== 0;
  const isFd = (fd & FdFlag.Fd) !== 0 || length > 8;
  if (!remote && packet.length < HEADER_LENGTH + length) {
    return { type: "malformed", reason: `${packet.length - HEADER_LENGTH} of ${length} data bytes` };
  }
  if ((word & IdFlag.Error) !== 0) return errorFrame(word, packet.slice(HEADER_LENGTH, HEADER_LENGTH + length));
  const frame: CanFrame = {
    id: word & 0x1fff_ffff,
    flags:
      ((word & IdFlag.Extended) !== 0 ? CanFlag.Extended : 0) |
      (remote ? CanFlag.Remote : 0) |
      (isFd ? CanFlag.Fd : 0) |
      (isFd && (fd & FdFlag.BitRateSwitch) !== 0 ? CanFlag.BitRateSwitch : 0) |
      (isFd && (fd & FdFlag.ErrorStateIndicator) !== 0 ? CanFlag.ErrorStateIndicator : 0),
    data: remote ? new Uint8Array(Math.min(length, 8)) : packet.slice(HEADER_LENGTH, HEADER_LENGTH + length),
  };
  const reason = frameFault(frame);
  return reason === undefined ? { type: "frame", frame } : { type: "malformed", reason };
}

function errorFrame(word: number, data: Uint8Array): DecodedSocketCan {
  const frame = errorFrameOf(word, data);
  return frame === undefined
    ? { type: "malformed", reason: `${data.length} bytes in an error frame` }
    : { type: "frame", frame };
}
