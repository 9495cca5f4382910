import type { HostAnswer, HostRequest } from "../../gateway/source/host-request.ts";
import type { HostPort } from "../../gateway/vehicle/vehicle-gateway.ts";
import type { Outside } from "../clock/clock.ts";

/** Carries out requests: a driver on sockets, or a recorded run. Answers come in order, in any later turn of the loop. */
export interface HostDriver {
  start(request: HostRequest, id: number, deliver: (answer: HostAnswer) => void): void;
  abandon(id: number): void;
  close(): Promise<void>;
}

/** Header fields that the cores may see. Others (Date, Server) differ from run to run and would make runs differ. */
const HEADERS_KEPT = [
  "accept-ranges",
  "content-length",
  "content-range",
  "content-type",
  "etag",
  "last-modified",
  "location",
  "retry-after",
];

const REASONS: Readonly<Record<string, string>> = {
  HOST_REFUSED: "the connection was refused",
  HOST_TIMEOUT: "no answer in time",
  HOST_RESET: "the connection broke",
  HOST_TLS_UNTRUSTED: "the server's certificate does not lead to a trusted one",
  HOST_TLS: "the TLS handshake failed",
  HOST_BODY_TOO_LONG: "the answer is longer than it may be",
};

interface Outstanding {
  readonly id: number;
  readonly answers: HostAnswer[];
}

/**
 * The one door between a vehicle gateway and the world outside. Whatever the network does, answers go in one by one, the
 * oldest request first, and without what the wall clock or a port number would put into them.
 */
export class HostGate implements HostPort, Outside {
  readonly #driver: HostDriver;
  readonly #receive: (id: number, answer: HostAnswer) => void;
  readonly #outstanding: Outstanding[] = [];
  #wake: () => void = () => {};

  constructor(driver: HostDriver, receive: (id: number, answer: HostAnswer) => void) {
    this.#driver = driver;
    this.#receive = receive;
  }

  get busy(): boolean {
    return this.#outstanding.length > 0;
  }

  request(id: number, request: HostRequest): void {
    const entry: Outstanding = { id, answers: [] };
    this.#outstanding.push(entry);
    this.#driver.start(request, id, (answer) => {
      entry.answers.push(answer);
      this.#wake();
    });
  }

  abandon(id: number): void {
    const index = this.#outstanding.findIndex((entry) => entry.id === id);
    if (index < 0) return;
    this.#outstanding.splice(index, 1);
    this.#driver.abandon(id);
  }

  /** Gives up everything that is under way: nobody waits for it any more. */
  abandonAll(): void {
    for (const { id } of this.#outstanding.splice(0)) this.#driver.abandon(id);
  }

  deliver(): boolean {
    const oldest = this.#outstanding[0];
    const answer = oldest?.answers.shift();
    if (oldest === undefined || answer === undefined) return false;
    if (answer.type === "end" || answer.type === "failed") {
      this.#outstanding.splice(this.#outstanding.indexOf(oldest), 1);
    }
    this.#receive(oldest.id, withoutChance(answer));
    return true;
  }

  async arrival(timeoutMs: number): Promise<void> {
    if ((this.#outstanding[0]?.answers.length ?? 0) > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  async close(): Promise<void> {
    this.abandonAll();
    await this.#driver.close();
  }
}

function withoutChance(answer: HostAnswer): HostAnswer {
  if (answer.type === "failed") return { ...answer, reason: REASONS[answer.code] ?? "the request failed" };
  if (answer.type !== "head") return answer;
  const headers = Object.fromEntries(
    HEADERS_KEPT.filter((name) => answer.headers[name] !== undefined).map((name) => [name, answer.headers[name] as string]),
  );
  return { ...answer, headers };
}

