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
