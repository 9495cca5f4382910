import type { Stateful } from "../kernel/machine.ts";

/** Error active, error passive, or off the bus. (ISO 11898-1:2015, 12.1.4) */
export type CanErrorState = "active" | "passive" | "busOff";

/** What is wrong with a frame. (ISO 11898-1:2015, 10.9) */
export type CanErrorKind = "bit" | "stuff" | "crc" | "form" | "ack";

export interface ErrorCountersState {
  readonly transmitErrors: number;
  readonly receiveErrors: number;
}

/** Steps of the rules for TEC and REC. */
export const ERROR_STEP = 8;
const PASSIVE_FROM = 128;
const BUS_OFF_FROM = 256;
/** REC goes no further than that. */
const RECEIVE_ERRORS_MAX = 255;
/** A frame well received takes REC of an error-passive node back to between 119 and 127. */
const RECEIVE_ERRORS_AFTER_PASSIVE = 119;

/** The two counters of fault confinement, and the state that follows from them. (ISO 11898-1:2015, 12.1.4.2) */
export class ErrorCounters implements Stateful<ErrorCountersState> {
  transmitErrors = 0;
  receiveErrors = 0;

  get state(): CanErrorState {
    if (this.transmitErrors >= BUS_OFF_FROM) return "busOff";
    return this.transmitErrors >= PASSIVE_FROM || this.receiveErrors >= PASSIVE_FROM ? "passive" : "active";
  }

  transmitFailed(): void {
    this.transmitErrors = Math.min(BUS_OFF_FROM, this.transmitErrors + ERROR_STEP);
  }

  receiveFailed(by: number): void {
    this.receiveErrors = Math.min(RECEIVE_ERRORS_MAX, this.receiveErrors + by);
  }

  transmitted(): void {
    if (this.transmitErrors > 0) this.transmitErrors--;
  }

  received(): void {
    if (this.receiveErrors >= PASSIVE_FROM) this.receiveErrors = RECEIVE_ERRORS_AFTER_PASSIVE;
    else if (this.receiveErrors > 0) this.receiveErrors--;
  }

  reset(): void {
    this.transmitErrors = 0;
    this.receiveErrors = 0;
  }

  save(): ErrorCountersState {
    return { transmitErrors: this.transmitErrors, receiveErrors: this.receiveErrors };
  }

  load({ transmitErrors, receiveErrors }: ErrorCountersState): void {
    this.transmitErrors = transmitErrors;
    this.receiveErrors = receiveErrors;
  }
}
