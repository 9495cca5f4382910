import type { Instant } from "../../emulator/kernel/time.ts";
import type { CanFrame } from "../../emulator/wire/can-frame.ts";

/** The way back to a program outside. What it can't take any more is dropped or ends it; neither touches the vehicle. */
export interface Wire {
  /** @returns false when it was dropped, since the program does not read */
  write(data: Uint8Array | string): boolean;
  /** Ends the connection, behind what was written. */
  end(): void;
}

/** Why something that came from outside was dropped; the names of docs/protocols/doors.md. */
export type RefusalCode =
  | "MALFORMED"
  | "LINE_TOO_LONG"
  | "UNKNOWN_COMMAND"
  | "UNKNOWN_BUS"
  | "CHANNEL_CLOSED"
  | "BIT_RATE_WRONG"
  | "NO_CAN_FD"
  | "BUS_OFF"
  | "TOO_MANY_CLIENTS"
  | "CLIENT_TOO_SLOW"
  | "CONNECTION_REFUSED";

/** Tells that something was dropped. */
export type Refuse = (code: RefusalCode, reason: string) => void;

/** What one program outside and the vehicle have to do with each other, whatever carries their bytes. */
export interface Session {
  /** It takes more input now; until then input waits, and its sender with it. */
  readonly ready: boolean;
  received(data: Uint8Array): void;
  /** The program has gone. */
  closed(): void;
}

/** One program's place at a bus. */
export interface FrameListener {
  /** A frame of anybody else on the bus; `now` is the end of its EOF. */
  frame(frame: CanFrame, now: Instant): void;
  /** A frame of its own will never be on the bus: the node that it shares is off it, after too many errors. */
  lost(frame: CanFrame): void;
}

/** What BUS_OFF says of a frame. */
export const notSent = (id: number): string =>
  `a frame with identifier 0x${id.toString(16).toUpperCase()} was not sent`;
