import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, earliest, type Instant, plus } from "../../../emulator/kernel/time.ts";
import { Congestion, type CongestionState } from "./congestion.ts";
import type { SackBlock } from "./packet-options.ts";
import { RingBuffer, type RingBufferState } from "./ring-buffer.ts";
import { RoundTrip, type RoundTripState } from "./round-trip.ts";
import { Scoreboard, type ScoreboardState } from "./scoreboard.ts";
import type { SsuConfig } from "./ssu-config.ts";

/** A piece of the stream to be sent now. */
export interface Outgoing {
  readonly seq: number;
  readonly payload: Uint8Array;
  readonly fin: boolean;
}

/** What a packet says about what we have sent. */
export interface Acknowledgement {
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly sack: readonly SackBlock[];
  /** Neither payload nor FIN came with it. */
  readonly bare: boolean;
}

interface Timers {
  /** SND.UNA, SND.NXT, and behind the last byte that was written. (RFC 9293, 3.3.1) */
  readonly una: number;
  readonly next: number;
  readonly written: number;
  readonly finishing: boolean;
  /** SND.WND, SND.WL1, SND.WL2, and the largest window there has been. */
  readonly window: number;
  readonly windowSeq: number;
  readonly windowAck: number;
  readonly windowMax: number;
  readonly mss: number;
  /** When the retransmission timer runs out; unset while nothing is outstanding. */
  readonly rtoAt: Instant | undefined;
  /** Timeouts in a row without progress. */
  readonly timeouts: number;
  /** When the window will be asked for again; set while it is what holds us back and nothing is outstanding. */
  readonly persistAt: Instant | undefined;
  readonly probes: number;
  readonly probeDue: boolean;
  /** A byte beyond `next` may have been taken from a probe. */
  readonly probed: boolean;
  /** Since when no progress has been made. */
  readonly waitingSince: Instant;
  readonly lastSent: Instant;
  /** One lost segment goes out whatever the window says. (RFC 5681, 3.2, step 3) */
  readonly forced: boolean;
  /** The peer sends SACK; without it, losses are found by RFC 6582 alone. */
  readonly sackSeen: boolean;
  readonly duplicates: number;
  /** Bytes that duplicate acknowledgements say have left the network, where there is no SACK. */
  readonly credit: number;
  readonly resent: number;
}

export interface SenderState {
  readonly timers: Timers;
  readonly ring: RingBufferState;
  readonly board: ScoreboardState;
  readonly congestion: CongestionState;
  readonly roundTrip: RoundTripState;
}

const DUPLICATES = 3;
const PROBES_MAX = 16;
/** Timeouts, or probes, in a row before a peer is given up. */
const TRIES_MIN = 5;

/** The sending half of a connection: what was written, what is under way, and when which piece of it goes out. */
export class Sender implements Stateful<SenderState> {
  readonly roundTrip: RoundTrip;
  readonly #config: SsuConfig;
  readonly #ring: RingBuffer;
  readonly #board = new Scoreboard();
  readonly #congestion: Congestion;
  #is: Timers;

  /** @param first sequence number of the first byte @param window that the peer has room for */
  constructor(config: SsuConfig, first: number, peer: { window: number; seq: number }, mss: number, now: Instant) {
    this.#config = config;
    this.roundTrip = new RoundTrip(config);
    this.#ring = new RingBuffer(first, config.sendBuffer);
    this.#congestion = new Congestion(mss, first - 1);
    this.#is = {
      una: first,
      next: first,
      written: first,
      finishing: false,
      window: peer.window,
      windowSeq: peer.seq,
      windowAck: first,
      windowMax: peer.window,
      mss,
      rtoAt: undefined,
      timeouts: 0,
      persistAt: undefined,
      probes: 0,
      probeDue: false,
      probed: false,
      waitingSince: now,
      lastSent: now,
      forced: false,
      sackSeen: false,
      duplicates: 0,
      credit: 0,
      resent: 0,
    };
  }

  get una(): number {
    return this.#is.una;
  }

  get next(): number {
    return this.#is.next;
  }

  /** The highest acknowledgement that can be true. */
  get ackMax(): number {
    return this.#is.next + (this.#is.probed ? 1 : 0);
  }

  get windowMax(): number {
    return this.#is.windowMax;
  }

  /** How many bytes can be written. */
  get room(): number {
    return this.#config.sendBuffer - (this.#is.written - this.#is.una);
  }

  /** Written and not acknowledged, bytes. */
  get pending(): number {
    return this.#is.written - this.#is.una;
  }

  get isFinishing(): boolean {
    return this.#is.finishing;
  }

  /** The FIN, too, has been acknowledged. */
  get finished(): boolean {
    return this.#is.finishing && this.#is.una > this.#is.written;
  }

  get mss(): number {
    return this.#is.mss;
  }

  get timeouts(): number {
    return this.#is.timeouts;
  }

  /** Segments that were sent again. */
  get resent(): number {
    return this.#is.resent;
  }

  /** For those who watch. */
  get congestionWindow(): number {
    return this.#congestion.cwnd;
  }

  /** @throws {UsageError} for more than there is room for, or after `finish` */
  write(data: Uint8Array): void {
    if (this.#is.finishing) throw new UsageError("ssu: nothing can be written after the end");
    if (data.length > this.room) throw new UsageError(`ssu: ${data.length} bytes, there is room for ${this.room}`);
    this.#ring.put(this.#is.written, data);
    this.#set({ written: this.#is.written + data.length });
  }

  /** A FIN goes out behind the last byte. */
  finish(): void {
    this.#set({ finishing: true });
  }

  setMss(mss: number): void {
    this.#congestion.setMss(mss, this.#is.next === this.#ring.start && this.#board.empty);
    this.#set({ mss });
  }

  deadline(): Instant | undefined {
    const { rtoAt, persistAt, waitingSince } = this.#is;
    if (rtoAt === undefined && persistAt === undefined) return undefined;
    return earliest(rtoAt, persistAt, this.#hasTried ? plus(waitingSince, this.#config.giveUp) : undefined);
  }

  /** @returns "gaveUp" when there has been no progress for too long */
  handleDeadline(now: Instant): "gaveUp" | undefined {
    const { rtoAt, persistAt, waitingSince } = this.#is;
    const waiting = rtoAt !== undefined || persistAt !== undefined;
    if (waiting && this.#hasTried && now >= plus(waitingSince, this.#config.giveUp)) return "gaveUp";
    if (rtoAt !== undefined && now >= rtoAt) this.#timeOut(now);
    if (persistAt !== undefined && now >= persistAt) {
      this.#set({ probeDue: true, persistAt: undefined, probes: Math.min(this.#is.probes + 1, PROBES_MAX) });
    }
    return undefined;
  }

  /** What is to be sent now. @param lengthMax of the payload, where that is less than usual */
  take(now: Instant, lengthMax: number): Outgoing | undefined {
    const length = Math.min(this.#is.mss, lengthMax);
    return this.#takeLost(now, length) ?? this.#takeNew(now, length);
  }

  /** @param news must have been found acceptable: not beyond {@link ackMax} */
  acknowledge(news: Acknowledgement, now: Instant): void {
    const { una, window } = this.#is;
    const outstanding = !this.#board.empty;
    const flight = this.#is.next - una;
    const limited = this.#isLimited();
    this.#takeWindow(news, now);
    const { rtt, newlySacked } = this.#board.acknowledge(news.ack, news.sack, now, this.roundTrip.rttMin);
    if (rtt !== undefined) this.roundTrip.sample(rtt);
    if (newlySacked) this.#set({ sackSeen: true });
    if (news.ack > una) this.#advance(news.ack, limited, now);
    else if (news.ack === una && news.bare && outstanding && news.window === window && !this.#is.sackSeen) {
      this.#duplicate(flight);
    }
    if (this.#is.sackSeen) this.#findLost();
    this.#settleRecovery();
  }

  save(): SenderState {
    return {
      timers: this.#is,
      ring: this.#ring.save(),
      board: this.#board.save(),
      congestion: this.#congestion.save(),
      roundTrip: this.roundTrip.save(),
    };
  }

  load({ timers, ring, board, congestion, roundTrip }: SenderState): void {
    this.#is = timers;
    this.#ring.load(ring);
    this.#board.load(board);
    this.#congestion.load(congestion);
    this.roundTrip.load(roundTrip);
  }

  #set(changes: Partial<Timers>): void {
    this.#is = { ...this.#is, ...changes };
  }

  /** Often enough that chance alone does not explain it: on a bad way the timer may have been backed off for long. */
  get #hasTried(): boolean {
    return this.#is.timeouts >= TRIES_MIN || this.#is.probes >= TRIES_MIN;
  }

  get #pipe(): number {
    return Math.max(0, this.#board.pipe - this.#is.credit);
  }

  /** The congestion window was what held us back, so that it may grow. */
  #isLimited(): boolean {
    const pipe = this.#pipe;
    const { cwnd, ssthresh } = this.#congestion;
    return pipe + 2 * this.#is.mss > cwnd || (cwnd < ssthresh && 2 * pipe > cwnd);
  }

  /** Never taken from an older packet than the last one. (RFC 9293, 3.10.7.4, fifth) */
  #takeWindow({ seq, ack, window }: Acknowledgement, now: Instant): void {
    const { windowSeq, windowAck, windowMax, persistAt, probeDue } = this.#is;
    if (persistAt !== undefined || probeDue) this.#set({ waitingSince: now });
    if (seq < windowSeq || (seq === windowSeq && ack < windowAck)) return;
    const grown = window > this.#is.window;
    this.#set({ window, windowSeq: seq, windowAck: ack, windowMax: Math.max(windowMax, window) });
    if (grown) this.#set({ persistAt: undefined, probes: 0, probeDue: false });
  }

  #advance(ack: number, limited: boolean, now: Instant): void {
    const bytes = ack - this.#is.una;
    const { recovering } = this.#congestion;
    this.#ring.release(Math.min(ack, this.#is.written));
    this.#set({ una: ack, next: Math.max(this.#is.next, ack), timeouts: 0, waitingSince: now, probed: false });
    this.#set({ persistAt: undefined, probes: 0 });
    const partial = recovering && ack < this.#congestion.recover;
    if (partial && !this.#is.sackSeen) this.#partial(bytes, now);
    else this.#set({ rtoAt: this.#board.empty ? undefined : plus(now, this.roundTrip.rto), duplicates: 0 });
    if (!recovering) this.#congestion.acknowledged(bytes, limited);
  }

  /** (RFC 6582, 3.2, step 3, partial acknowledgement) The timer is set anew by the first one only. */
  #partial(bytes: number, now: Instant): void {
    const { mss, credit, duplicates, rtoAt } = this.#is;
    this.#board.loseFirst();
    this.#set({
      forced: true,
      credit: Math.max(0, credit - bytes + (bytes >= mss ? mss : 0)),
      duplicates: 0,
      rtoAt: duplicates > 0 ? plus(now, this.roundTrip.rto) : rtoAt,
    });
  }

  /** (RFC 6582, 3.2, steps 1 and 2) */
  #duplicate(flight: number): void {
    const { mss, credit, una, next } = this.#is;
    if (this.#congestion.recovering) {
      this.#set({ credit: credit + mss });
      return;
    }
    const duplicates = this.#is.duplicates + 1;
    this.#set({ duplicates });
    if (duplicates === DUPLICATES && una > this.#congestion.recover) {
      this.#congestion.enterRecovery(flight, next);
      this.#board.loseFirst();
      this.#set({ forced: true, credit: DUPLICATES * mss });
    }
  }

  #findLost(): void {
    const lost = this.#board.findLost();
    if (lost === undefined || this.#congestion.recovering || this.#is.una < this.#congestion.recover) return;
    this.#congestion.enterRecovery(this.#is.next - this.#is.una, this.#is.next);
    this.#set({ forced: true });
  }

  #settleRecovery(): void {
    if (!this.#congestion.recovering || this.#is.una < this.#congestion.recover) return;
    this.#congestion.leaveRecovery(this.#board.pipe);
    this.#set({ credit: 0, duplicates: 0, forced: false });
  }

  #timeOut(now: Instant): void {
    const { una, next, timeouts } = this.#is;
    this.#congestion.timedOut(next - una, next, timeouts > 0);
    this.#board.loseAll();
    this.roundTrip.backOff();
    this.#set({ timeouts: timeouts + 1, duplicates: 0, credit: 0, forced: false });
    this.#set({ rtoAt: plus(now, this.roundTrip.rto) });
  }

  #takeLost(now: Instant, length: number): Outgoing | undefined {
    const lost = this.#board.firstLost;
    if (lost === undefined) return undefined;
    const pipe = this.#pipe;
    const fits = pipe === 0 || pipe + Math.min(length, lost.end - lost.start) <= this.#congestion.cwnd;
    if (!fits && !this.#is.forced) return undefined;
    const { start, end, fin } = this.#board.resend(lost, length, now);
    this.#set({ forced: false, resent: this.#is.resent + 1, lastSent: now });
    this.#arm(now);
    return { seq: start, payload: this.#ring.get(start, fin ? end - 1 : end), fin };
  }

  #takeNew(now: Instant, mss: number): Outgoing | undefined {
    const { una, next, written, window, finishing, probeDue } = this.#is;
    const queued = Math.max(0, written - next);
    if (queued === 0 && !(finishing && next === written)) return undefined;
    const usable = Math.max(0, una + window - next);
    const length = Math.min(mss, queued, usable);
    if (queued > 0 && !this.#isWorth(length, queued, mss)) {
      return probeDue ? this.#probe(now, length) : this.#persist(now);
    }
    if (this.#board.empty && now - this.#is.lastSent > this.roundTrip.rto) this.#congestion.restartAfterIdle();
    const pipe = this.#pipe;
    if (pipe > 0 && pipe + length > this.#congestion.cwnd) return undefined;
    return this.#sendNew(now, length);
  }

  /** No silly windows: a full segment, all there is, or half of the largest window. (RFC 9293, 3.8.6.2.1) */
  #isWorth(length: number, queued: number, mss: number): boolean {
    return length > 0 && (length === mss || length === queued || length >= this.#is.windowMax / 2);
  }

  #sendNew(now: Instant, length: number): Outgoing {
    const { next, written, finishing } = this.#is;
    const fin = finishing && next + length === written;
    const end = next + length + (fin ? 1 : 0);
    if (this.#board.empty) this.#set({ waitingSince: now });
    this.#board.sent(next, end, fin, now);
    this.#set({ next: end, lastSent: now, probeDue: false, persistAt: undefined, probed: false });
    this.#arm(now);
    return { seq: next, payload: this.#ring.get(next, next + length), fin };
  }

  /** Nothing comes back of itself when nothing is outstanding, so the window is asked for. (RFC 9293, 3.8.6.1) */
  #persist(now: Instant): undefined {
    if (!this.#board.empty || this.#is.persistAt !== undefined) return undefined;
    const wait = Math.min(this.roundTrip.rto * 2 ** this.#is.probes, this.#config.rtoMax) as Duration;
    if (this.#is.probes === 0) this.#set({ waitingSince: now });
    this.#set({ persistAt: plus(now, wait) });
    return undefined;
  }

  /** What fits, be it silly; or one byte beyond the window, which the peer need not take. */
  #probe(now: Instant, length: number): Outgoing {
    this.#set({ probeDue: false });
    if (length > 0) return this.#sendNew(now, length);
    const { next } = this.#is;
    this.#set({ probed: true, lastSent: now });
    return { seq: next, payload: this.#ring.get(next, next + 1), fin: false };
  }

  #arm(now: Instant): void {
    if (this.#is.rtoAt === undefined) this.#set({ rtoAt: plus(now, this.roundTrip.rto) });
  }
}
