/** What kind of frame it is, as bits of {@link CanFrame.flags}. (ISO 11898-1:2015, 10.4) */
export const CanFlag = {
  /** IDE: a 29-bit identifier. */
  Extended: 1,
  /** FDF: a CAN FD frame. */
  Fd: 2,
  /** BRS: the data phase runs at the data bit rate. */
  BitRateSwitch: 4,
  /** ESI: its sender is error passive. */
  ErrorStateIndicator: 8,
  /** RTR: a remote frame; `data` has the length that its DLC asks for, and is never sent. */
  Remote: 16,
} as const;

/** One CAN frame as the LLC hands it over. Frames are never changed after they were made. */
export interface CanFrame {
  /** 11 or 29 bits, by {@link CanFlag.Extended}. */
  readonly id: number;
  readonly flags: number;
  /** 0 to 8 bytes; with {@link CanFlag.Fd} also 12, 16, 20, 24, 32, 48 or 64. */
  readonly data: Uint8Array;
}

/** The lengths that a DLC can say; those over 8 only in CAN FD frames. (ISO 11898-1:2015, 10.4.2.4, Table 5) */
const LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64] as const;
export const CAN_DATA_MAX = 8;
const CAN_FD_DATA_MAX = 64;
const NO_DLC = 0xff;

const DLC_OF_LENGTH = new Uint8Array(CAN_FD_DATA_MAX + 1).fill(NO_DLC);
const LENGTH_AT_LEAST = new Uint8Array(CAN_FD_DATA_MAX + 1);
for (const [dlc, length] of LENGTHS.entries()) DLC_OF_LENGTH[length] = dlc;
for (let least = 0; least <= CAN_FD_DATA_MAX; least++) {
  LENGTH_AT_LEAST[least] = LENGTHS.find((length) => length >= least) as number;
}

/** The DLC that says `length`; undefined when none does. */
export function dlcOfLength(length: number): number | undefined {
  const dlc = DLC_OF_LENGTH[length];
  return dlc === NO_DLC ? undefined : dlc;
}

/** How many bytes a DLC says; over 8 in CAN FD frames only. @param dlc 0 to 15 */
export const canLengthOfDlc = (dlc: number): number => LENGTHS[dlc] as number;

/** The shortest data field that holds `least` bytes. @param least 0 to 64 */
export const canLengthAtLeast = (least: number): number => LENGTH_AT_LEAST[least] as number;

/** Why a frame can't be, or undefined when it can. (ISO 11898-1:2015, 10.4) */
export function canFrameFault(frame: CanFrame): string | undefined {
  const { id, flags, data } = frame;
  const fd = (flags & CanFlag.Fd) !== 0;
  const idMax = (flags & CanFlag.Extended) === 0 ? 0x7ff : 0x1fff_ffff;
  if (!(id >= 0 && id <= idMax && Number.isInteger(id))) return `identifier ${id} is not within 0 to ${idMax}`;
  if (!fd && data.length > CAN_DATA_MAX) return `${data.length} bytes in a classic frame, at most ${CAN_DATA_MAX}`;
  if (dlcOfLength(data.length) === undefined) return `no DLC says ${data.length} bytes`;
  if (fd && (flags & CanFlag.Remote) !== 0) return "CAN FD has no remote frames";
  if (!fd && (flags & CanFlag.BitRateSwitch) !== 0) return "only CAN FD frames switch the bit rate";
  return undefined;
}

/**
 * The bits that are compared while several nodes begin at once, as a number: the lowest wins. Base identifier, then RTR
 * or SRR, IDE, identifier extension, RTR: a base frame wins over an extended one of the same base identifier, and a data
 * frame over a remote frame. (ISO 11898-1:2015, 10.4.2.2 and 10.7)
 */
export function arbitrationField(frame: CanFrame): number {
  const remote = (frame.flags & CanFlag.Remote) === 0 ? 0 : 1;
  if ((frame.flags & CanFlag.Extended) === 0) return ((frame.id << 21) | (remote << 20)) >>> 0;
  const base = frame.id >>> 18;
  return ((base << 21) | (0b11 << 19) | ((frame.id & 0x3ffff) << 1) | remote) >>> 0;
}
