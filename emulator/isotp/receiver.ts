import type { Machine, Stateful } from "../kernel/machine.ts";
import { type Instant, NO_TIME, plus } from "../kernel/time.ts";
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
import type { IsoTpFaults, ReceptionFault } from "./misbehaviour.ts";

export type ReceiverConfig = Pick<
  IsoTpConfig,
  "blockSize" | "stMin" | "nAr" | "nBr" | "nCr" | "messageSizeMax" | "waitFrames" | "waitFramesMax"
> &
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
  /** Grows with what is received, so that a first frame alone takes little memory. */
  message: Uint8Array;
  /** FF_DL */
  readonly length: number;
  /** RX_DL: length of the first frame, and so of every consecutive frame but the last. (9.5.5) */
  readonly rxDl: number;
  received: number;
  nextSn: number;
  /** Consecutive frames left in the block; 0 when there is no end to it (BS 0). */
  leftInBlock: number;
  /** Which flow control frame is due or was sent last, wait frames left out; 1 answers the first frame. */
  block: number;
  /** FS wait frames in a row. */
  waits: number;
  readonly fault: ReceptionFault | undefined;
  /** N_Cr. Moves with every frame. */
  deadline: Instant;
}

type State =
  | { readonly name: "idle" }
  /** N_Br runs; then the flow control frame is handed over. Without a transfer it refuses a message. */
  | { readonly name: "flowControlDue"; readonly transfer: Transfer | undefined; readonly deadline: Instant }
  /** `deadline` is N_Ar. */
  | {
      readonly name: "sendingFlowControl";
      readonly transfer: Transfer | undefined;
      readonly flowStatus: FlowStatus;
      readonly deadline: Instant;
    }
  | { readonly name: "receiving"; readonly transfer: Transfer };

export type ReceiverState = State;

const IDLE: State = { name: "idle" };
/** So much memory is taken for a message when it begins. */
const MESSAGE_BEGIN = 4096;
const NO_WAITS = { count: 0, interval: NO_TIME } as const;
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
  readonly #faults: IsoTpFaults | undefined;
  #state: State = IDLE;

  constructor(config: ReceiverConfig, faults?: IsoTpFaults) {
    this.#config = config;
    this.#faults = faults;
    this.#stMinCode = encodeStMin(config.stMin);
  }

  handle(input: ReceiverInput, now: Instant): void {
    switch (input.type) {
      case "received":
        this.#received(input.pdu, input.payload, now);
        return;
      case "transmitted":
        if (this.#state.name === "sendingFlowControl") this.#flowControlSent(this.#state, now);
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
    return this.#outputs.length > 1 ? this.#outputs.shift() : this.#outputs.pop(); // `pop` is the fast one
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
    const message = new Uint8Array(Math.min(pdu.length, MESSAGE_BEGIN));
    const received = payload.length - pdu.start;
    copyBytes(payload, pdu.start, message, 0, received);
    const fault = this.#faults?.reception(message[0] as number, pdu.length);
    const begun = { nextSn: 1, leftInBlock: 0, block: 0, waits: 0, fault, deadline: now };
    this.#flowControlDue({ message, length: pdu.length, rxDl: payload.length, received, ...begun }, now);
  }

  #consecutiveFrame(pdu: Extract<NPdu, { type: "CF" }>, payload: Uint8Array, now: Instant): void {
    const state = this.#state;
    if (state.name !== "receiving") return;
    const transfer = state.transfer;
    const { received } = transfer;
    const left = transfer.length - received;
    if (!isCfLength(payload.length, transfer.rxDl, pdu.start + left)) return;
    if (pdu.sn !== transfer.nextSn) {
      this.#giveUp("N_WRONG_SN");
      return;
    }
    const length = Math.min(left, transfer.rxDl - pdu.start);
    if (received + length > transfer.message.length) grow(transfer);
    copyBytes(payload, pdu.start, transfer.message, received, length);
    transfer.received = received + length;
    if (length === left) {
      this.#state = IDLE;
      this.#outputs.push({ type: "message", data: transfer.message });
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
    let delay = this.#config.nBr;
    if (transfer !== undefined) {
      transfer.block++;
      const fault = faultNow(transfer);
      if (fault?.name === "lateFlowControl") delay = fault.delay;
      if (fault?.name === "missingFlowControl") {
        this.#awaitConsecutive(transfer, this.#config.blockSize, now);
        return;
      }
    }
    if (delay > 0) this.#state = { name: "flowControlDue", transfer, deadline: plus(now, delay) };
    else this.#sendFlowControl(transfer, now);
  }

  #sendFlowControl(transfer: Transfer | undefined, now: Instant): void {
    const flowStatus = this.#flowStatus(transfer);
    if (flowStatus === undefined) {
      this.#giveUp("N_WFT_OVRN");
      return;
    }
    let { blockSize } = this.#config;
    let stMinCode = this.#stMinCode;
    if (transfer?.fault?.name === "changingFlowControl") {
      const { parameters } = transfer.fault;
      const asked = parameters[(transfer.block - 1) % parameters.length];
      blockSize = asked?.blockSize ?? blockSize;
      if (asked !== undefined) stMinCode = encodeStMin(asked.stMin);
    }
    if (transfer !== undefined) transfer.leftInBlock = blockSize;
    this.#outputs.push({
      type: "transmit",
      payload: encodeFlowControl(flowStatus, blockSize, stMinCode, this.#config),
    });
    this.#state = { name: "sendingFlowControl", transfer, flowStatus, deadline: plus(now, this.#config.nAr) };
  }

  /** What the next flow control frame says; undefined when it would be one wait frame too many. */
  #flowStatus(transfer: Transfer | undefined): FlowStatus | undefined {
    if (transfer === undefined) return FlowStatus.Overflow;
    const fault = faultNow(transfer);
    if (fault?.name === "overflowAtBlock") return FlowStatus.Overflow;
    if (fault?.name === "waitForever") return FlowStatus.Wait;
    const { waitFrames = NO_WAITS, waitFramesMax } = this.#config;
    if (waitFramesMax === 0 || transfer.waits >= waitFrames.count) return FlowStatus.ContinueToSend;
    return transfer.waits < waitFramesMax ? FlowStatus.Wait : undefined;
  }

  #flowControlSent({ transfer, flowStatus }: Extract<State, { name: "sendingFlowControl" }>, now: Instant): void {
    if (transfer === undefined) {
      this.#state = IDLE;
    } else if (flowStatus === FlowStatus.ContinueToSend) {
      this.#awaitConsecutive(transfer, transfer.leftInBlock, now);
    } else if (flowStatus === FlowStatus.Overflow) {
      this.#giveUp("N_ERROR");
    } else {
      transfer.waits++;
      const fault = faultNow(transfer);
      const { interval } = fault?.name === "waitForever" ? fault : (this.#config.waitFrames ?? NO_WAITS);
      this.#state = { name: "flowControlDue", transfer, deadline: plus(now, interval) };
    }
  }

  #awaitConsecutive(transfer: Transfer, blockSize: number, now: Instant): void {
    transfer.waits = 0;
    transfer.leftInBlock = blockSize;
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

/** The fault of a reception, if it befalls the flow control frame that is due now. */
function faultNow({ fault, block }: Transfer): ReceptionFault | undefined {
  if (fault === undefined || fault.name === "changingFlowControl") return fault;
  return (fault.block ?? 1) === block ? fault : undefined;
}

function grow(transfer: Transfer): void {
  const grown = new Uint8Array(Math.min(transfer.length, 2 * transfer.message.length));
  grown.set(transfer.message);
  transfer.message = grown;
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
