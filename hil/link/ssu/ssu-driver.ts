import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { HostAnswer, HostRequest } from "../../../gateway/source/host-request.ts";
import { type HostDriver, isLastAnswer } from "../host-driver.ts";
import { hostFailed } from "../http-failure.ts";
import { type SsuExchange, ssuExchange } from "./ssu-exchange.ts";

interface UnderWay {
  readonly exchange: SsuExchange;
  readonly stop: AbortController;
  waiting: boolean;
}

/** Carries out ssu exchanges, each on a stream of its own. A slow reader slows the server down. */
export class SsuDriver implements HostDriver {
  readonly #underWay = new Map<number, UnderWay>();
  /** Exchanges whose stream is not closed yet. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #open = new Set<SsuExchange>();
  /** By those that are closed. */
  #resent = 0;
  #closed = false;

  start(id: number, request: HostRequest): void {
    if (this.#closed) throw new UsageError("the driver is closed");
    if (this.#underWay.has(id)) throw new UsageError(`request ${id} is under way already`);
    if (request.kind !== "ssu") throw new UsageError(`a request of kind "${request.kind}" is none of ssu`);
    const stop = new AbortController();
    const exchange = ssuExchange(request, stop.signal);
    this.#open.add(exchange);
    this.#underWay.set(id, { exchange, stop, waiting: false });
  }

  async next(id: number): Promise<HostAnswer> {
    const underWay = this.#underWay.get(id);
    if (underWay === undefined) throw new UsageError(`request ${id} is not under way`);
    if (underWay.waiting) throw new UsageError("the answer before is still being waited for");
    underWay.waiting = true;
    const { value } = await underWay.exchange.answers.next();
    underWay.waiting = false;
    if (underWay.stop.signal.aborted || value === undefined) {
      return hostFailed("HOST_FAILED", "the request was abandoned");
    }
    if (isLastAnswer(value)) this.#leave(id, underWay);
    return value;
  }

  abandon(id: number): void {
    const underWay = this.#underWay.get(id);
    if (underWay === undefined) return;
    underWay.stop.abort();
    this.#leave(id, underWay);
  }

  /** Packets that the device has sent again. */
  retransmissions(): number {
    return [...this.#open].reduce((sum, { resent }) => sum + resent, this.#resent);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#underWay.keys()) this.abandon(id);
    await Promise.all(this.#leaving);
  }

  /** The last answer is out; the stream still has to be closed, which goes on by itself. */
  #leave(id: number, { exchange }: UnderWay): void {
    this.#underWay.delete(id);
    const leaving = this.#finish(exchange).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #finish(exchange: SsuExchange): Promise<void> {
    for await (const _ of exchange.answers);
    this.#resent += exchange.resent;
    this.#open.delete(exchange);
  }
}
