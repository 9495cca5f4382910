import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { HostAnswer, HostRequest } from "../../../gateway/source/host-request.ts";
import { type HostDriver, isLastAnswer } from "../host-driver.ts";
import { DeviceSession, type SessionTools } from "./device-session.ts";
import { SrupExchange } from "./srup-exchange.ts";

/** Carries out what devices of the srup system ask for. A device's session goes on from one request to the next. */
export class SrupDriver implements HostDriver {
  readonly #tools: SessionTools;
  readonly #exchanges = new Map<number, SrupExchange>();
  readonly #sessions = new Map<string, DeviceSession>();
  readonly #leaving = new Set<Promise<void>>();
  #closed = false;

  constructor(tools: SessionTools = {}) {
    this.#tools = tools;
  }

  start(id: number, request: HostRequest): void {
    if (this.#closed) throw new UsageError("the driver is closed");
    if (this.#exchanges.has(id)) throw new UsageError(`request ${id} is under way already`);
    if (request.kind !== "srup") throw new UsageError(`a request of kind "${request.kind}" is none of SRUP`);
    const before = this.#sessions.get(request.device);
    const isSame = before?.url === request.url;
    if (before !== undefined && !isSame) this.#leave(before.close());
    const session = before !== undefined && isSame ? before : new DeviceSession(request, this.#tools);
    this.#sessions.set(request.device, session);
    this.#exchanges.set(id, new SrupExchange(request, session));
  }

  async next(id: number): Promise<HostAnswer> {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) throw new UsageError(`request ${id} is not under way`);
    const answer = await exchange.next();
    if (isLastAnswer(answer) && this.#exchanges.get(id) === exchange) this.#exchanges.delete(id);
    return answer;
  }

  abandon(id: number): void {
    const exchange = this.#exchanges.get(id);
    this.#exchanges.delete(id);
    if (exchange !== undefined) this.#leave(exchange.abandon());
  }

  /** Neither Node nor the MQTT library tells what TCP does. */
  retransmissions(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#exchanges.keys()) this.abandon(id);
    for (const session of this.#sessions.values()) this.#leave(session.close());
    await Promise.all(this.#leaving);
  }

  #leave(gone: Promise<void>): void {
    const leaving = gone.finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}
