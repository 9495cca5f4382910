import type { Duration } from "../kernel/time.ts";

/**
 * How the frames of one pair of peers are told apart, seen from this node. The address formats of ISO 15765-2:2016, 10.3
 * are rules for filling this in: {@link isoTpAddress}. Each direction may have a format of its own.
 */
export interface IsoTpAddress {
  readonly txId: number;
  readonly rxId: number;
  /** 29-bit identifiers. */
  readonly extended: boolean;
  /** The same of `rxId` and `functionalRxId`, where the directions differ. */
  readonly rxExtended?: boolean;
  /** Functional requests are received with this identifier too; single frames only. */
  readonly functionalRxId?: number;
  /** N_TA or N_AE, the first byte of our frames in extended or mixed addressing. */
  readonly txAddressByte?: number;
  /** The first byte of the frames that are for us; others with the same identifier are for somebody else. */
  readonly rxAddressByte?: number;
  /** The same of functional requests. */
  readonly functionalAddressByte?: number;
}

/** One channel: a sender and a receiver of one address pair. Times as in ISO 15765-2:2016, 9.8, Table 16. */
export interface IsoTpConfig {
  readonly address: IsoTpAddress;
  /** TX_DL: the longest frame we send: 8 on classic CAN, up to 64 on CAN FD. */
  readonly txDl: 8 | 12 | 16 | 20 | 24 | 32 | 48 | 64;
  /** Frames are CAN FD (even when `txDl` is 8), with the bit rate switch if `bitRateSwitch`. */
  readonly fd: boolean;
  readonly bitRateSwitch: boolean;
  /** Fills frames up to 8 bytes (and, over 8, to the next DLC, which is always needed); undefined: as short as can be. */
  readonly padding?: number;
  /** What our flow control frames ask for. */
  readonly blockSize: number;
  readonly stMin: Duration;
  /** The longest message we take, bytes; a longer FF_DL is answered with FS overflow. */
  readonly messageSizeMax: number;
  /** N_WFTmax: how many FS wait frames in a row we bear as a sender, and send at most as a receiver; 0: a receiver sends none. */
  readonly waitFramesMax: number;
  /** FS wait frames that we send before each FS continue-to-send; none if left out. `interval` is below the peer's N_Bs. */
  readonly waitFrames?: { readonly count: number; readonly interval: Duration };
  readonly nAs: Duration;
  readonly nAr: Duration;
  readonly nBs: Duration;
  readonly nCr: Duration;
  /** N_Br: how long we take before we send a flow control frame. */
  readonly nBr: Duration;
  /** N_Cs: how long we take before we send a consecutive frame, when STmin is shorter. */
  readonly nCs: Duration;
}

/** N_Result values, spelled as the standard spells them. (ISO 15765-2:2016, 8.3.7) */
export type NResult =
  | "N_TIMEOUT_A"
  | "N_TIMEOUT_Bs"
  | "N_TIMEOUT_Cr"
  | "N_WRONG_SN"
  | "N_INVALID_FS"
  | "N_UNEXP_PDU"
  | "N_WFT_OVRN"
  | "N_BUFFER_OVFLW"
  | "N_ERROR";

/** Who is told what comes of one channel. */
export interface IsoTpListener {
  /**
   * N_USData_FF.indication: a first frame was accepted, the message will have that many bytes. `message` follows, or
   * `failed`. (ISO 15765-2:2016, 8.2.4)
   */
  begun?(length: number): void;
  /** A whole message. The array belongs to the listener. */
  message(data: Uint8Array, functional: boolean): void;
  /** The message given to `send` is on the wire, its last frame confirmed. */
  sent(): void;
  /** A message was given up. After a failed reception the peer's message is lost; nothing has to be done. */
  failed(direction: "sending" | "receiving", result: NResult): void;
}

/** One channel, as its user sees it. */
export interface IsoTpChannel {
  /**
   * Sends one message; ends in `sent` or `failed`.
   * @throws {UsageError} for an empty message, or while the one before is still being sent
   */
  send(message: Uint8Array): void;
  readonly sending: boolean;
}
