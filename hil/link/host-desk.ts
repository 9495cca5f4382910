import type { HostAnswer, HostRequest } from "../../gateway/source/host-request.ts";
import type { Outside } from "../clock/clock.ts";
import { type HostDriver, isLastAnswer } from "./host-driver.ts";

/**
 * In which order the answers to several requests under way at once are handed in. "fixed": one of each in turn, so that
 * it depends on the requests alone (virtual time). "arrival": as they come, so that nobody waits for a slow server of
 * another (real time).
 */
export type AnswerOrder = "fixed" | "arrival";

interface Ticket {
  readonly id: number;
  readonly take: (answer: HostAnswer) => void;
  ready: HostAnswer | undefined;
}

/**
 * Where the machines of a bench hand in their requests to the world and get the answers; a clock waits for it.
 * Of each request one answer is held ready, no more.
 */
export class HostDesk implements Outside {
  readonly #driver: HostDriver;
  readonly #order: AnswerOrder;
  /** Whose turn it is first. */
  readonly #tickets: Ticket[] = [];
  #nextId = 0;
  #arrived: () => void = () => {};
  #fault: { readonly error: unknown } | undefined;

  constructor(driver: HostDriver, order: AnswerOrder) {
    this.#driver = driver;
    this.#order = order;
  }

  get busy(): boolean {
    return this.#tickets.length > 0;
  }

  /**
   * @param take is called once for each answer, from within {@link deliver} only
   * @returns the number to {@link abandon} it by
   */
  ask(request: HostRequest, take: (answer: HostAnswer) => void): number {
    const ticket: Ticket = { id: this.#nextId++, take, ready: undefined };
    this.#driver.start(ticket.id, request);
    this.#tickets.push(ticket);
    this.#fetch(ticket);
    return ticket.id;
  }

  /** No further answer of that request is handed in. Harmless when it has ended. */
  abandon(id: number): void {
    const place = this.#tickets.findIndex((ticket) => ticket.id === id);
    if (place < 0) return;
    this.#tickets.splice(place, 1);
    this.#driver.abandon(id);
  }

  /** @throws what the driver threw, if it broke its promise never to */
  deliver(): boolean {
    if (this.#fault !== undefined) throw this.#fault.error;
    const ticket = this.#ready();
    if (ticket?.ready === undefined) return false;
    const answer = ticket.ready;
    ticket.ready = undefined;
    this.#tickets.splice(this.#tickets.indexOf(ticket), 1);
    if (!isLastAnswer(answer)) {
      this.#tickets.push(ticket); // behind the others
      this.#fetch(ticket);
    }
    ticket.take(answer);
    return true;
  }

  async arrival(timeoutMs: number): Promise<void> {
    if (this.#fault !== undefined || this.#ready() !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#arrived = resolve;
    await promise;
    clearTimeout(timer);
  }

  /** Ends everything that is under way. */
  async close(): Promise<void> {
    this.#tickets.length = 0;
    await this.#driver.close();
  }

  /** Whose answer can be handed in now. */
  #ready(): Ticket | undefined {
    const first = this.#order === "fixed" ? this.#tickets[0] : this.#tickets.find(({ ready }) => ready !== undefined);
    return first?.ready === undefined ? undefined : first;
  }

  #fetch(ticket: Ticket): void {
    this.#driver.next(ticket.id).then(
      (answer) => {
        ticket.ready = answer;
        this.#arrived();
      },
      (error: unknown) => {
        if (this.#tickets.includes(ticket)) this.#fault = { error };
        this.#arrived();
      },
    );
  }
}
