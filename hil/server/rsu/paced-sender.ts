import { setTimeout as pause } from "node:timers/promises";
import type { QuicServerSession, QuicStream } from "@currentspace/http3";

/** So many PDUs may be on their way before it is waited for what the peer says to them. */
const BURST = 24;
/** The peer has said all that it has to say when nothing came for so long, milliseconds, or for the round-trip time. */
const QUIET_MS = 3;
/** A peer that never stops saying something gets the next burst all the same after so long. */
const QUIET_WAIT_MAX_MS = 1_000;
/**
 * Silence alone may mean that the peer is not running just now, and what was sent meanwhile would overflow its socket: it
 * must have said something since the last so many PDUs of the burst, more than QUIC lets it leave unacknowledged at once.
 */
const HEARD_WITHIN = 5;
/** A peer that says nothing at all is given up by the idle timeout, not here. */
const HEARD_WAIT_MAX_MS = 20_000;
const LEAVE_WAIT_MAX_MS = 5_000;

/**
 * Sends to a peer that takes what one packet brings for one PDU, as the original does. Each PDU leaves in a packet of its
 * own, and never so many are on their way that congestion control would cut one, or the peer's socket lose one.
 */
export class PacedSender {
  readonly #session: QuicServerSession;
  #inBurst = 0;
  /** What had come from the peer when the last PDUs of the burst were still to leave. */
  #packetsBefore = 0;

  constructor(session: QuicServerSession) {
    this.#session = session;
  }

  /** Resolves when it has left, and there is room for the next one. */
  async send(stream: QuicStream, data: Uint8Array, last: boolean): Promise<void> {
    const before = this.#session.getMetrics();
    const goal = (before?.bytesOut ?? 0) + data.length;
    if (this.#inBurst === BURST - HEARD_WITHIN) this.#packetsBefore = before?.packetsIn ?? 0;
    if (last) stream.end(Buffer.from(data));
    else stream.write(Buffer.from(data));
    await this.#until(() => (this.#session.getMetrics()?.bytesOut ?? goal) >= goal, LEAVE_WAIT_MAX_MS);
    this.#inBurst++;
    if (last || this.#inBurst < BURST) return;
    this.#inBurst = 0;
    await this.#quiet();
  }

  async #until(done: () => boolean, forMs: number): Promise<void> {
    const end = performance.now() + forMs;
    while (!done() && performance.now() < end) await new Promise((next) => setImmediate(next));
  }

  async #quiet(): Promise<void> {
    const begun = performance.now();
    const waited = (): number => performance.now() - begun;
    for (let packets = -1; waited() < HEARD_WAIT_MAX_MS; ) {
      const metrics = this.#session.getMetrics();
      if (metrics === null) return;
      const isQuiet = metrics.packetsIn === packets || waited() > QUIET_WAIT_MAX_MS;
      if (isQuiet && metrics.packetsIn > this.#packetsBefore) return;
      packets = metrics.packetsIn;
      await pause(Math.max(QUIET_MS, metrics.rttMs * 1.5));
    }
  }
}
