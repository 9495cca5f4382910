import type { Stateful } from "../../../emulator/kernel/machine.ts";
import type { Duration, Instant } from "../../../emulator/kernel/time.ts";
import type { SackBlock } from "./packet-options.ts";

/** A piece of the stream that has been sent and is not acknowledged. A FIN counts as one more byte at its end. */
export interface SentSegment {
  readonly start: number;
  readonly end: number;
  readonly fin: boolean;
  readonly sentAt: Instant;
  /** The how manieth transmission of all its last one was. */
  readonly order: number;
  readonly resent: boolean;
  readonly sacked: boolean;
  /** Taken for lost, and not sent again yet. */
  readonly lost: boolean;
}

export interface ScoreboardState {
  readonly segments: readonly SentSegment[];
  readonly orders: number;
  readonly delivered: number;
}

/** What an acknowledgement told. */
export interface Delivery {
  /** The round trip of a segment that was sent once only; undefined when there was none, or nobody can tell when it came. */
  readonly rtt: Duration | undefined;
  readonly newlySacked: boolean;
}

/** A segment is lost when so many that were sent after it have come. (RFC 5681, 3.2; RFC 9002, 6.1.1) */
const LATER_DELIVERED = 3;

/** What is under way, in order of its place in the stream. (RFC 2018, RFC 6675) */
export class Scoreboard implements Stateful<ScoreboardState> {
  #segments: SentSegment[] = [];
  #orders = 0;
  /** The latest transmission that is known to have come. */
  #delivered = -1;

  get empty(): boolean {
    return this.#segments.length === 0;
  }

  get first(): SentSegment | undefined {
    return this.#segments[0];
  }

  /** Bytes that are thought to be in the network. (RFC 6675, "pipe") */
  get pipe(): number {
    let bytes = 0;
    for (const { start, end, sacked, lost } of this.#segments) if (!sacked && !lost) bytes += end - start;
    return bytes;
  }

  get firstLost(): SentSegment | undefined {
    return this.#segments.find(({ lost }) => lost);
  }

  sent(start: number, end: number, fin: boolean, now: Instant): void {
    const order = this.#orders++;
    this.#segments.push({ start, end, fin, sentAt: now, order, resent: false, sacked: false, lost: false });
  }

  /** A lost segment goes out again, no more than `length` bytes of it; what is over stays lost. */
  resend(segment: SentSegment, length: number, now: Instant): SentSegment {
    const index = this.#segments.indexOf(segment);
    const whole = segment.end - segment.start - (segment.fin ? 1 : 0) <= length;
    const again: SentSegment = {
      ...segment,
      end: whole ? segment.end : segment.start + length,
      fin: whole && segment.fin,
      sentAt: now,
      order: this.#orders++,
      resent: true,
      lost: false,
    };
    const rest = whole ? [] : [{ ...segment, start: again.end }];
    this.#segments.splice(index, 1, again, ...rest);
    return again;
  }

  /** @param rttMin a resent segment that seems to have come sooner was not the resent one */
  acknowledge(ack: number, sack: readonly SackBlock[], now: Instant, rttMin: Duration | undefined): Delivery {
    let latest: SentSegment | undefined;
    let newlySacked = false;
    let filled = false;
    const came = (segment: SentSegment): void => {
      if (segment.sacked) return;
      filled ||= segment.resent;
      if (!segment.resent || now - segment.sentAt >= (rttMin ?? 0)) {
        this.#delivered = Math.max(this.#delivered, segment.order);
      }
      if (!segment.resent && (latest === undefined || segment.order > latest.order)) latest = segment;
    };
    for (let head = this.#segments[0]; head !== undefined && head.start < ack; head = this.#segments[0]) {
      if (head.end > ack) {
        this.#segments[0] = { ...head, start: ack };
        break;
      }
      came(head);
      this.#segments.shift();
    }
    for (const block of sack) {
      for (const [index, segment] of this.#segments.entries()) {
        if (segment.start >= block.end) break;
        if (!isNewsOf(block, segment)) continue;
        came(segment);
        this.#segments[index] = { ...segment, sacked: true, lost: false };
        newlySacked = true;
      }
    }
    // What was sent once and acknowledged together with what was sent again may have come long ago, behind the hole.
    const rtt = latest === undefined || filled ? undefined : ((now - latest.sentAt) as Duration);
    return { rtt, newlySacked };
  }

  /** Takes for lost what was sent well before something that has come. @returns the first one that was found now */
  findLost(): SentSegment | undefined {
    let found: SentSegment | undefined;
    for (const [index, segment] of this.#segments.entries()) {
      if (segment.sacked || segment.lost || this.#delivered - segment.order < LATER_DELIVERED) continue;
      const lost = { ...segment, lost: true };
      this.#segments[index] = lost;
      found ??= lost;
    }
    return found;
  }

  /** The first segment is lost: three duplicate acknowledgements, or a partial one. */
  loseFirst(): void {
    const first = this.#segments[0];
    if (first !== undefined && !first.sacked) this.#segments[0] = { ...first, lost: true };
  }

  /** The timer has run out: all that is not known to have come is lost. (RFC 6675, 5.1) */
  loseAll(): void {
    this.#segments = this.#segments.map((segment) => (segment.sacked ? segment : { ...segment, lost: true }));
  }

  save(): ScoreboardState {
    return { segments: [...this.#segments], orders: this.#orders, delivered: this.#delivered };
  }

  load({ segments, orders, delivered }: ScoreboardState): void {
    this.#segments = [...segments];
    this.#orders = orders;
    this.#delivered = delivered;
  }
}

/** A block tells of a segment as a whole, and for the first time. */
const isNewsOf = (block: SackBlock, { sacked, start, end }: SentSegment): boolean =>
  !sacked && start >= block.start && end <= block.end;
