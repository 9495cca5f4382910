import type { CanLink, CanListener } from "../bus/link.ts";
import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import { Pump } from "../kernel/pump.ts";
import { type Duration, type Instant, NO_TIME } from "../kernel/time.ts";
import type { Timeline } from "../kernel/timeline.ts";
import type { Tracer } from "../kernel/trace.ts";
import { CanFlag, type CanFrame } from "../wire/can-frame.ts";
import { type AddressLength, addressLengthOf, decodeNPdu, type NPduShape, singleFrameMax } from "../wire/n-pci.ts";
import type { IsoTpAddress, IsoTpChannel, IsoTpConfig, IsoTpListener, NResult } from "./config.ts";
import type { IsoTpFaults } from "./misbehaviour.ts";
import { IsoTpReceiver, type ReceiverInput, type ReceiverOutput, type ReceiverState } from "./receiver.ts";
import { IsoTpSender, type SenderInput, type SenderOutput, type SenderState } from "./sender.ts";

/** What sends functional requests: single frames to an identifier that many listen to, without an answer of this layer. */
export interface FunctionalConfig {
  readonly txId: number;
  /** A 29-bit identifier. */
  readonly extended: boolean;
  readonly txDl: IsoTpConfig["txDl"];
  readonly fd: boolean;
  readonly bitRateSwitch: boolean;
  readonly padding?: number;
  /** N_TA or N_AE in extended or mixed addressing. */
  readonly addressByte?: number;
  readonly nAs: Duration;
}

/** A channel that takes frames of one identifier. */
interface Taker {
  readonly channel: Channel;
  /** Only frames that begin with it; undefined: all, there is no address byte. */
  readonly addressByte: number | undefined;
  readonly functional: boolean;
}

interface Waiting {
  readonly frame: CanFrame;
  readonly owner: number;
}

interface HalfState {
  readonly sender: SenderState;
  readonly receiver: ReceiverState;
  readonly ignored: number;
}

export interface IsoTpNodeState {
  readonly halves: readonly HalfState[];
  readonly inFlight: Waiting | undefined;
  readonly waiting: readonly Waiting[];
}

const TRANSMITTED = { type: "transmitted" } as const;
const ABORTED = { type: "aborted" } as const;
const RESET = { type: "reset" } as const;
/** Tells 29-bit from 11-bit identifiers in one map. */
const EXTENDED_KEY = 0x2000_0000;
const keyOf = (id: number, extended: boolean): number => (extended ? id + EXTENDED_KEY : id);

/**
 * All ISO-TP channels of one node on one CAN link.
 *
 * One frame at a time is with the link, the others wait here in the order in which they were asked for: so a channel
 * that gives up takes only its own frame back. N_As and N_Ar therefore include the wait for the node's other frames.
 */
export class IsoTpNode implements Stateful<IsoTpNodeState>, CanListener {
  readonly name: string;
  readonly #link: CanLink;
  readonly #timeline: Timeline;
  readonly #tracer: Tracer;
  readonly #channels: Channel[] = [];
  readonly #takers = new Map<number, Taker[]>();
  #inFlight: Waiting | undefined;
  /** At most one frame of each half of each channel. */
  #waiting: Waiting[] = [];

  /** Attaches itself to the link. @param name its name in the trace */
  constructor(name: string, link: CanLink, timeline: Timeline, tracer: Tracer) {
    this.name = name;
    this.#link = link;
    this.#timeline = timeline;
    this.#tracer = tracer;
    link.attach(this);
  }

  /**
   * To be called while the bench is being built.
   * @param faults what the node does wrong on purpose
   * @throws {UsageError} when another channel receives the same frames, or the frames can't be
   */
  open(config: IsoTpConfig, listener: IsoTpListener, faults?: IsoTpFaults): IsoTpChannel {
    const { rxId, extended, rxExtended = extended, functionalRxId } = config.address;
    const { rxAddressByte, functionalAddressByte } = config.address;
    const takers = this.#takersOf(keyOf(rxId, rxExtended));
    const clashes = (other: Taker): boolean =>
      !other.functional && (rxAddressByte ?? other.addressByte) === (other.addressByte ?? rxAddressByte);
    if (takers.some(clashes)) throw new UsageError(`${this.name}: two channels receive 0x${rxId.toString(16)}`);
    const channel = this.#add(config, config.address, listener, true, faults);
    takers.push({ channel, addressByte: rxAddressByte, functional: false });
    if (functionalRxId !== undefined) {
      const taker = { channel, addressByte: functionalAddressByte, functional: true };
      this.#takersOf(keyOf(functionalRxId, rxExtended)).push(taker);
    }
    return channel;
  }

  /** A channel that only sends single frames; `send` of a longer message throws a {@link UsageError}. */
  openFunctional(config: FunctionalConfig, listener: Pick<IsoTpListener, "sent" | "failed">): IsoTpChannel {
    const { txId, extended, addressByte } = config;
    const bytes = addressByte === undefined ? {} : { txAddressByte: addressByte };
    const address: IsoTpAddress = { txId, rxId: txId, extended, ...bytes };
    const never = { nBs: NO_TIME, nCs: NO_TIME, waitFramesMax: 0, blockSize: 0, stMin: NO_TIME, messageSizeMax: 0 };
    const whole: IsoTpConfig = { ...never, nAr: NO_TIME, nBr: NO_TIME, nCr: NO_TIME, ...config, address };
    const told: IsoTpListener = {
      message: () => undefined,
      sent: () => listener.sent(),
      failed: (direction, result) => listener.failed(direction, result),
    };
    return this.#add(whole, address, told, false);
  }

  /** Drops all transfers without telling anybody: power was lost. */
  reset(): void {
    this.#waiting.length = 0;
    if (this.#inFlight !== undefined) {
      this.#inFlight = undefined;
      this.#link.abortAll();
    }
    for (const channel of this.#channels) channel.reset();
  }

  received(frame: CanFrame, _now: Instant): void {
    if ((frame.flags & CanFlag.Remote) !== 0) return;
    const takers = this.#takers.get(keyOf(frame.id, (frame.flags & CanFlag.Extended) !== 0));
    if (takers === undefined) return;
    for (const { channel, addressByte, functional } of takers) {
      if (addressByte !== undefined && addressByte !== frame.data[0]) continue;
      if (functional) channel.receivedFunctional(frame.data);
      else channel.received(frame.data);
    }
  }

  transmitted(frame: CanFrame, _now: Instant): void {
    this.#done(frame, true);
  }

  aborted(frame: CanFrame, _now: Instant): void {
    this.#done(frame, false);
  }

  /** @internal for {@link Channel}. @param owner see {@link Channel} */
  transmit(frame: CanFrame, owner: number): void {
    if (this.#inFlight === undefined && this.#waiting.length === 0) {
      this.#handOver({ frame, owner });
      return;
    }
    this.#waiting.push({ frame, owner });
    this.#next();
  }

  /** @internal for {@link Channel}: that owner's frame is not wanted any more. */
  withdraw(owner: number): void {
    this.#waiting = this.#waiting.filter((each) => each.owner !== owner);
    if (this.#inFlight?.owner !== owner) return;
    this.#inFlight = undefined;
    this.#link.abortAll();
    this.#next();
  }

  /** @internal for {@link Channel} */
  recordFailure(direction: "sending" | "receiving", result: NResult, address: IsoTpAddress): void {
    const { txId, rxId } = address;
    this.#tracer.record(this.#timeline.now, this.name, "isotp.failed", { direction, result, txId, rxId });
  }

  /** @internal for {@link Channel} */
  recordIgnored(reason: string, count: number, { rxId }: IsoTpAddress): void {
    this.#tracer.record(this.#timeline.now, this.name, "isotp.ignored", { rxId, reason, count });
  }

  save(): IsoTpNodeState {
    return {
      halves: this.#channels.map((channel) => channel.save()),
      inFlight: this.#inFlight,
      waiting: [...this.#waiting],
    };
  }

  /** @throws {UsageError} when the state is of a node with other channels */
  load(state: IsoTpNodeState): void {
    if (state.halves.length !== this.#channels.length) {
      throw new UsageError(`${this.name} has ${this.#channels.length} channels, the snapshot ${state.halves.length}`);
    }
    this.#inFlight = state.inFlight;
    this.#waiting = [...state.waiting];
    for (const [index, half] of state.halves.entries()) (this.#channels[index] as Channel).load(half);
  }

  #add(
    config: IsoTpConfig,
    address: IsoTpAddress,
    listener: IsoTpListener,
    segments: boolean,
    faults?: IsoTpFaults,
  ): Channel {
    const index = this.#channels.length;
    const channel = new Channel(this, index, config, address, listener, this.#timeline, segments, faults);
    this.#channels.push(channel);
    return channel;
  }

  #takersOf(key: number): Taker[] {
    const known = this.#takers.get(key);
    if (known !== undefined) return known;
    const takers: Taker[] = [];
    this.#takers.set(key, takers);
    return takers;
  }

  #next(): void {
    while (this.#inFlight === undefined && this.#waiting.length > 0) {
      this.#handOver(this.#waiting.shift() as Waiting);
    }
  }

  /** May come back here through `aborted` before it returns. */
  #handOver(next: Waiting): void {
    this.#inFlight = next;
    this.#link.transmit(next.frame);
  }

  #done(frame: CanFrame, sent: boolean): void {
    const done = this.#inFlight;
    if (done === undefined || done.frame !== frame) return; // withdrawn
    this.#inFlight = undefined;
    (this.#channels[done.owner >> 1] as Channel).done((done.owner & 1) === 0, sent);
    this.#next();
  }
}

/** One channel: a sender, which owns frames as number 2n, and a receiver, which owns them as 2n + 1. */
class Channel implements IsoTpChannel, Stateful<HalfState> {
  readonly #node: IsoTpNode;
  readonly #index: number;
  readonly #address: IsoTpAddress;
  readonly #listener: IsoTpListener;
  readonly #flags: number;
  readonly #segments: boolean;
  readonly #singleFrameMax: number;
  readonly #rxAddressLength: AddressLength;
  readonly #functionalAddressLength: AddressLength;
  readonly #sender: IsoTpSender;
  readonly #receiver: IsoTpReceiver;
  readonly #sending: Pump<SenderInput, SenderOutput>;
  readonly #receiving: Pump<ReceiverInput, ReceiverOutput>;
  #ignored = 0;

  constructor(
    node: IsoTpNode,
    index: number,
    config: IsoTpConfig,
    address: IsoTpAddress,
    listener: IsoTpListener,
    timeline: Timeline,
    segments: boolean,
    faults: IsoTpFaults | undefined,
  ) {
    if (!config.fd && config.txDl > 8) throw new UsageError(`TX_DL ${config.txDl} on classic CAN`);
    this.#node = node;
    this.#index = index;
    this.#address = address;
    this.#listener = listener;
    this.#segments = segments;
    const { txAddressByte, rxAddressByte, functionalAddressByte } = address;
    const shaped: IsoTpConfig & NPduShape =
      txAddressByte === undefined ? config : { ...config, addressByte: txAddressByte };
    this.#singleFrameMax = singleFrameMax(config.txDl, addressLengthOf(shaped));
    this.#rxAddressLength = rxAddressByte === undefined ? 0 : 1;
    this.#functionalAddressLength = functionalAddressByte === undefined ? 0 : 1;
    this.#flags =
      (address.extended ? CanFlag.Extended : 0) |
      (config.fd ? CanFlag.Fd : 0) |
      (config.fd && config.bitRateSwitch ? CanFlag.BitRateSwitch : 0);
    this.#sender = new IsoTpSender(shaped, faults);
    this.#receiver = new IsoTpReceiver(shaped, faults);
    this.#sending = new Pump(this.#sender, timeline, (output) => this.#senderSays(output));
    this.#receiving = new Pump(this.#receiver, timeline, (output) => this.#receiverSays(output));
  }

  get sending(): boolean {
    return this.#sender.sending;
  }

  send(message: Uint8Array): void {
    if (!this.#segments && message.length > this.#singleFrameMax) {
      throw new UsageError(
        `functional message of ${message.length} bytes, a single frame takes ${this.#singleFrameMax}`,
      );
    }
    this.#sending.push({ type: "send", message });
  }

  received(payload: Uint8Array): void {
    const pdu = decodeNPdu(payload, this.#rxAddressLength);
    if (pdu.type === "FC") this.#sending.push(pdu);
    else if (pdu.type !== "malformed") this.#receiving.push({ type: "received", pdu, payload });
    else this.#ignore(pdu.reason);
  }

  /** Functional requests are single frames; they do not touch a physical transfer that runs. */
  receivedFunctional(payload: Uint8Array): void {
    const pdu = decodeNPdu(payload, this.#functionalAddressLength);
    if (pdu.type === "SF") this.#listener.message(payload.slice(pdu.start, pdu.start + pdu.length), true);
    else this.#ignore(pdu.type === "malformed" ? pdu.reason : `${pdu.type} to a group`);
  }

  /** Counts a frame that makes no N_PDU. The first is told, the second, the fourth, and so on: a flood leaves few lines. */
  #ignore(reason: string): void {
    this.#ignored++;
    if ((this.#ignored & (this.#ignored - 1)) === 0) this.#node.recordIgnored(reason, this.#ignored, this.#address);
  }

  done(bySender: boolean, sent: boolean): void {
    if (bySender) this.#sending.push(sent ? TRANSMITTED : ABORTED);
    else this.#receiving.push(sent ? TRANSMITTED : ABORTED);
  }

  reset(): void {
    this.#sending.push(RESET);
    this.#receiving.push(RESET);
  }

  save(): HalfState {
    return { sender: this.#sender.save(), receiver: this.#receiver.save(), ignored: this.#ignored };
  }

  load(state: HalfState): void {
    this.#sender.load(state.sender);
    this.#receiver.load(state.receiver);
    this.#ignored = state.ignored;
  }

  #senderSays(output: SenderOutput): void {
    switch (output.type) {
      case "transmit":
        this.#node.transmit({ id: this.#address.txId, flags: this.#flags, data: output.payload }, 2 * this.#index);
        return;
      case "withdraw":
        this.#node.withdraw(2 * this.#index);
        return;
      case "sent":
        this.#listener.sent();
        return;
      case "failed":
        this.#node.recordFailure("sending", output.result, this.#address);
        this.#listener.failed("sending", output.result);
        return;
    }
  }

  #receiverSays(output: ReceiverOutput): void {
    switch (output.type) {
      case "transmit":
        this.#node.transmit({ id: this.#address.txId, flags: this.#flags, data: output.payload }, 2 * this.#index + 1);
        return;
      case "withdraw":
        this.#node.withdraw(2 * this.#index + 1);
        return;
      case "begun":
        this.#listener.begun?.(output.length);
        return;
      case "message":
        this.#listener.message(output.data, false);
        return;
      case "failed":
        this.#node.recordFailure("receiving", output.result, this.#address);
        this.#listener.failed("receiving", output.result);
        return;
    }
  }
}
