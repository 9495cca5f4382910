import { setTimeout as pause } from "node:timers/promises";
import type { QuicServerSession, QuicStream } from "@currentspace/http3";

/** So many PDUs may be on their way before it is waited for what the peer says to them. */
const BURST = 24;
/** The peer has said all that it has to say when nothing came for so long, milliseconds, or for the round-trip time. */
const QUIET_MS = 3;
/** When so long has passed since the PDU before, milliseconds, what leaves next may be that one once more. */
const STALL_MS = 10;
const SETTLE_MS = 2;
/** A peer that says nothing at all is given up by the idle timeout, not here. */
const ANSWER_WAIT_MAX_MS = 30_000;
const LEAVE_WAIT_MAX_MS = 5_000;

/**
 * Sends to a peer that takes what one packet brings for one PDU, as the original does. Each PDU leaves in a packet of its
 * own, and never so many are on their way that congestion control would cut one, or the peer's socket lose one.
 */
export class PacedSender {
  readonly #session: QuicServerSession;
  #inBurst = 0;
  #lastLeft = 0;

  constructor(session: QuicServerSession) {
    this.#session = session;
  }

  /** Resolves when it has left, and there is room for the next one. */
  async send(stream: QuicStream, data: Uint8Array, last: boolean): Promise<void> {
    const before = this.#session.getMetrics();
    const goal = (before?.bytesOut ?? 0) + data.length;
    if (last) stream.end(Buffer.from(data));
    else stream.write(Buffer.from(data));
    await this.#until(() => (this.#session.getMetrics()?.bytesOut ?? goal) >= goal, LEAVE_WAIT_MAX_MS);
    if (performance.now() - this.#lastLeft > STALL_MS) await this.#settled();
    this.#lastLeft = performance.now();
    this.#inBurst++;
    if (last || this.#inBurst < BURST) return;
    this.#inBurst = 0;
    await this.#answered(before?.packetsIn ?? 0);
  }

  async #until(done: () => boolean, forMs: number): Promise<void> {
    const end = performance.now() + forMs;
    while (!done() && performance.now() < end) await new Promise((next) => setImmediate(next));
  }

  /** Nothing leaves any more. */
  async #settled(): Promise<void> {
    const end = performance.now() + LEAVE_WAIT_MAX_MS;
    for (let packets = -1; performance.now() < end; ) {
      const now = this.#session.getMetrics()?.packetsOut ?? packets;
      if (now === packets) return;
      packets = now;
      await pause(SETTLE_MS);
    }
  }

  /**
   * The peer has answered what was sent last, and has no more to say. A peer that gets no time on its machine is waited
   * for: what would pile up at its socket would be lost. @param before packets that had come before the last was sent
   */
  async #answered(before: number): Promise<void> {
    const end = performance.now() + ANSWER_WAIT_MAX_MS;
    for (let packets = before; performance.now() < end; ) {
      const metrics = this.#session.getMetrics();
      if (metrics === null || (metrics.packetsIn === packets && packets !== before)) return;
      packets = metrics.packetsIn;
      await pause(Math.max(QUIET_MS, metrics.rttMs * 1.5));
    }
  }
}
