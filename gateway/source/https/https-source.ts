import { InvariantError, UsageError } from "../../../emulator/kernel/errors.ts";
import { type Instant, plus } from "../../../emulator/kernel/time.ts";
import { backOffOf } from "../back-off.ts";
import type { HostAnswer, HttpRequest } from "../host-request.ts";
import { failure, hostFailure, protocolFailure, type SourceFailure, statusFailure } from "../source-errors.ts";
import type { Offer, SourceInput, SourceOutput, UpdateSource } from "../update-source.ts";
import { contentLength, type HttpFields, strongValidator } from "./http-fields.ts";
import { type HttpsSourceConfig, isPath, type WholeHttpsSourceConfig, wholeConfig } from "./https-config.ts";
import { beginTransfer, lengthFailure, rangeOf, readFileHead, type Transfer } from "./transfer.ts";

/** What is being asked of the server. */
type Task =
  /** By HEAD of the file; where the server has no HEAD, by GET of the signature. */
  | { readonly name: "look"; readonly method: "HEAD" | "GET" }
  | { readonly name: "file"; readonly transfer: Transfer }
  | { readonly name: "signature"; readonly transfer: Transfer; readonly collected: Uint8Array };

/** `tries`: how many requests have failed since the last progress. */
type State =
  | { readonly name: "idle" }
  | { readonly name: "backingOff"; readonly task: Task; readonly tries: number; readonly deadline: Instant }
  | { readonly name: "awaitingHead"; readonly task: Task; readonly tries: number; readonly request: number }
  | {
      readonly name: "receiving";
      readonly task: Task;
      readonly tries: number;
      readonly request: number;
      /** Offset behind the last byte of this answer, where that is known. */
      readonly bodyEnd: number | undefined;
    };

/** Plain data: all that an {@link HttpsSource} remembers. */
export interface HttpsSourceState {
  readonly state: State;
  /** How many requests have been made; the next one's number. */
  readonly requests: number;
}

/**
 * The device side of the HTTPS update system: one file at a known path, with a detached signature beside it.
 * (docs/protocols/https.md)
 *
 * One request at a time. A request that fails for a passing reason is made again after a time that doubles; of what
 * has been received nothing is asked for twice, as long as a strong validator shows that the content is still the same.
 */
export class HttpsSource implements UpdateSource {
  readonly system = "https";
  readonly kind = "http";
  readonly #config: WholeHttpsSourceConfig;
  readonly #outputs: SourceOutput[] = [];
  #state: State = { name: "idle" };
  #requests = 0;

  /** @throws {UsageError} for a URL, path or limit that can't be */
  constructor(config: HttpsSourceConfig) {
    this.#config = wholeConfig(config);
  }

  /** @throws {UsageError} for a look or fetch while one is under way, or a fetch from beyond the end */
  handle(input: SourceInput, now: Instant): void {
    switch (input.type) {
      case "look":
        this.#mustBeIdle();
        this.#ask({ name: "look", method: "HEAD" }, 0);
        return;
      case "fetch":
        this.#mustBeIdle();
        this.#fetch(input.offer, input.from);
        return;
      case "cancel":
        if (this.#state.name !== "idle") this.#finish({ type: "cancelled" });
        return;
      case "report":
        this.#outputs.push({ type: "reported" }); // this system has none
        return;
      case "answer":
        this.#answered(input.request, input.answer, now);
        return;
    }
  }

  handleDeadline(now: Instant): void {
    const state = this.#state;
    if (state.name === "backingOff" && now >= state.deadline) this.#ask(state.task, state.tries);
  }

  poll(): SourceOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    return this.#state.name === "backingOff" ? this.#state.deadline : undefined;
  }

  save(): HttpsSourceState {
    return { state: this.#state, requests: this.#requests };
  }

  load(state: HttpsSourceState): void {
    this.#state = state.state;
    this.#requests = state.requests;
    this.#outputs.length = 0;
  }

  #mustBeIdle(): void {
    if (this.#state.name !== "idle") throw new UsageError("this source has a look or a fetch under way");
  }

  #fetch(offer: Offer, from: number): void {
    const end = offer.size ?? this.#config.sizeMax;
    if (!Number.isSafeInteger(from) || from < 0 || from > end) {
      throw new UsageError(`a fetch from byte ${from} of ${end}`);
    }
    if (!isPath(offer.release)) throw new UsageError(`"${offer.release}" is no path on a server`);
    const wrong = lengthFailure(offer.size, this.#config.sizeMax);
    if (wrong !== undefined) this.#fail(wrong);
    else this.#askOn(beginTransfer(offer, from), 0);
  }

  /** Asks for what is missing of the file, or, when nothing is, for its signature. */
  #askOn(transfer: Transfer, tries: number): void {
    if (transfer.received === transfer.size) {
      this.#ask({ name: "signature", transfer, collected: new Uint8Array(0) }, tries);
    } else {
      this.#ask({ name: "file", transfer }, tries);
    }
  }

  #ask(task: Task, tries: number): void {
    const request = this.#requests++;
    this.#state = { name: "awaitingHead", task, tries, request };
    this.#outputs.push({ type: "request", request, what: this.#request(task) });
  }

  #request(task: Task): HttpRequest {
    const { baseUrl, ca, tlsMin, path, sizeMax, signatureSizeMax, window } = this.#config;
    const headers: Record<string, string> = { accept: "*/*", "accept-encoding": "identity" };
    const request = { kind: "http", method: "GET", headers, ca, tlsMin } as const;
    if (task.name === "look" && task.method === "HEAD") {
      return { ...request, method: "HEAD", url: baseUrl + path, bodyMax: 0 };
    }
    if (task.name !== "file") {
      const release = task.name === "look" ? path : task.transfer.release;
      return { ...request, url: baseUrl + this.#signaturePath(release), bodyMax: signatureSizeMax };
    }
    const range = rangeOf(task.transfer, window);
    if (range !== undefined) {
      headers.range = `bytes=${range.first}-${range.last ?? ""}`;
      if (task.transfer.validator !== undefined) headers["if-range"] = task.transfer.validator;
    }
    return { ...request, url: baseUrl + task.transfer.release, bodyMax: sizeMax };
  }

  #signaturePath(release: string): string {
    return this.#config.signaturePath ?? `${release}.sig`;
  }

  #answered(request: number, answer: HostAnswer, now: Instant): void {
    const state = this.#state;
    if (state.name === "idle" || state.name === "backingOff" || state.request !== request) return;
    if (answer.type === "failed") {
      this.#state = { name: "idle" }; // nothing is left to be abandoned
      this.#again(
        state.task,
        state.tries,
        hostFailure(answer.code, answer.reason, hasBegun(state), "RFC 9112, 2.2"),
        now,
      );
    } else if (state.name === "awaitingHead") {
      if (answer.type !== "head") throw new InvariantError(`${answer.type} of request ${request} before its head`);
      this.#head(state.task, state.tries, answer.status, answer.headers, now);
    } else if (answer.type === "body") {
      this.#body(state, answer.data);
    } else if (answer.type === "end") {
      this.#end(state, now);
    } else {
      throw new InvariantError(`request ${request} has two heads`);
    }
  }

  #head(task: Task, tries: number, status: number, fields: HttpFields, now: Instant): void {
    switch (task.name) {
      case "look":
        this.#lookHead(task, tries, status, fields, now);
        return;
      case "file":
        this.#fileHead(task.transfer, tries, status, fields, now);
        return;
      case "signature":
        if (status === 200) this.#receive({ ...task, collected: new Uint8Array(0) }, tries, undefined);
        else if (status === 404 || status === 410)
          this.#finish(fetched(task.transfer)); // whether it is needed, others know
        else this.#again(task, tries, statusFailure(status), now);
    }
  }

  #lookHead(task: Task & { name: "look" }, tries: number, status: number, fields: HttpFields, now: Instant): void {
    if (status === 404 || status === 410) {
      this.#finish({ type: "noOffer", unknown: `status ${status}` });
    } else if (status !== 200) {
      const isHeadless = task.method === "HEAD" && (status === 405 || status === 501);
      if (isHeadless) this.#askInstead({ name: "look", method: "GET" }, tries);
      else this.#again(task, tries, statusFailure(status), now);
    } else if (task.method === "GET") {
      this.#finish({ type: "offer", offer: { release: this.#config.path } });
    } else {
      const size = contentLength(fields);
      const validator = strongValidator(fields);
      const wrong = lengthFailure(size, this.#config.sizeMax);
      if (wrong !== undefined) {
        this.#fail(wrong);
        return;
      }
      const offer = {
        release: this.#config.path,
        ...(size !== undefined && { size }),
        ...(validator && { validator }),
      };
      this.#finish({ type: "offer", offer });
    }
  }

  #fileHead(transfer: Transfer, tries: number, status: number, fields: HttpFields, now: Instant): void {
    const { window, sizeMax } = this.#config;
    const head = readFileHead(transfer, rangeOf(transfer, window), status, fields, sizeMax);
    switch (head.type) {
      case "receive":
        this.#receive({ name: "file", transfer: head.transfer }, tries, head.bodyEnd);
        return;
      case "complete":
        this.#abandon();
        this.#askOn(head.transfer, tries);
        return;
      case "restart":
        this.#askInstead({ name: "file", transfer: head.transfer }, tries);
        return;
      case "failed":
        this.#again({ name: "file", transfer }, tries, head.failure, now);
    }
  }

  #receive(task: Task, tries: number, bodyEnd: number | undefined): void {
    const state = this.#state;
    if (state.name === "awaitingHead") {
      this.#state = { name: "receiving", task, tries, request: state.request, bodyEnd };
    }
  }

  #body(state: State & { name: "receiving" }, data: Uint8Array): void {
    const { task } = state;
    if (task.name === "signature") {
      const collected = new Uint8Array(task.collected.length + data.length);
      collected.set(task.collected);
      collected.set(data, task.collected.length);
      this.#state = { ...state, task: { ...task, collected } };
      if (collected.length > this.#config.signatureSizeMax) this.#fail(signatureTooLong(this.#config.signatureSizeMax));
    } else if (task.name === "file") {
      this.#fileBody(state, task.transfer, data);
    }
  }

  #fileBody(state: State & { name: "receiving" }, before: Transfer, data: Uint8Array): void {
    const offset = before.received;
    const received = offset + data.length;
    const { sizeMax } = this.#config;
    if (received > (state.bodyEnd ?? before.size ?? Number.POSITIVE_INFINITY)) {
      this.#fail(protocolFailure("more bytes than the head of the answer announces", "RFC 9110, 8.6"));
    } else if (received > sizeMax) {
      this.#fail(failure("SOURCE_TOO_LARGE", `the file is longer than ${sizeMax} bytes`, false));
    } else {
      const furthest = Math.max(before.furthest, received);
      const transfer = { ...before, received, furthest, begun: true };
      const tries = received > before.furthest ? 0 : state.tries;
      this.#state = { ...state, task: { name: "file", transfer }, tries };
      if (data.length > 0) this.#outputs.push({ type: "piece", offset, data });
    }
  }

  #end(state: State & { name: "receiving" }, now: Instant): void {
    const { task, tries, bodyEnd } = state;
    this.#state = { name: "idle" }; // nothing is left to be abandoned
    if (task.name === "signature") {
      this.#outputs.push(fetched(task.transfer, task.collected));
    } else if (task.name === "file") {
      const { transfer } = task;
      const end = bodyEnd ?? transfer.size ?? transfer.received;
      const size = transfer.size ?? (bodyEnd === undefined ? transfer.received : undefined);
      const wrong = lengthFailure(size, this.#config.sizeMax);
      if (transfer.received < end) {
        this.#again(task, tries, failure("SOURCE_INTERRUPTED", "the body ends before its length", true), now);
      } else if (wrong !== undefined) {
        this.#fail(wrong);
      } else {
        this.#askOn({ ...transfer, size }, tries);
      }
    }
  }

  /** Makes the request again later, if that is any use and there are tries left. */
  #again(task: Task, tries: number, why: SourceFailure, now: Instant): void {
    if (!why.retryable || tries >= this.#config.retriesMax || why.error.code === "SOURCE_CHANGED") {
      this.#fail(why);
      return;
    }
    this.#abandon();
    const deadline = plus(now, backOffOf(this.#config, tries + 1));
    this.#state = { name: "backingOff", task, tries: tries + 1, deadline };
  }

  #askInstead(task: Task, tries: number): void {
    this.#abandon();
    this.#ask(task, tries);
  }

  #fail({ error, retryable }: SourceFailure): void {
    this.#finish({ type: "failed", error, retryable });
  }

  #finish(output: SourceOutput): void {
    this.#abandon();
    this.#state = { name: "idle" };
    this.#outputs.push(output);
  }

  /** Harmless when the answer has ended. */
  #abandon(): void {
    const state = this.#state;
    if (state.name === "awaitingHead" || state.name === "receiving") {
      this.#outputs.push({ type: "abandon", request: state.request });
    }
  }
}

function fetched({ received }: Transfer, signature?: Uint8Array): SourceOutput {
  if (signature === undefined) return { type: "fetched", size: received };
  return { type: "fetched", size: received, signature: { algorithm: "RSA-PKCS1-SHA256", signature } };
}

/** Whether something has come of the look or fetch that a failure now ends. */
function hasBegun(state: State & { name: "awaitingHead" | "receiving" }): boolean {
  if (state.name === "receiving") return true;
  return state.task.name !== "look" && state.task.transfer.begun;
}

const signatureTooLong = (max: number): SourceFailure =>
  failure("SOURCE_TOO_LARGE", `the signature is longer than ${max} bytes`, false);
