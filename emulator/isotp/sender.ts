import { UsageError } from "../kernel/errors.ts";
import type { Machine, Stateful } from "../kernel/machine.ts";
import { type Duration, type Instant, NO_TIME, plus } from "../kernel/time.ts";
import {
  addressLengthOf,
  consecutiveFrameDataLength,
  encodeConsecutiveFrame,
  encodeFirstFrame,
  encodeSingleFrame,
  FF_DL_MAX,
  FlowStatus,
  firstFrameDataLength,
  type NPdu,
  type NPduShape,
  singleFrameMax,
} from "../wire/n-pci.ts";
import type { IsoTpConfig, NResult } from "./config.ts";
import type { IsoTpFaults } from "./misbehaviour.ts";

export type SenderConfig = Pick<IsoTpConfig, "nAs" | "nBs" | "nCs" | "waitFramesMax"> & NPduShape;

export type SenderInput =
  | { readonly type: "send"; readonly message: Uint8Array }
  /** L_Data.confirm of the frame that was to be transmitted last. */
  | { readonly type: "transmitted" }
  /** That frame will never be sent. */
  | { readonly type: "aborted" }
  | Extract<NPdu, { type: "FC" }>
  /** Forget everything, tell nobody. */
  | { readonly type: "reset" };

export type SenderOutput =
  | { readonly type: "transmit"; readonly payload: Uint8Array }
  /** The frame that was to be transmitted last is not wanted any more; its confirmation is not to be handed in. */
  | { readonly type: "withdraw" }
  | { readonly type: "sent" }
  | { readonly type: "failed"; readonly result: NResult };

/** How far one segmented message has come. Changed in place, copied by `save`. */
interface Transfer {
  readonly message: Uint8Array;
  offset: number;
  sn: number;
  /** Consecutive frames left in the block; 0 when there is no end to it (BS 0). */
  leftInBlock: number;
  stMin: Duration;
  /** FC wait frames in a row. */
  waits: number;
  /** Where the frame with the wrong SN begins in the message; undefined: none has it. */
  readonly wrongSnAt: number | undefined;
}

type State =
  | { readonly name: "idle" }
  /** `deadline` is N_As. `next` is what the confirmation leads to. */
  | {
      readonly name: "transmitting";
      readonly transfer: Transfer | undefined;
      readonly next: "sent" | "flowControl" | "consecutiveFrame";
      readonly deadline: Instant;
    }
  /** `deadline` is N_Bs. */
  | { readonly name: "awaitingFlowControl"; readonly transfer: Transfer; readonly deadline: Instant }
  /** `deadline` is the end of STmin or N_Cs, whichever is longer. */
  | { readonly name: "separating"; readonly transfer: Transfer; readonly deadline: Instant };

export type SenderState = State;

const IDLE: State = { name: "idle" };
const WITHDRAW: SenderOutput = { type: "withdraw" };
const SENT: SenderOutput = { type: "sent" };

/**
 * The sending half of one address pair.
 *
 * STmin runs from the confirmation of a consecutive frame to the request of the next; a new flow control frame may change
 * BS and STmin. Flow control that nobody waits for is ignored. (ISO 15765-2:2016, 9.6.5, 9.8)
 */
export class IsoTpSender implements Machine<SenderInput, SenderOutput>, Stateful<SenderState> {
  readonly #config: SenderConfig;
  readonly #dataPerFrame: number;
  readonly #outputs: SenderOutput[] = [];
  readonly #faults: IsoTpFaults | undefined;
  #state: State = IDLE;

  constructor(config: SenderConfig, faults?: IsoTpFaults) {
    this.#config = config;
    this.#faults = faults;
    this.#dataPerFrame = consecutiveFrameDataLength(config.txDl, addressLengthOf(config));
  }

  get sending(): boolean {
    return this.#state !== IDLE;
  }

  /** @throws {UsageError} on `send` while a message is being sent, or of one that is empty or too long */
  handle(input: SenderInput, now: Instant): void {
    switch (input.type) {
      case "send":
        this.#send(input.message, now);
        return;
      case "transmitted":
        this.#transmitted(now);
        return;
      case "aborted":
        if (this.#state.name === "transmitting") this.#fail("N_ERROR");
        return;
      case "FC":
        this.#flowControl(input, now);
        return;
      case "reset":
        this.#state = IDLE;
        this.#outputs.length = 0;
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const state = this.#state;
    if (state.name === "idle" || now < state.deadline) return;
    switch (state.name) {
      case "transmitting":
        this.#outputs.push(WITHDRAW);
        this.#fail("N_TIMEOUT_A");
        return;
      case "awaitingFlowControl":
        this.#fail("N_TIMEOUT_Bs");
        return;
      case "separating":
        this.#sendConsecutive(state.transfer, now);
        return;
    }
  }

  poll(): SenderOutput | undefined {
    return this.#outputs.length > 1 ? this.#outputs.shift() : this.#outputs.pop(); // `pop` is the fast one
  }

  nextDeadline(): Instant | undefined {
    return this.#state.name === "idle" ? undefined : this.#state.deadline;
  }

  save(): SenderState {
    return copyOf(this.#state);
  }

  load(state: SenderState): void {
    this.#outputs.length = 0;
    this.#state = state.name === "idle" ? IDLE : copyOf(state);
  }

  #send(message: Uint8Array, now: Instant): void {
    if (this.#state !== IDLE) throw new UsageError("the message before is still being sent");
    const length = message.length;
    if (length === 0 || length > FF_DL_MAX) throw new UsageError(`message of ${length} bytes`);
    const { txDl, nAs } = this.#config;
    const deadline = plus(now, nAs);
    const addressLength = addressLengthOf(this.#config);
    if (length <= singleFrameMax(txDl, addressLength)) {
      this.#outputs.push({ type: "transmit", payload: encodeSingleFrame(message, this.#config) });
      this.#state = { name: "transmitting", transfer: undefined, next: "sent", deadline };
      return;
    }
    const kept = message.slice();
    this.#outputs.push({ type: "transmit", payload: encodeFirstFrame(kept, this.#config) });
    const offset = firstFrameDataLength(length, txDl, addressLength);
    const fault = this.#faults?.sending(kept);
    const transfer: Transfer = {
      message: kept,
      offset,
      sn: 1,
      leftInBlock: 0,
      stMin: NO_TIME,
      waits: 0,
      wrongSnAt: fault === undefined ? undefined : offset + (fault.frame - 1) * this.#dataPerFrame,
    };
    this.#state = { name: "transmitting", transfer, next: "flowControl", deadline };
  }

  #transmitted(now: Instant): void {
    const state = this.#state;
    if (state.name !== "transmitting") return;
    const transfer = state.transfer;
    if (transfer === undefined || state.next === "sent") {
      this.#state = IDLE;
      this.#outputs.push(SENT);
    } else if (state.next === "consecutiveFrame") {
      this.#separate(transfer, transfer.stMin, now);
    } else {
      this.#awaitFlowControl(transfer, now);
    }
  }

  #flowControl(pdu: Extract<NPdu, { type: "FC" }>, now: Instant): void {
    const state = this.#state;
    if (state.name !== "awaitingFlowControl") return;
    const transfer = state.transfer;
    switch (pdu.flowStatus) {
      case FlowStatus.ContinueToSend:
        transfer.waits = 0;
        transfer.leftInBlock = pdu.blockSize;
        transfer.stMin = pdu.stMin;
        this.#separate(transfer, NO_TIME, now);
        return;
      case FlowStatus.Wait:
        if (transfer.waits >= this.#config.waitFramesMax) {
          this.#fail("N_WFT_OVRN");
        } else {
          transfer.waits++;
          this.#awaitFlowControl(transfer, now);
        }
        return;
      case FlowStatus.Overflow:
        this.#fail("N_BUFFER_OVFLW");
        return;
      default:
        this.#fail("N_INVALID_FS");
    }
  }

  #separate(transfer: Transfer, separation: Duration, now: Instant): void {
    const wait = separation > this.#config.nCs ? separation : this.#config.nCs;
    if (wait > 0) this.#state = { name: "separating", transfer, deadline: plus(now, wait) };
    else this.#sendConsecutive(transfer, now);
  }

  #sendConsecutive(transfer: Transfer, now: Instant): void {
    const { message, offset, sn, wrongSnAt } = transfer;
    const sentSn = offset === wrongSnAt ? (sn + 1) & 0x0f : sn;
    this.#outputs.push({ type: "transmit", payload: encodeConsecutiveFrame(message, offset, sentSn, this.#config) });
    transfer.offset = offset + this.#dataPerFrame;
    transfer.sn = (sn + 1) & 0x0f;
    const blockEnds = transfer.leftInBlock === 1;
    if (transfer.leftInBlock > 0) transfer.leftInBlock--;
    const next = transfer.offset >= message.length ? "sent" : blockEnds ? "flowControl" : "consecutiveFrame";
    this.#state = { name: "transmitting", transfer, next, deadline: plus(now, this.#config.nAs) };
  }

  #awaitFlowControl(transfer: Transfer, now: Instant): void {
    this.#state = { name: "awaitingFlowControl", transfer, deadline: plus(now, this.#config.nBs) };
  }

  #fail(result: NResult): void {
    this.#state = IDLE;
    this.#outputs.push({ type: "failed", result });
  }
}

const copyOf = (state: State): State =>
  state.name === "idle" || state.transfer === undefined ? state : { ...state, transfer: { ...state.transfer } };
