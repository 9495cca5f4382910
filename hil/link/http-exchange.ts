import { type ClientRequest, type IncomingMessage, request as startPlainRequest } from "node:http";
import { type RequestOptions, request as startRequest } from "node:https";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { BODY_PIECE_LENGTH, type HostAnswer, type HttpRequest } from "../../gateway/source/host-request.ts";
import { failureOf, type HostFailure, hostFailed } from "./http-failure.ts";
import { tlsVersions } from "./tls-suites.ts";

/** How long an answer is waited for, milliseconds of wall time. Time in which nobody waits does not count. */
export interface HttpTimeouts {
  /** From the start to the head of the answer: look-up of the name, connection, TLS and all. */
  readonly headMs: number;
  /** Without a single byte of the body. */
  readonly idleMs: number;
}

/**
 * One HTTP request and its answer, read as far as `next` is called for.
 *
 * The body is read, never pushed: when the connection dies, all that had come before is still there to be read, so that
 * how many whole pieces are handed over depends on the bytes that came and not on when they were asked for.
 */
export class HttpExchange {
  readonly #request: HttpRequest;
  readonly #timeouts: HttpTimeouts;
  readonly #outgoing: ClientRequest | undefined;
  #incoming: IncomingMessage | undefined;
  #failure: HostFailure | undefined;
  #wake: () => void = () => {};
  #waiting = false;
  #headGiven = false;
  #ended = false;
  /** Body bytes that have been taken, and the part of them that does not fill a piece yet. */
  #bodyLength = 0;
  #isTooLong = false;
  #partial = new Uint8Array(BODY_PIECE_LENGTH);
  #partialLength = 0;
  #rest: Uint8Array | undefined;

  constructor(request: HttpRequest, timeouts: HttpTimeouts) {
    this.#request = request;
    this.#timeouts = timeouts;
    this.#outgoing = this.#start();
  }

  /** See {@link HostDriver.next}. */
  async next(): Promise<HostAnswer> {
    if (this.#waiting) throw new UsageError("the answer before is still being waited for");
    this.#waiting = true;
    try {
      const answer = this.#headGiven ? await this.#nextOfBody() : await this.#head();
      if (answer.type === "failed") this.#destroy(answer);
      return answer;
    } finally {
      this.#waiting = false;
    }
  }

  /** Resolves when the connection is gone. */
  async abandon(): Promise<void> {
    this.#destroy(hostFailed("HOST_FAILED", "the request was abandoned"));
    const outgoing = this.#outgoing;
    if (outgoing === undefined || outgoing.closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    outgoing.once("close", resolve);
    await promise;
  }

  #destroy(failure: HostFailure): void {
    this.#failure ??= failure;
    this.#outgoing?.destroy();
    this.#wake();
  }

  #start(): ClientRequest | undefined {
    const { url, ca, body } = this.#request;
    // Node falls back to the public authorities when it is given none.
    const isPlain = url.startsWith("http:");
    if (!isPlain && !ca.includes("-----BEGIN CERTIFICATE-----")) {
      this.#failure = hostFailed("HOST_TLS_UNTRUSTED", "no certificate is given that the server's could lead to");
      return undefined;
    }
    try {
      const outgoing = (isPlain ? startPlainRequest : startRequest)(url, this.#options());
      outgoing.on("response", (incoming) => this.#respond(incoming));
      outgoing.on("error", (error) => this.#fail(failureOf(error)));
      outgoing.end(body);
      return outgoing;
    } catch (error) {
      this.#failure = failureOf(error);
      return undefined;
    }
  }

  #options(): RequestOptions {
    const { method, headers, body, ca, tlsMin } = this.#request;
    return {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-length": body.length }) },
      agent: false,
      ca,
      rejectUnauthorized: true,
      ...tlsVersions(tlsMin),
    };
  }

  #respond(incoming: IncomingMessage): void {
    this.#incoming = incoming;
    incoming.on("readable", () => this.#wake());
    incoming.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    incoming.on("error", (error) => this.#fail(failureOf(error)));
    this.#wake();
  }

  /** When an answer has begun the two had agreed on TLS: what breaks it later, a turned byte say, breaks that connection only. */
  #fail({ type, code, reason }: HostFailure): void {
    const isLater = this.#incoming !== undefined && code === "HOST_TLS";
    this.#failure ??= { type, code: isLater ? "HOST_RESET" : code, reason };
    this.#wake();
  }

  /** Waits for anything to happen. @returns false after that much wall time */
  async #something(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    this.#wake = () => resolve(true);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = () => {};
    }
  }

  async #head(): Promise<HostAnswer> {
    const deadline = performance.now() + this.#timeouts.headMs;
    while (this.#incoming === undefined && this.#failure === undefined) {
      const left = deadline - performance.now();
      if (left <= 0) return hostFailed("HOST_TIMEOUT", `no answer within ${this.#timeouts.headMs} ms`);
      await this.#something(left);
    }
    if (this.#incoming === undefined) return this.#failure as HostFailure;
    this.#headGiven = true;
    return { type: "head", status: this.#incoming.statusCode as number, headers: fieldsOf(this.#incoming) };
  }

  async #nextOfBody(): Promise<HostAnswer> {
    const { bodyMax, method } = this.#request;
    const announced = Number(this.#incoming?.headers["content-length"] ?? 0);
    if (method !== "HEAD" && announced > bodyMax) this.#isTooLong = true;
    for (;;) {
      if (this.#isTooLong) return hostFailed("HOST_BODY_TOO_LONG", `the body is longer than ${bodyMax} bytes`);
      const chunk = this.#read();
      const answer = chunk === undefined ? this.#close() : this.#fill(chunk);
      if (answer !== undefined) return answer;
      if (chunk === undefined && !(await this.#something(this.#timeouts.idleMs))) {
        return hostFailed("HOST_TIMEOUT", `no further byte within ${this.#timeouts.idleMs} ms`);
      }
    }
  }

  #read(): Uint8Array | undefined {
    const chunk = this.#rest ?? (this.#incoming?.read() as Uint8Array | null) ?? undefined;
    this.#rest = undefined;
    return chunk;
  }

  /** What there is to say when no byte is left to be read; undefined while more may come. */
  #close(): HostAnswer | undefined {
    if (!this.#ended) return this.#failure;
    return this.#partialLength > 0 ? this.#takePiece() : { type: "end" };
  }

  /** Adds to the piece under way, up to the longest body; what goes beyond the piece is kept for the next call. */
  #fill(chunk: Uint8Array): HostAnswer | undefined {
    const room = Math.min(BODY_PIECE_LENGTH - this.#partialLength, this.#request.bodyMax - this.#bodyLength);
    const taken = Math.min(chunk.length, room);
    this.#partial.set(chunk.subarray(0, taken), this.#partialLength);
    this.#partialLength += taken;
    this.#bodyLength += taken;
    if (taken < chunk.length) {
      if (this.#bodyLength === this.#request.bodyMax) this.#isTooLong = true;
      else this.#rest = chunk.subarray(taken);
    }
    return this.#partialLength === BODY_PIECE_LENGTH ? this.#takePiece() : undefined;
  }

  #takePiece(): HostAnswer {
    const data = this.#partial.subarray(0, this.#partialLength);
    this.#partial = new Uint8Array(BODY_PIECE_LENGTH);
    this.#partialLength = 0;
    return { type: "body", data };
  }
}

/** Fields that came several times are joined. (RFC 9110, 5.3) */
function fieldsOf(incoming: IncomingMessage): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) fields[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return fields;
}
