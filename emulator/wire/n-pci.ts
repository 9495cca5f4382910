import { type Duration, ms, us } from "../kernel/time.ts";
import { CAN_DATA_MAX, canLengthAtLeast } from "./can-frame.ts";

/** N_PCI type: high nibble of the first byte. (ISO 15765-2:2016, 9.6.1, Table 10) */
const NPciType = { SingleFrame: 0x0, FirstFrame: 0x1, ConsecutiveFrame: 0x2, FlowControl: 0x3 } as const;

/** FS: low nibble of the first byte of a flow control frame. (ISO 15765-2:2016, 9.6.5.1, Table 18) */
export const FlowStatus = { ContinueToSend: 0x0, Wait: 0x1, Overflow: 0x2 } as const;
export type FlowStatus = (typeof FlowStatus)[keyof typeof FlowStatus];

/** The largest FF_DL without escape; longer messages use 32 bits. (ISO 15765-2:2016, 9.6.3.1) */
const FF_DL_SHORT_MAX = 4095;
export const FF_DL_MAX = 0xffff_ffff;
const CF_PCI_LENGTH = 1;
const FC_LENGTH = 3;
const FF_SHORT_PCI_LENGTH = 2;
const FF_ESCAPE_PCI_LENGTH = 6;
const SF_ESCAPE_PCI_LENGTH = 2;

/** One N_PDU. `start` is where its data begin in the payload that was decoded. */
export type NPdu =
  | { readonly type: "SF"; readonly start: number; readonly length: number }
  /** `length` is FF_DL, the length of the whole message. */
  | { readonly type: "FF"; readonly start: number; readonly length: number }
  | { readonly type: "CF"; readonly start: number; readonly sn: number }
  /** `flowStatus` may be one that the standard keeps reserved; that ends a transfer with N_INVALID_FS. */
  | { readonly type: "FC"; readonly flowStatus: number; readonly blockSize: number; readonly stMin: Duration };

export type DecodedNPdu = NPdu | { readonly type: "malformed"; readonly reason: string };

/** How the frames look that a node sends. */
export interface NPduShape {
  /** TX_DL: the longest frame, bytes. */
  readonly txDl: number;
  /** Fills frames up to 8 bytes; undefined: as short as can be. Over 8 bytes the next DLC is always filled up. */
  readonly padding?: number;
  /** N_TA (extended addressing) or N_AE (mixed addressing): comes before N_PCI and takes one byte of every frame. */
  readonly addressByte?: number;
}

/** How many bytes of each frame go to the address: 1 in extended and mixed addressing. (ISO 15765-2:2016, 10.3) */
export type AddressLength = 0 | 1;

export const addressLengthOf = ({ addressByte }: Pick<NPduShape, "addressByte">): AddressLength =>
  addressByte === undefined ? 0 : 1;

/** What fills frames over 8 bytes up to their DLC when no padding is asked for. (ISO 15765-2:2016, 10.4.2.1) */
const DEFAULT_FILL = 0xcc;

/**
 * Decodes the payload of one CAN frame. Total: any input gives a value. What the standard says to ignore, wrong
 * lengths among it, is "malformed". (ISO 15765-2:2016, 9.6)
 * @param addressLength how many bytes come before N_PCI; whose address they hold is for the caller to see
 */
export function decodeNPdu(payload: Uint8Array, addressLength: AddressLength = 0): DecodedNPdu {
  const pci = payload[addressLength];
  if (pci === undefined) return malformed("no N_PCI");
  switch (pci >> 4) {
    case NPciType.SingleFrame:
      return decodeSingleFrame(payload, addressLength, pci & 0x0f);
    case NPciType.FirstFrame:
      return decodeFirstFrame(payload, addressLength, pci & 0x0f);
    case NPciType.ConsecutiveFrame: {
      const start = addressLength + CF_PCI_LENGTH;
      return payload.length > start ? { type: "CF", start, sn: pci & 0x0f } : malformed("CF without data");
    }
    case NPciType.FlowControl:
      return decodeFlowControl(payload, addressLength, pci & 0x0f);
    default:
      return malformed(`N_PCI type ${pci >> 4} is reserved`);
  }
}

/**
 * In up to 8 bytes: padded to 8, or exactly as long as its data. In more: the escape, in the shortest frame that its
 * data fit. (ISO 15765-2:2016, 9.6.2)
 */
function decodeSingleFrame(payload: Uint8Array, addressLength: AddressLength, low: number): DecodedNPdu {
  const canDl = payload.length;
  if (canDl <= CAN_DATA_MAX) {
    const start = addressLength + 1;
    const room = canDl - start;
    const fits = low > 0 && (canDl === CAN_DATA_MAX ? low <= room : low === room);
    return fits ? { type: "SF", start, length: low } : malformed(`SF_DL ${low} in ${canDl} bytes`);
  }
  if (low !== 0) return malformed(`SF_DL ${low} without escape in ${canDl} bytes`);
  const start = addressLength + SF_ESCAPE_PCI_LENGTH;
  const length = payload[start - 1] as number;
  const fits = length > singleFrameMax(CAN_DATA_MAX, addressLength) && length <= canDl - start;
  return fits && canLengthAtLeast(start + length) === canDl
    ? { type: "SF", start, length }
    : malformed(`SF_DL ${length} in ${canDl} bytes`);
}

function decodeFirstFrame(payload: Uint8Array, addressLength: AddressLength, low: number): DecodedNPdu {
  const canDl = payload.length;
  if (canDl < CAN_DATA_MAX) return malformed(`FF of ${canDl} bytes`);
  const short = (low << 8) | (payload[addressLength + 1] as number);
  if (short !== 0) {
    const singleMax = singleFrameMax(canDl, addressLength);
    return short > singleMax
      ? { type: "FF", start: addressLength + FF_SHORT_PCI_LENGTH, length: short }
      : malformed(`FF_DL ${short}, but a single frame takes up to ${singleMax}`);
  }
  const length = readUint32(payload, addressLength + 2);
  return length > FF_DL_SHORT_MAX
    ? { type: "FF", start: addressLength + FF_ESCAPE_PCI_LENGTH, length }
    : malformed(`FF_DL ${length} in the escape form`);
}

/**
 * The longest message in a single frame; one byte more is FF_DLmin, the least that a first frame of that length may
 * announce. (ISO 15765-2:2016, 9.6.3.1, Table 14)
 * @param txDl 8 to 64
 */
export const singleFrameMax = (txDl: number, addressLength: AddressLength = 0): number =>
  (txDl <= CAN_DATA_MAX ? CAN_DATA_MAX - 1 : txDl - SF_ESCAPE_PCI_LENGTH) - addressLength;

function decodeFlowControl(payload: Uint8Array, addressLength: AddressLength, flowStatus: number): DecodedNPdu {
  if (payload.length < addressLength + FC_LENGTH) return malformed(`FC of ${payload.length} bytes`);
  return {
    type: "FC",
    flowStatus,
    blockSize: payload[addressLength + 1] as number,
    stMin: decodeStMin(payload[addressLength + 2] as number),
  };
}

const malformed = (reason: string): DecodedNPdu => ({ type: "malformed", reason });

const readUint32 = (from: Uint8Array, offset: number): number =>
  (((from[offset] as number) << 24) |
    ((from[offset + 1] as number) << 16) |
    ((from[offset + 2] as number) << 8) |
    (from[offset + 3] as number)) >>>
  0;

/** @param message 1 byte to {@link singleFrameMax} */
export function encodeSingleFrame(message: Uint8Array, shape: NPduShape): Uint8Array {
  const length = message.length;
  const at = addressLengthOf(shape);
  const isShort = length <= singleFrameMax(CAN_DATA_MAX, at);
  const start = at + (isShort ? 1 : SF_ESCAPE_PCI_LENGTH);
  const payload = emptyPayload(start + length, shape);
  payload[at] = (NPciType.SingleFrame << 4) | (isShort ? length : 0);
  if (!isShort) payload[at + 1] = length;
  payload.set(message, start);
  return payload;
}

/** How many bytes of the message its first frame carries. */
export const firstFrameDataLength = (messageLength: number, txDl: number, addressLength: AddressLength = 0): number =>
  txDl - addressLength - (messageLength > FF_DL_SHORT_MAX ? FF_ESCAPE_PCI_LENGTH : FF_SHORT_PCI_LENGTH);

/** How many bytes of the message a full consecutive frame carries. */
export const consecutiveFrameDataLength = (txDl: number, addressLength: AddressLength = 0): number =>
  txDl - addressLength - CF_PCI_LENGTH;

/** @param message longer than {@link singleFrameMax} */
export function encodeFirstFrame(message: Uint8Array, shape: NPduShape): Uint8Array {
  const length = message.length;
  const at = addressLengthOf(shape);
  const payload = emptyPayload(shape.txDl, shape);
  const dataLength = firstFrameDataLength(length, shape.txDl, at);
  if (length <= FF_DL_SHORT_MAX) {
    payload[at] = (NPciType.FirstFrame << 4) | (length >> 8);
    payload[at + 1] = length;
  } else {
    payload[at] = NPciType.FirstFrame << 4;
    payload[at + 1] = 0;
    payload[at + 2] = length >>> 24;
    payload[at + 3] = length >>> 16;
    payload[at + 4] = length >>> 8;
    payload[at + 5] = length;
  }
  payload.set(message.subarray(0, dataLength), shape.txDl - dataLength);
  return payload;
}

/** @param offset of the first byte of the message that it carries */
export function encodeConsecutiveFrame(message: Uint8Array, offset: number, sn: number, shape: NPduShape): Uint8Array {
  const at = addressLengthOf(shape);
  const start = at + CF_PCI_LENGTH;
  const length = Math.min(shape.txDl - start, message.length - offset);
  const payload = emptyPayload(start + length, shape);
  payload[at] = (NPciType.ConsecutiveFrame << 4) | sn;
  copyBytes(message, offset, payload, start, length);
  return payload;
}

/** @param stMinCode see {@link encodeStMin} */
export function encodeFlowControl(
  flowStatus: number,
  blockSize: number,
  stMinCode: number,
  shape: NPduShape,
): Uint8Array {
  const at = addressLengthOf(shape);
  const payload = emptyPayload(at + FC_LENGTH, shape);
  payload[at] = (NPciType.FlowControl << 4) | flowStatus;
  payload[at + 1] = blockSize;
  payload[at + 2] = stMinCode;
  return payload;
}

/** A frame that holds `length` bytes: the address byte is there, what is behind them is filled. */
function emptyPayload(length: number, shape: NPduShape): Uint8Array {
  const least = shape.padding === undefined ? length : Math.max(length, CAN_DATA_MAX);
  const payload = new Uint8Array(canLengthAtLeast(least));
  const fill = shape.padding ?? DEFAULT_FILL;
  for (let index = length; index < payload.length; index++) payload[index] = fill;
  if (shape.addressByte !== undefined) payload[0] = shape.addressByte;
  return payload;
}

/** Frames are short: a loop takes less time than a view and `set`. */
export function copyBytes(from: Uint8Array, at: number, into: Uint8Array, offset: number, length: number): void {
  for (let index = 0; index < length; index++) into[offset + index] = from[at + index] as number;
}

/**
 * STmin: the least time between two consecutive frames. 00 to 7F are whole milliseconds and F1 to F9 are 100 to 900 us;
 * every other code is reserved and stands for the longest, 127 ms. (ISO 15765-2:2016, 9.6.5.4 and 9.6.5.5)
 * @internal exported for its table test
 */
export function decodeStMin(code: number): Duration {
  if (code <= 0x7f) return ms(code);
  if (code >= 0xf1 && code <= 0xf9) return us((code - 0xf0) * 100);
  return ms(127);
}

/** The smallest code whose time is at least `stMin`; over 127 ms it is 127 ms. */
export function encodeStMin(stMin: Duration): number {
  if (stMin > 0 && stMin <= us(900)) return 0xf0 + Math.ceil(stMin / us(100));
  return Math.min(0x7f, Math.ceil(stMin / ms(1)));
}
