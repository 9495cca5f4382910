import { UsageError } from "../../emulator/kernel/errors.ts";
import type { HostAnswer, HostRequest } from "../../gateway/source/host-request.ts";
import type { HostDriver } from "./host-driver.ts";
import { isLastAnswer } from "./host-driver.ts";
import { HttpExchange, type HttpTimeouts } from "./http-exchange.ts";

/**
 * Carries out HTTP requests with Node's own TLS. Every request has a connection of its own: what one of them meets
 * does not depend on what happened to the connection of another.
 */
export class HttpDriver implements HostDriver {
  readonly #exchanges = new Map<number, HttpExchange>();
  readonly #timeouts: HttpTimeouts;
  #closed = false;

  /** @param timeouts wall-clock milliseconds; 10 s until the head, and 30 s without a byte of the body, if not given */
  constructor(timeouts: Partial<HttpTimeouts> = {}) {
    this.#timeouts = { headMs: 10_000, idleMs: 30_000, ...timeouts };
  }

  start(id: number, request: HostRequest): void {
    if (this.#closed) throw new UsageError("the driver is closed");
    if (this.#exchanges.has(id)) throw new UsageError(`request ${id} is under way already`);
    if (request.kind !== "http") throw new UsageError(`a request of kind "${request.kind}" is none of HTTP`);
    this.#exchanges.set(id, new HttpExchange(request, this.#timeouts));
  }

  async next(id: number): Promise<HostAnswer> {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) throw new UsageError(`request ${id} is not under way`);
    const answer = await exchange.next();
    if (isLastAnswer(answer) && this.#exchanges.get(id) === exchange) this.#exchanges.delete(id);
    return answer;
  }

  abandon(id: number): void {
    void this.#exchanges.get(id)?.abandon();
    this.#exchanges.delete(id);
  }

  /** Node does not tell what TCP does. */
  retransmissions(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const exchanges = [...this.#exchanges.values()];
    this.#exchanges.clear();
    await Promise.all(exchanges.map((exchange) => exchange.abandon()));
  }
}
