import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { HostAnswer, HostRequest } from "../../../gateway/source/host-request.ts";
import { type HostDriver, isLastAnswer } from "../host-driver.ts";
import { RsuExchange } from "./rsu-exchange.ts";

/**
 * Carries out RSU exchanges over QUIC, each on a connection of its own. The library keeps no reader waiting: what a server
 * sends is taken as it comes, at most as much as the request allows.
 */
export class RsuDriver implements HostDriver {
  readonly #exchanges = new Map<number, RsuExchange>();
  /** Exchanges whose connection is not gone yet. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #keepAliveMs: number | undefined;
  #closed = false;

  /** @param keepAliveMs how often a server that may wait hears of the device; 5000 if not given */
  constructor({ keepAliveMs }: { readonly keepAliveMs?: number } = {}) {
    this.#keepAliveMs = keepAliveMs;
  }

  start(id: number, request: HostRequest): void {
    if (this.#closed) throw new UsageError("the driver is closed");
    if (this.#exchanges.has(id)) throw new UsageError(`request ${id} is under way already`);
    if (request.kind !== "rsu") throw new UsageError(`a request of kind "${request.kind}" is none of RSU`);
    this.#exchanges.set(id, new RsuExchange(request, this.#keepAliveMs));
  }

  async next(id: number): Promise<HostAnswer> {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) throw new UsageError(`request ${id} is not under way`);
    const answer = await exchange.next();
    if (isLastAnswer(answer) && this.#exchanges.get(id) === exchange) this.#leave(id, exchange.gone);
    return answer;
  }

  abandon(id: number): void {
    const exchange = this.#exchanges.get(id);
    if (exchange !== undefined) this.#leave(id, exchange.abandon());
  }

  #leave(id: number, gone: Promise<void>): void {
    this.#exchanges.delete(id);
    const leaving = gone.finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** The library counts packets, and not those that it had to send again. */
  retransmissions(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#exchanges.keys()) this.abandon(id);
    await Promise.all(this.#leaving);
  }
}
