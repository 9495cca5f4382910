import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../../emulator/wire/uds.ts";
import { readSwpg, SWPG_HEADER_LENGTH, SWPG_MAGIC } from "../../package/swpg.ts";
import { NOTHING, type Received, refusal, wholeOf, withPiece } from "./download.ts";

export type SwpgDownloadState =
  | { readonly name: "idle" }
  | {
      readonly name: "receiving";
      readonly size: number;
      /** blockSequenceCounter of the next block. */
      readonly counter: number;
      /** The header counts as received, for all that it may have been refused for its target. */
      readonly headerSeen: boolean;
      /** Whose package it is; 0 while no header was taken. */
      readonly target: number;
      readonly received: Received;
    };

/** maxNumberOfBlockLength 256. */
const RESPONSE = [0x20, 0x01, 0x00];
const PAYLOAD_MAX = 8 * 1024 * 1024;
const COUNTER_MAX = 0xff;
/** The gateway itself, and the three ECUs that it has room for. */
const OWN_TARGET = 0x0091;
const TARGETS: readonly number[] = [OWN_TARGET, 0x0011, 0x0012, 0x0013];
const TARGET_OFFSET = 4;
const PAYLOAD_SIZE_OFFSET = 8;

/** Downloads of SWPG as gateway 1.0.0 takes them. (docs/protocols/zonal-gateway.md) */
export class SwpgDownload implements Stateful<SwpgDownloadState> {
  #state: SwpgDownloadState = { name: "idle" };

  reset(): void {
    this.#state = { name: "idle" };
  }

  /** `34 DFI ALFI address size`: the low nibble of ALFI is the length of the address, as ISO 14229-1 has it. */
  begin(request: Uint8Array): Uint8Array {
    const format = request[2] ?? 0;
    const sizeAt = 3 + (format & 0x0f);
    const end = sizeAt + (format >>> 4);
    if (request.length < Math.max(end, 3)) {
      return refusal(Sid.RequestDownload, Nrc.IncorrectMessageLengthOrInvalidFormat);
    }
    if (this.#state.name !== "idle") return refusal(Sid.RequestDownload, Nrc.ConditionsNotCorrect);
    const size = request.subarray(sizeAt, end).reduce((value, octet) => value * 0x100 + octet, 0);
    this.#state = { name: "receiving", size, counter: 1, headerSeen: false, target: 0, received: NOTHING };
    return Uint8Array.of(Sid.RequestDownload + POSITIVE_RESPONSE_OFFSET, ...RESPONSE);
  }

  /** The counter goes from 255 to 1. The first block must hold the whole header. */
  take(request: Uint8Array): Uint8Array {
    const state = this.#state;
    if (state.name === "idle") return refusal(Sid.TransferData, Nrc.RequestSequenceError);
    if (request.length < 2) return refusal(Sid.TransferData, Nrc.IncorrectMessageLengthOrInvalidFormat);
    const counter = request[1] as number;
    if (counter !== state.counter) return refusal(Sid.TransferData, Nrc.WrongBlockSequenceCounter);
    const data = request.slice(2);
    const header = state.headerSeen ? undefined : readTarget(data);
    if (header?.nrc !== undefined) {
      if (header.nrc === Nrc.RequestOutOfRange) this.#state = { ...state, headerSeen: true };
      return refusal(Sid.TransferData, header.nrc);
    }
    if (state.headerSeen && state.received.length + data.length > state.size) {
      return refusal(Sid.TransferData, Nrc.TransferDataSuspended);
    }
    this.#state = {
      ...state,
      counter: (counter % COUNTER_MAX) + 1,
      headerSeen: true,
      target: header?.target ?? state.target,
      received: withPiece(state.received, data, PAYLOAD_MAX + SWPG_HEADER_LENGTH),
    };
    return Uint8Array.of(Sid.TransferData + POSITIVE_RESPONSE_OFFSET, counter);
  }

  /** A package for the gateway itself is checked; those for others are taken unseen. */
  end(): Uint8Array {
    const state = this.#state;
    if (state.name === "idle") return refusal(Sid.RequestTransferExit, Nrc.RequestSequenceError);
    if (state.received.length !== state.size) {
      return refusal(Sid.RequestTransferExit, Nrc.GeneralProgrammingFailure);
    }
    this.#state = { name: "idle" };
    const good = state.target !== OWN_TARGET || readSwpg(wholeOf(state.received)).type === "swpg";
    return good
      ? Uint8Array.of(Sid.RequestTransferExit + POSITIVE_RESPONSE_OFFSET)
      : refusal(Sid.RequestTransferExit, Nrc.GeneralProgrammingFailure);
  }

  save(): SwpgDownloadState {
    return this.#state;
  }

  load(state: SwpgDownloadState): void {
    this.#state = state;
  }
}

function readTarget(data: Uint8Array): { readonly target: number; readonly nrc?: Nrc } {
  if (data.length < SWPG_HEADER_LENGTH) return { target: 0, nrc: Nrc.IncorrectMessageLengthOrInvalidFormat };
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const target = view.getUint16(TARGET_OFFSET, true);
  const size = view.getUint32(PAYLOAD_SIZE_OFFSET, true);
  const readable = view.getUint32(0, true) === SWPG_MAGIC && size > 0 && size <= PAYLOAD_MAX && target !== 0;
  if (!readable) return { target, nrc: Nrc.GeneralProgrammingFailure };
  return TARGETS.includes(target) ? { target } : { target, nrc: Nrc.RequestOutOfRange };
}
