import type { Machine, Stateful } from "../kernel/machine.ts";
import { type Instant, plus } from "../kernel/time.ts";
import { CAN_DATA_MAX, canLengthAtLeast } from "../wire/can-frame.ts";
import {
  copyBytes,
  type DecodedNPdu,
  encodeFlowControl,
  encodeStMin,
  FlowStatus,
  type NPdu,
  type NPduShape,
} from "../wire/n-pci.ts";
import type { IsoTpConfig, NResult } from "./config.ts";

export type ReceiverConfig = Pick<IsoTpConfig, "blockSize" | "stMin" | "nAr" | "nBr" | "nCr" | "messageSizeMax"> &
  NPduShape;

export type ReceiverInput =
  | { readonly type: "received"; readonly pdu: DecodedNPdu; readonly payload: Uint8Array }
  /** L_Data.confirm of the flow control frame. */
  | { readonly type: "transmitted" }
  /** The flow control frame will never be sent. */
  | { readonly type: "aborted" }
  /** Forget everything, tell nobody. */
  | { readonly type: "reset" };

export type ReceiverOutput =
  | { readonly type: "transmit"; readonly payload: Uint8Array }
  /** The flow control frame is not wanted any more; its confirmation is not to be handed in. */
  | { readonly type: "withdraw" }
  /** A first frame was accepted; "message" or "failed" follows. */
  | { readonly type: "begun"; readonly length: number }
  | { readonly type: "message"; readonly data: Uint8Array }
  | { readonly type: "failed"; readonly result: NResult };

/** How far one segmented message has come. Changed in place, copied by `save`. */
interface Transfer {
  readonly message: Uint8Array;
  /** RX_DL: length of the first frame, and so of every consecutive frame but the last. (9.5.5) */
  readonly rxDl: number;
  received: number;
  nextSn: number;
  /** Consecutive frames left in the block; 0 when there is no end to it (BS 0). */
  leftInBlock: number;
  /** N_Cr. Moves with every frame. */
  deadline: Instant;
}

type State =
  | { readonly name: "idle" }
  /** N_Br runs; then the flow control frame is handed over. Without a transfer it refuses a message. */
  | { readonly name: "flowControlDue"; readonly transfer: Transfer | undefined; readonly deadline: Instant }
  /** `deadline` is N_Ar. */
  | { readonly name: "sendingFlowControl"; readonly transfer: Transfer | undefined; readonly deadline: Instant }
  | { readonly name: "receiving"; readonly transfer: Transfer };

export type ReceiverState = State;

const IDLE: State = { name: "idle" };
const WITHDRAW: ReceiverOutput = { type: "withdraw" };

/**
 * The receiving half of one address pair. What comes at the wrong time is treated as the table of unexpected N_PDUs
 * says: SF and FF end the reception that runs (N_UNEXP_PDU) and are taken; a CF that nobody waits for is ignored.
 * (ISO 15765-2:2016, 9.8.3, Table 24)
 */
export class IsoTpReceiver implements Machine<ReceiverInput, ReceiverOutput>, Stateful<ReceiverState> {
  readonly #config: ReceiverConfig;
  readonly #outputs: ReceiverOutput[] = [];
  readonly #stMinCode: number;
  #state: State = IDLE;

  constructor(config: ReceiverConfig) {
    this.#config = config;
    this.#stMinCode = encodeStMin(config.stMin);
  }

  handle(input: ReceiverInput, now: Instant): void {
    switch (input.type) {
      case "received":
        this.#received(input.pdu, input.payload, now);
        return;
      case "transmitted":
        if (this.#state.name === "sendingFlowControl") this.#awaitConsecutive(this.#state.transfer, now);
        return;
      case "aborted":
        if (this.#state.name === "sendingFlowControl") this.#giveUp("N_ERROR");
        return;
      case "reset":
        this.#state = IDLE;
        this.#outputs.length = 0;
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const state = this.#state;
    const deadline = this.nextDeadline();
    if (state.name === "idle" || deadline === undefined || now < deadline) return;
    switch (state.name) {
      case "flowControlDue":
        this.#sendFlowControl(state.transfer, now);
        return;
      case "sendingFlowControl":
        this.#outputs.push(WITHDRAW);
        this.#giveUp("N_TIMEOUT_A");
        return;
      case "receiving":
        this.#giveUp("N_TIMEOUT_Cr");
        return;
    }
  }

  poll(): ReceiverOutput | undefined {
    return this.#outputs.length === 0 ? undefined : this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    const state = this.#state;
    if (state.name === "receiving") return state.transfer.deadline;
    return state.name === "idle" ? undefined : state.deadline;
  }

  save(): ReceiverState {
    return copyOf(this.#state);
  }

  load(state: ReceiverState): void {
    this.#outputs.length = 0;
    this.#state = copyOf(state);
  }

  #received(pdu: DecodedNPdu, payload: Uint8Array, now: Instant): void {
    switch (pdu.type) {
      case "CF":
        this.#consecutiveFrame(pdu, payload, now);
        return;
      case "SF":
        this.#interrupt();
        this.#outputs.push({ type: "message", data: payload.slice(pdu.start, pdu.start + pdu.length) });
        return;
      case "FF":
        this.#interrupt();
        this.#firstFrame(pdu, payload, now);
        return;
      case "FC": // for the sending half
      case "malformed":
        return;
    }
  }

  /** A new message of the peer ends the old one, and the flow control frame that may still be waiting for it. */
  #interrupt(): void {
    const state = this.#state;
    if (state.name === "idle") return;
    if (state.name === "sendingFlowControl") this.#outputs.push(WITHDRAW);
    this.#giveUp("N_UNEXP_PDU");
  }

  #firstFrame(pdu: Extract<NPdu, { type: "FF" }>, payload: Uint8Array, now: Instant): void {
    if (pdu.length > this.#config.messageSizeMax) {
      this.#flowControlDue(undefined, now);
      return;
    }
    this.#outputs.push({ type: "begun", length: pdu.length });
    const message = new Uint8Array(pdu.length);
    const received = payload.length - pdu.start;
    copyBytes(payload, pdu.start, message, 0, received);
    const transfer = { message, rxDl: payload.length, received, nextSn: 1, leftInBlock: 0, deadline: now };
    this.#flowControlDue(transfer, now);
  }

  #consecutiveFrame(pdu: Extract<NPdu, { type: "CF" }>, payload: Uint8Array, now: Instant): void {
    const state = this.#state;
    if (state.name !== "receiving") return;
    const transfer = state.transfer;
    const { message, received } = transfer;
    const left = message.length - received;
    if (!isCfLength(payload.length, transfer.rxDl, pdu.start + left)) return;
    if (pdu.sn !== transfer.nextSn) {
      this.#giveUp("N_WRONG_SN");
      return;
    }
    const length = Math.min(left, transfer.rxDl - pdu.start);
    copyBytes(payload, pdu.start, message, received, length);
    transfer.received = received + length;
    if (length === left) {
      this.#state = IDLE;
      this.#outputs.push({ type: "message", data: message });
      return;
    }
    transfer.nextSn = (transfer.nextSn + 1) & 0x0f;
    if (transfer.leftInBlock === 1) {
      this.#flowControlDue(transfer, now);
      return;
    }
    if (transfer.leftInBlock > 0) transfer.leftInBlock--;
    transfer.deadline = plus(now, this.#config.nCr);
  }

  #flowControlDue(transfer: Transfer | undefined, now: Instant): void {
    const { nBr } = this.#config;
    if (nBr > 0) this.#state = { name: "flowControlDue", transfer, deadline: plus(now, nBr) };
    else this.#sendFlowControl(transfer, now);
  }

  #sendFlowControl(transfer: Transfer | undefined, now: Instant): void {
    const { blockSize } = this.#config;
    const status = transfer === undefined ? FlowStatus.Overflow : FlowStatus.ContinueToSend;
    if (transfer !== undefined) transfer.leftInBlock = blockSize;
    const payload = encodeFlowControl(status, blockSize, this.#stMinCode, this.#config);
    this.#outputs.push({ type: "transmit", payload });
    this.#state = { name: "sendingFlowControl", transfer, deadline: plus(now, this.#config.nAr) };
  }

  #awaitConsecutive(transfer: Transfer | undefined, now: Instant): void {
    if (transfer === undefined) {
      this.#state = IDLE;
      return;
    }
    transfer.deadline = plus(now, this.#config.nCr);
    this.#state = { name: "receiving", transfer };
  }

  /** A message that was refused has no reception that could fail. */
  #giveUp(result: NResult): void {
    const state = this.#state;
    this.#state = IDLE;
    if (state.name !== "idle" && state.transfer !== undefined) this.#outputs.push({ type: "failed", result });
  }
}

/**
 * Every consecutive frame is as long as the first frame was; only the last one may be shorter, as short as its data and
 * the next DLC allow, or padded to 8. Others are ignored. (ISO 15765-2:2016, 9.6.4.2)
 * @param needed how long the frame would be if it took all that is left
 */
function isCfLength(canDl: number, rxDl: number, needed: number): boolean {
  if (canDl === rxDl) return true;
  if (canDl > rxDl || needed > rxDl) return false;
  return canDl === canLengthAtLeast(needed) || (canDl === CAN_DATA_MAX && needed < CAN_DATA_MAX);
}

const copyOf = (state: State): State => {
  if (state.name === "idle") return IDLE;
  const transfer = state.transfer;
  if (transfer === undefined) return state;
  return { ...state, transfer: { ...transfer, message: transfer.message.slice() } } as State;
};
