import type { Stateful } from "../../../emulator/kernel/machine.ts";

export interface CongestionState {
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly mss: number;
  /** Bytes acknowledged in congestion avoidance since the window last grew. */
  readonly acked: number;
  /** In fast recovery, which ends when this has been acknowledged. */
  readonly recovering: boolean;
  /** Losses below it belong to an event that the window has paid for. (RFC 6582, "recover") */
  readonly recover: number;
}

const INITIAL_WINDOW = 14_600;
const SSTHRESH_FIRST = Number.MAX_SAFE_INTEGER;

/** The initial window. (RFC 6928, 2) */
const initialWindow = (mss: number): number => Math.min(10 * mss, Math.max(2 * mss, INITIAL_WINDOW));

/**
 * How many bytes may be under way: slow start, congestion avoidance, fast recovery. (RFC 5681, RFC 6582)
 * All in bytes; what is lost and what is under way is for the sender to know.
 */
export class Congestion implements Stateful<CongestionState> {
  #state: CongestionState;

  /** @param first the first sequence number */
  constructor(mss: number, first: number) {
    const cwnd = initialWindow(mss);
    this.#state = { cwnd, ssthresh: SSTHRESH_FIRST, mss, acked: 0, recovering: false, recover: first };
  }

  get cwnd(): number {
    return this.#state.cwnd;
  }

  get ssthresh(): number {
    return this.#state.ssthresh;
  }

  get recovering(): boolean {
    return this.#state.recovering;
  }

  get recover(): number {
    return this.#state.recover;
  }

  /** The segment size has changed; before anything was sent the initial window goes with it. */
  setMss(mss: number, fresh: boolean): void {
    this.#state = { ...this.#state, mss, ...(fresh && { cwnd: initialWindow(mss) }) };
  }

  /** New data was acknowledged outside fast recovery. (RFC 5681, 3.1) @param limited the window was what held us back */
  acknowledged(bytes: number, limited: boolean): void {
    if (!limited) return;
    const { cwnd, ssthresh, mss } = this.#state;
    if (cwnd < ssthresh) {
      this.#state = { ...this.#state, cwnd: cwnd + Math.min(bytes, mss) };
      return;
    }
    const acked = this.#state.acked + bytes;
    const grows = acked >= cwnd;
    this.#state = { ...this.#state, acked: grows ? acked - cwnd : acked, cwnd: grows ? cwnd + mss : cwnd };
  }

  /** A loss has been noticed by acknowledgements. (RFC 6582, 3.2, step 2) @param flight bytes outstanding @param next SND.NXT */
  enterRecovery(flight: number, next: number): void {
    const ssthresh = this.#halved(flight);
    this.#state = { ...this.#state, ssthresh, cwnd: ssthresh, acked: 0, recovering: true, recover: next };
  }

  /** All that was outstanding at the loss has been acknowledged. (RFC 6582, 3.2, step 3, full acknowledgement) */
  leaveRecovery(flight: number): void {
    const { ssthresh, mss } = this.#state;
    const cwnd = Math.min(ssthresh, Math.max(flight, mss) + mss);
    this.#state = { ...this.#state, cwnd, acked: 0, recovering: false };
  }

  /** The retransmission timer has run out. (RFC 5681, 3.1; RFC 6582, 4) @param again for the same data: no further cut */
  timedOut(flight: number, next: number, again: boolean): void {
    const ssthresh = again ? this.#state.ssthresh : this.#halved(flight);
    this.#state = { ...this.#state, ssthresh, cwnd: this.#state.mss, acked: 0, recovering: false, recover: next };
  }

  /** Nothing was sent for longer than a retransmission timeout. (RFC 5681, 4.1) */
  restartAfterIdle(): void {
    this.#state = { ...this.#state, cwnd: Math.min(this.#state.cwnd, initialWindow(this.#state.mss)) };
  }

  save(): CongestionState {
    return this.#state;
  }

  load(state: CongestionState): void {
    this.#state = state;
  }

  #halved(flight: number): number {
    return Math.max(Math.floor(flight / 2), 2 * this.#state.mss);
  }
}
