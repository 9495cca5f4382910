import type { HostAnswer, HostKind, HostRequest } from "../../gateway/source/host-request.ts";
import type { HostPort } from "../../gateway/vehicle/vehicle-gateway.ts";
import type { Outside } from "../clock/clock.ts";
import { type HostDriver, isLastAnswer } from "../link/host-driver.ts";

/** Header fields of HTTP that the cores may see. Others (Date, Server) differ from run to run and would make runs differ. */
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
  HOST_TLS_UNTRUSTED: "the server's certificate is by another CA, for another name, or out of its time",
  HOST_TLS: "the TLS handshake failed",
  HOST_PROTOCOL: "the answer is no HTTP, or longer than it says",
  HOST_BODY_TOO_LONG: "the answer is longer than it may be",
  HOST_DEVICE_REFUSED: "the server does not trust the device's certificate, or wants one",
  HOST_UNSUPPORTED: "this machine has not what the system needs",
};

/** Failures of other kinds whose reason is our own sentence about what the peer said, and no chance. */
const REASONS_KEPT: ReadonlySet<string> = new Set([
  "HOST_PROTOCOL",
  "HOST_PEER",
  "HOST_SILENT",
  "HOST_DIGEST",
  "SRUP_SIGNATURES",
  "SRUP_TOKEN",
  "SRUP_VERSION",
]);

/**
 * The one door between a vehicle gateway and the world outside. Whatever the network does, answers go in one by one, the
 * oldest request first, and without what the wall clock or a port number would put into them.
 */
export class HostGate implements HostPort, Outside {
  readonly #driver: HostDriver;
  readonly #receive: (id: number, answer: HostAnswer) => void;
  /** Where a server really is, "scheme://host:port", by that which the vehicle knows it by. */
  readonly #routes: ReadonlyMap<string, string>;
  /** Requests under way, oldest first. */
  readonly #outstanding: { readonly id: number; readonly kind: HostKind }[] = [];
  #answer: { readonly id: number; readonly answer: HostAnswer } | undefined;
  #fetching = false;
  #wake: () => void = () => {};

  constructor(
    driver: HostDriver,
    routes: ReadonlyMap<string, string>,
    receive: (id: number, answer: HostAnswer) => void,
  ) {
    this.#driver = driver;
    this.#routes = routes;
    this.#receive = receive;
  }

  get busy(): boolean {
    return this.#outstanding.length > 0;
  }

  request(id: number, request: HostRequest): void {
    const { protocol, host, pathname, search } = new URL(request.url);
    const known = `${protocol}//${host}`;
    this.#driver.start(id, { ...request, url: `${this.#routes.get(known) ?? known}${pathname}${search}` });
    this.#outstanding.push({ id, kind: request.kind });
  }

  abandon(id: number): void {
    const index = this.#place(id);
    if (index < 0) return;
    this.#outstanding.splice(index, 1);
    this.#driver.abandon(id);
  }

  abandonAll(): void {
    for (const { id } of this.#outstanding.splice(0)) this.#driver.abandon(id);
  }

  deliver(): boolean {
    this.#fetch();
    const answered = this.#answer;
    if (answered === undefined) return false;
    this.#answer = undefined;
    const place = this.#place(answered.id);
    const kind = this.#outstanding[place]?.kind;
    if (kind === undefined) return true; // abandoned in the meantime
    if (isLastAnswer(answered.answer)) this.#outstanding.splice(place, 1);
    this.#receive(answered.id, withoutChance(kind, answered.answer));
    return true;
  }

  async arrival(timeoutMs: number): Promise<void> {
    this.#fetch();
    if (this.#answer !== undefined) return;
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

  #place(id: number): number {
    return this.#outstanding.findIndex((request) => request.id === id);
  }

  /** Waits for one answer a time: the next one of the oldest request. */
  #fetch(): void {
    const id = this.#outstanding[0]?.id;
    if (this.#fetching || this.#answer !== undefined || id === undefined) return;
    this.#fetching = true;
    void this.#driver.next(id).then((answer) => {
      this.#fetching = false;
      this.#answer = { id, answer };
      this.#wake();
    });
  }
}

/** Drivers of other kinds than HTTP make their heads themselves, of nothing that is chance. */
function withoutChance(kind: HostKind, answer: HostAnswer): HostAnswer {
  if (answer.type === "failed" && kind !== "http" && REASONS_KEPT.has(answer.code)) return answer;
  if (answer.type === "failed") return { ...answer, reason: REASONS[answer.code] ?? "the request failed" };
  if (answer.type !== "head" || kind !== "http") return answer;
  const headers = Object.fromEntries(
    HEADERS_KEPT.filter((name) => answer.headers[name] !== undefined).map((name) => [
      name,
      answer.headers[name] as string,
    ]),
  );
  return { ...answer, headers };
}
