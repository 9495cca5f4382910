import { InvariantError } from "../../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { acceptable, acknowledgementFault } from "./acceptable.ts";
import type { ConnectionOutput, PacketMac, Protection } from "./connection-io.ts";
import type {
  ConnectionCounters,
  ConnectionFailure,
  ConnectionState,
  DropReason,
  Opening,
} from "./connection-state.ts";
import { DatagramSize, type DatagramSizeState } from "./datagram-size.ts";
import {
  AUTH_TAG_LENGTH,
  type DecodedPacket,
  decodePacket,
  encodePacket,
  PACKET_HEADER_LENGTH,
  PacketFlag,
} from "./packet.ts";
import { OPTION_HEADER_LENGTH, optionsLength, type PacketOptions } from "./packet-options.ts";
import { RateLimit, type RateLimitState } from "./rate-limit.ts";
import { Receiver, type ReceiverState } from "./receiver.ts";
import { Sender, type SenderState } from "./sender.ts";
import type { SsuConfig } from "./ssu-config.ts";

interface Marks {
  readonly state: ConnectionState;
  readonly protection: Protection | undefined;
  /** Sent along until the server has answered with anything but a SYN-ACK. */
  readonly cookie: Uint8Array | undefined;
  readonly cookieBy: Instant;
  readonly cookieAt: Instant;
  readonly heardAt: Instant;
  readonly probes: number;
  readonly endTold: boolean;
  readonly wasFull: boolean;
  readonly counters: ConnectionCounters;
  readonly now: Instant;
}

export interface SsuConnectionState {
  readonly marks: Marks;
  readonly sender: SenderState;
  readonly receiver: ReceiverState;
  readonly challenges: RateLimitState;
  readonly size: DatagramSizeState;
}

/** Answers to packets that need not be a peer's. (RFC 5961, 7) */
const CHALLENGES = 10;
const CHALLENGE_PERIOD = s(1);
const RESET_LINGER = s(10);
/** How often a silent peer is asked before it is given up, and how far apart. */
const KEEP_ALIVE_PROBES = 5;
const KEEP_ALIVE_INTERVAL = s(5);
const NO_PAYLOAD = new Uint8Array(0);

/** One open connection, on either side, from the moment both ids are known. (docs/protocols/ssu.md, 4) */
export class SsuConnection implements Machine<Uint8Array, ConnectionOutput>, Stateful<SsuConnectionState> {
  readonly opening: Opening;
  readonly #config: SsuConfig;
  readonly #mac: PacketMac;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #challenges = new RateLimit(CHALLENGES, CHALLENGE_PERIOD);
  readonly #size: DatagramSize;
  /** Drained before the call that filled it has been answered; so no part of the state. */
  readonly #outputs: ConnectionOutput[] = [];
  #is: Marks;

  /** @param cookie that the server gave, on the client's side @param receiveLimit of unread bytes; may be raised */
  constructor(
    opening: Opening,
    config: SsuConfig,
    mac: PacketMac,
    { cookie, cookieBy, receiveLimit }: { cookie?: Uint8Array | undefined; cookieBy: Instant; receiveLimit: number },
    now: Instant,
  ) {
    this.opening = opening;
    this.#config = config;
    this.#mac = mac;
    this.#size = new DatagramSize(opening.maxDatagram);
    const peer = { window: opening.peerWindow, seq: opening.irs };
    this.#sender = new Sender(config, opening.iss + 1, peer, this.#mss, now);
    this.#receiver = new Receiver(config, opening.irs + 1, receiveLimit);
    this.#receiver.wantAck();
    this.#is = {
      state: { name: "ESTABLISHED" },
      protection: undefined,
      cookie,
      cookieBy,
      cookieAt: plus(now, config.rtoInitial),
      heardAt: now,
      probes: 0,
      endTold: false,
      wasFull: false,
      counters: { sent: 0, received: 0, resent: 0, dropped: {} },
      now,
    };
  }

  get state(): ConnectionState["name"] {
    return this.#is.state.name;
  }

  get counters(): ConnectionCounters {
    return { ...this.#is.counters, resent: this.#sender.resent };
  }

  /** The smoothed round trip; undefined before it was measured. */
  get roundTrip(): Duration | undefined {
    return this.#sender.roundTrip.srtt;
  }

  get congestionWindow(): number {
    return this.#sender.congestionWindow;
  }

  /** What the opening says of the round trip: its time, or undefined when it had to be repeated. (RFC 6298, 5.7) */
  measured(rtt: Duration | undefined): void {
    if (rtt === undefined) this.#sender.roundTrip.afterRepeatedOpening();
    else this.#sender.roundTrip.sample(rtt);
  }

  /** How many bytes can be written. */
  get room(): number {
    return this.#isOpen ? this.#sender.room : 0;
  }

  /** Written and not acknowledged yet, bytes. */
  get pending(): number {
    return this.#sender.pending;
  }

  get readable(): number {
    return this.#receiver.readable;
  }

  /** @throws {UsageError} for more than {@link room} */
  write(data: Uint8Array, now: Instant): void {
    this.#at(now);
    this.#sender.write(data);
    this.#set({ wasFull: this.#sender.room < this.#config.sendBuffer / 4 || this.#is.wasFull });
  }

  read(lengthMax: number, now: Instant): Uint8Array {
    this.#at(now);
    return this.#receiver.read(lengthMax, this.#mss);
  }

  /** All that was written still goes out; what the peer sends still comes. */
  close(now: Instant): void {
    this.#at(now);
    if (!this.#isOpen) return;
    this.#sender.finish();
    this.#settle();
  }

  /** Ends it at once; the peer is told with a reset. @param reason code of an alert */
  abort(now: Instant, reason?: number): void {
    this.#at(now);
    const { name } = this.#is.state;
    if (name === "CLOSED" || name === "RESET") return;
    this.#set({ state: { name: "RESET", until: plus(now, RESET_LINGER), reason } });
    this.#outputs.push({ type: "datagram", data: this.#reset(this.#sender.next) });
    this.#fail({ code: "SSU_ABORTED", reason: "aborted by this side" });
  }

  /** From now on packets carry tags; with `required`, those that come must, too. */
  protect(protection: Protection): void {
    this.#set({ protection });
    this.#sender.setMss(this.#mss);
  }

  /** More may be kept unread than before. */
  raiseReceiveLimit(): void {
    this.#receiver.raiseLimit(this.#config.receiveBuffer);
  }

  /** @param data one datagram */
  handle(data: Uint8Array, now: Instant): void {
    this.#at(now);
    const packet = decodePacket(data);
    if (packet.type === "malformed") {
      this.#drop(packet.fault);
      return;
    }
    if (packet.to !== this.opening.localId) {
      this.#drop("connectionId");
      return;
    }
    if (!this.#isAuthentic(packet)) {
      this.#drop("unauthenticated");
      return;
    }
    const { state, counters } = this.#is;
    this.#set({ counters: { ...counters, received: counters.received + 1 } });
    if (state.name === "CLOSED") return;
    if (state.name === "RESET") {
      this.#resetAgain(packet);
      return;
    }
    this.#handlePacket(packet);
    this.#settle();
  }

  handleDeadline(now: Instant): void {
    this.#at(now);
    const { state, cookie, cookieAt, cookieBy } = this.#is;
    if (state.name === "CLOSED") return;
    if (state.name === "TIME-WAIT" || state.name === "RESET") {
      if (now >= state.until) this.#vanish();
      return;
    }
    if (cookie !== undefined && now >= cookieBy) {
      this.#die({ code: "SSU_UNREACHABLE", reason: "the server has not confirmed the opening" });
      return;
    }
    if (cookie !== undefined && now >= cookieAt) {
      this.#receiver.wantAck();
      this.#set({ cookieAt: plus(now, this.#config.rtoInitial) });
    }
    this.#receiver.handleDeadline(now);
    if (this.#sender.handleDeadline(now) === "gaveUp") {
      this.#die({ code: "SSU_TIMEOUT", reason: "the peer has not acknowledged anything for too long" });
      return;
    }
    if (this.#size.change(now, this.#sender.timeouts)) this.#sender.setMss(this.#mss);
    this.#askSilentPeer(now);
  }

  poll(): ConnectionOutput | undefined {
    return this.#outputs.shift() ?? this.#nextPacket();
  }

  nextDeadline(): Instant | undefined {
    const { state, cookie, cookieAt, cookieBy } = this.#is;
    if (state.name === "CLOSED") return undefined;
    if (state.name === "TIME-WAIT" || state.name === "RESET") return state.until;
    const opening = cookie === undefined ? undefined : earliest(cookieAt, cookieBy);
    return earliest(
      opening,
      this.#sender.deadline(),
      this.#receiver.deadline(),
      this.#size.deadline,
      this.#silenceAt(),
    );
  }

  save(): SsuConnectionState {
    return {
      marks: this.#is,
      sender: this.#sender.save(),
      receiver: this.#receiver.save(),
      challenges: this.#challenges.save(),
      size: this.#size.save(),
    };
  }

  load({ marks, sender, receiver, challenges, size }: SsuConnectionState): void {
    this.#is = marks;
    this.#sender.load(sender);
    this.#receiver.load(receiver);
    this.#challenges.load(challenges);
    this.#size.load(size);
  }

  #set(changes: Partial<Marks>): void {
    this.#is = { ...this.#is, ...changes };
  }

  #at(now: Instant): void {
    if (now !== this.#is.now) this.#set({ now });
  }

  get #isOpen(): boolean {
    return this.#is.state.name === "ESTABLISHED" || this.#is.state.name === "CLOSE-WAIT";
  }

  /** Room for the tag is kept in a secure connection from its first packet on, so that segments never grow. */
  get #mss(): number {
    return this.#size.now - PACKET_HEADER_LENGTH - (this.opening.security === 0 ? 0 : AUTH_TAG_LENGTH);
  }

  #drop(reason: DropReason): void {
    const { counters } = this.#is;
    const dropped = { ...counters.dropped, [reason]: (counters.dropped[reason] ?? 0) + 1 };
    this.#set({ counters: { ...counters, dropped } });
  }

  #isAuthentic({ auth }: DecodedPacket): boolean {
    const { protection } = this.#is;
    if (protection === undefined) return true; // a tag that can't be checked yet says nothing
    if (auth === undefined) return !protection.required;
    const expected = this.#mac(protection.receiveKey, auth.covered);
    return auth.tag.every((byte, index) => byte === expected[index]);
  }

  /** (RFC 9293, 3.10.7.4, with the stricter checks of RFC 5961) */
  #handlePacket(packet: DecodedPacket): void {
    const { flags, seq, ack, window, options, payload } = packet;
    if ((flags & PacketFlag.Syn) !== 0) {
      this.#challenge("state");
      return;
    }
    if ((flags & PacketFlag.Rst) !== 0) {
      this.#handleReset(packet);
      return;
    }
    const fin = (flags & PacketFlag.Fin) !== 0;
    const length = payload.length + (fin ? 1 : 0);
    if (!acceptable(seq, length, this.#receiver.ack, this.#receiver.edge)) {
      if (length === 0) {
        this.#challenge("sequence");
        return;
      }
      this.#receiver.wantAck(); // most likely our acknowledgement was lost
      this.#drop("sequence");
      return;
    }
    if (acknowledgementFault(ack, this.#sender)) {
      this.#challenge("acknowledgement");
      return;
    }
    const { now, cookie } = this.#is;
    this.#set({ heardAt: now, probes: 0, ...(cookie !== undefined && { cookie: undefined }) });
    if (options.cookie !== undefined) this.#receiver.wantAck();
    this.#sender.acknowledge({ seq, ack, window, sack: options.sack ?? [], bare: length === 0 }, now);
    if (length > 0) this.#takeData(seq, payload, fin);
    if (this.#is.wasFull && this.#sender.room >= this.#config.sendBuffer / 4) {
      this.#set({ wasFull: false });
      this.#outputs.push({ type: "writable" });
    }
  }

  #takeData(seq: number, payload: Uint8Array, fin: boolean): void {
    const { state, now } = this.#is;
    const before = this.#receiver.readable;
    if (this.#receiver.ended) this.#receiver.wantAck();
    else this.#receiver.take(seq, payload, fin, now);
    if (this.#receiver.readable > before) this.#outputs.push({ type: "readable" });
    if (state.name === "TIME-WAIT") {
      this.#set({ state: { name: "TIME-WAIT", until: plus(now, this.#config.timeWait) } });
    }
  }

  /** Exactly the next number ends the connection; any other in the window only asks the peer. (RFC 5961, 3.2) */
  #handleReset({ seq, options }: DecodedPacket): void {
    const { ack, edge } = this.#receiver;
    if (seq !== ack) {
      if (seq > ack && seq < edge) {
        this.#challenge("sequence");
        return;
      }
      this.#drop("sequence");
      return;
    }
    if (this.#is.state.name === "TIME-WAIT") {
      this.#vanish();
      return;
    }
    const { reason } = options;
    this.#die({
      code: "SSU_RESET",
      reason: "the peer has reset the connection",
      ...(reason !== undefined && { alert: reason }),
    });
  }

  #challenge(reason: DropReason): void {
    this.#drop(reason);
    if (this.#challenges.take(this.#is.now)) this.#receiver.wantAck();
  }

  #resetAgain({ flags, ack }: DecodedPacket): void {
    if ((flags & PacketFlag.Rst) !== 0) {
      this.#vanish();
      return;
    }
    if ((flags & PacketFlag.Ack) === 0 || !this.#challenges.take(this.#is.now)) return;
    this.#outputs.push({ type: "datagram", data: this.#reset(ack) });
  }

  #die(failure: ConnectionFailure): void {
    this.#fail(failure);
    this.#vanish();
  }

  #fail(failure: ConnectionFailure): void {
    this.#outputs.push({ type: "failed", failure });
  }

  #vanish(): void {
    if (this.#is.state.name === "CLOSED") return;
    this.#set({ state: { name: "CLOSED" } });
    this.#outputs.push({ type: "gone" });
  }

  /** Which state it is follows from who has ended, and who knows. (RFC 9293, figure 5) */
  #settle(): void {
    const { state, now, endTold } = this.#is;
    if (this.#receiver.ended && !endTold) {
      this.#set({ endTold: true });
      this.#outputs.push({ type: "ended" });
    }
    const name = state.name === "TIME-WAIT" || state.name === "CLOSED" ? state.name : this.#stateNow(state.name);
    if (name === state.name) return;
    if (name === "TIME-WAIT") this.#set({ state: { name, until: plus(now, this.#config.timeWait) } });
    else if (name !== "CLOSED") this.#set({ state: { name } as ConnectionState });
    if (name === "TIME-WAIT" || name === "CLOSED") this.#outputs.push({ type: "closed" });
    if (name === "CLOSED") this.#vanish();
  }

  #stateNow(before: ConnectionState["name"]): ConnectionState["name"] {
    const { ended } = this.#receiver;
    const finishing = this.#sender.isFinishing;
    if (!finishing) return ended ? "CLOSE-WAIT" : "ESTABLISHED";
    if (before === "CLOSE-WAIT" || before === "LAST-ACK") return this.#sender.finished ? "CLOSED" : "LAST-ACK";
    if (this.#sender.finished) return ended ? "TIME-WAIT" : "FIN-WAIT-2";
    return ended ? "CLOSING" : "FIN-WAIT-1";
  }

  #silenceAt(): Instant | undefined {
    const { heardAt, probes, state } = this.#is;
    if (state.name === "FIN-WAIT-2") return plus(heardAt, this.#config.giveUp);
    if (this.#config.keepAlive === 0 || !this.#isOpen) return undefined;
    return plus(heardAt, (this.#config.keepAlive + probes * KEEP_ALIVE_INTERVAL) as Duration);
  }

  /** A packet one number before the next is not acceptable, so it is answered. (RFC 9293, 3.8.4) */
  #askSilentPeer(now: Instant): void {
    const at = this.#silenceAt();
    if (at === undefined || now < at) return;
    const { probes, state } = this.#is;
    if (state.name === "FIN-WAIT-2" || probes >= KEEP_ALIVE_PROBES) {
      this.#die({ code: "SSU_TIMEOUT", reason: "the peer is silent" });
      return;
    }
    this.#set({ probes: probes + 1 });
    this.#outputs.push({ type: "datagram", data: this.#encode(PacketFlag.Ack, this.#sender.una - 1, NO_PAYLOAD, {}) });
  }

  #nextPacket(): ConnectionOutput | undefined {
    const { state, cookie, now } = this.#is;
    if (state.name === "CLOSED" || state.name === "RESET") return undefined;
    const extra: PacketOptions = cookie === undefined ? {} : { cookie };
    const room = this.#mss - optionsLength(extra);
    const piece = this.#sender.take(now, room);
    const { sack } = this.#receiver;
    if (piece === undefined) {
      if (!this.#receiver.ackNow) return undefined;
      this.#receiver.acknowledged();
      const options = sack.length === 0 ? extra : { ...extra, sack };
      return { type: "datagram", data: this.#encode(PacketFlag.Ack, this.#sender.next, NO_PAYLOAD, options) };
    }
    const sackFits = OPTION_HEADER_LENGTH + 16 * sack.length + piece.payload.length <= room;
    if (sack.length === 0 || sackFits) this.#receiver.acknowledged();
    const options = sack.length > 0 && sackFits ? { ...extra, sack } : extra;
    const flags = PacketFlag.Ack | (piece.fin ? PacketFlag.Fin : 0);
    return { type: "datagram", data: this.#encode(flags, piece.seq, piece.payload, options) };
  }

  #reset(seq: number): Uint8Array {
    const { state } = this.#is;
    if (state.name !== "RESET") throw new InvariantError(`a reset in ${state.name}`);
    const options = state.reason === undefined ? {} : { reason: state.reason };
    return this.#encode(PacketFlag.Rst | PacketFlag.Ack, seq, NO_PAYLOAD, options);
  }

  #encode(flags: number, seq: number, payload: Uint8Array, options: PacketOptions): Uint8Array {
    const { protection, counters } = this.#is;
    this.#set({ counters: { ...counters, sent: counters.sent + 1 } });
    const { ack } = this.#receiver;
    const window = this.#receiver.window(this.#mss);
    const packet = { flags, to: this.opening.peerId, seq, ack, window, options, payload };
    if (protection === undefined) return encodePacket(packet);
    return encodePacket(packet, (covered) => this.#mac(protection.sendKey, covered));
  }
}
