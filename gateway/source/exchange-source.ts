import { InvariantError, UsageError } from "../../emulator/kernel/errors.ts";
import { type Duration, type Instant, plus, s } from "../../emulator/kernel/time.ts";
import { decodeBase64 } from "../../emulator/wire/base64.ts";
import { backOffOf } from "./back-off.ts";
import type { HostAnswer, HostKind, HostRequest } from "./host-request.ts";
import { failure, hostFailure, protocolFailure, type SourceFailure } from "./source-errors.ts";
import type { DetachedSignature, Inventory, Offer, SourceInput, SourceOutput, UpdateSource } from "./update-source.ts";

/** How patient a source is, and how much it takes. */
export interface ExchangeLimits {
  /** The longest firmware that is taken, bytes; 64 MiB if not given. */
  readonly sizeMax?: number;
  /** How many times in a row an exchange is begun again without a further byte coming of it; 5 if not given. */
  readonly retriesMax?: number;
  /** The time before the first of them, doubled for each further one; 1 s if not given. */
  readonly backOff?: Duration;
  /** The longest time between two of them; 60 s if not given. */
  readonly backOffMax?: Duration;
}

/** What a request is for. */
export interface Wanted {
  readonly method: "look" | "fetch";
  /** What the device has, as {@link ExchangeSystem.versionOf} said when it looked. */
  readonly version: string;
  /** The byte that is missing first, of the content with that SHA-256. */
  readonly resume?: { readonly from: number; readonly of: string };
  readonly bodyMax: number;
}

/**
 * What an update system adds. Its exchanges answer with a head (`size` and `sha256` of the content; `from`, where the body
 * begins; `signature`, base64; `version`, what the release is called), then the body.
 */
export interface ExchangeSystem {
  readonly system: string;
  readonly kind: HostKind;
  /** Where its protocol stands. */
  readonly clause: string;
  request(wanted: Wanted): HostRequest;
  /** The version that the device tells; "" for a system that does not ask. */
  versionOf(inventory: Inventory): string;
  /** Tells the server how the installation of what it gave ended; left out by systems without reports. */
  report?(verdict: string): HostRequest;
  /** What the release is called, where the server does not say. */
  readonly release: string;
}

interface Transfer {
  readonly offer: Offer;
  readonly received: number;
  /** The most that `received` has been; only what goes beyond counts as progress. */
  readonly furthest: number;
  readonly begun: boolean;
  /** The content changed on the server, and the fetch started again. */
  readonly changed: boolean;
}

type Task = { readonly name: "look" } | { readonly name: "fetch"; readonly transfer: Transfer };

type State =
  | { readonly name: "idle" }
  | { readonly name: "backingOff"; readonly task: Task; readonly tries: number; readonly deadline: Instant }
  | { readonly name: "asking"; readonly task: Task; readonly tries: number; readonly request: number }
  | {
      readonly name: "receiving";
      readonly task: Task & { readonly name: "fetch" };
      readonly tries: number;
      readonly request: number;
      readonly signature: DetachedSignature | undefined;
    }
  /** A look that has its offer, and waits for the end of its answer. */
  | { readonly name: "looked"; readonly request: number; readonly offer: Offer }
  | { readonly name: "reporting"; readonly request: number };

/** Plain data: all that an {@link ExchangeSource} remembers. */
export interface ExchangeSourceState {
  readonly state: State;
  readonly requests: number;
  /** What the device has, as it was told when it looked. */
  readonly version: string;
  /** A file has been handed over, and how it went has not been told. */
  readonly owesReport: boolean;
}

const DEFAULTS = {
  sizeMax: 64 * 1024 * 1024,
  retriesMax: 5,
  backOff: s(1),
  backOffMax: s(60),
};

/**
 * The device side of an update system of exchanges: one for a look, one for a fetch, and one more each time that a fetch was
 * cut off. The exchange itself is carried out in hil.
 */
export class ExchangeSource implements UpdateSource {
  readonly system: string;
  readonly kind: HostKind;
  readonly #does: ExchangeSystem;
  readonly #config: ExchangeLimits & typeof DEFAULTS;
  readonly #outputs: SourceOutput[] = [];
  #state: State = { name: "idle" };
  #requests = 0;
  #version: string;
  #owesReport = false;

  /** @throws {UsageError} for limits that can't be */
  constructor(does: ExchangeSystem, limits: ExchangeLimits) {
    this.system = does.system;
    this.kind = does.kind;
    this.#does = does;
    this.#version = does.versionOf({ vin: "", ecus: [] });
    this.#config = { ...DEFAULTS, ...limits };
    const { sizeMax, backOff, backOffMax, retriesMax } = this.#config;
    const isValid =
      [sizeMax, backOff].every((count) => Number.isSafeInteger(count) && count > 0) &&
      Number.isSafeInteger(retriesMax) &&
      retriesMax >= 0 &&
      backOffMax >= backOff;
    if (!isValid) throw new UsageError("limits of a source are whole numbers over 0, and backOffMax >= backOff");
  }

  /** @throws {UsageError} for a look or fetch while one is under way, or a fetch from beyond the end */
  handle(input: SourceInput, now: Instant): void {
    switch (input.type) {
      case "look":
        this.#mustBeIdle();
        this.#version = this.#does.versionOf(input.inventory);
        this.#ask({ name: "look" }, 0);
        return;
      case "fetch":
        this.#mustBeIdle();
        this.#fetch(input.offer, input.from);
        return;
      case "cancel":
        if (this.#state.name !== "idle") this.#finish({ type: "cancelled" });
        return;
      case "report":
        this.#report(input.verdict);
        return;
      case "answer":
        this.#answered(input.request, input.answer, now);
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

  save(): ExchangeSourceState {
    const [state, requests, version, owesReport] = [this.#state, this.#requests, this.#version, this.#owesReport];
    return { state, requests, version, owesReport };
  }

  load({ state, requests, version, owesReport }: ExchangeSourceState): void {
    this.#state = state;
    this.#requests = requests;
    this.#version = version;
    this.#owesReport = owesReport;
    this.#outputs.length = 0;
  }

  #mustBeIdle(): void {
    if (this.#state.name !== "idle") throw new UsageError("this source has a look or a fetch under way");
  }

  #fetch(offer: Offer, from: number): void {
    const { sizeMax } = this.#config;
    const end = offer.size ?? sizeMax;
    if (!Number.isSafeInteger(from) || from < 0 || from > end) {
      throw new UsageError(`a fetch from byte ${from} of ${end}`);
    }
    const wrong = sizeFailure(offer.size, sizeMax);
    if (wrong !== undefined) {
      this.#fail(wrong);
      return;
    }
    const received = offer.validator === undefined ? 0 : from;
    this.#ask({ name: "fetch", transfer: { offer, received, furthest: received, begun: false, changed: false } }, 0);
  }

  #ask(task: Task, tries: number): void {
    const request = this.#requests++;
    this.#state = { name: "asking", task, tries, request };
    this.#outputs.push({ type: "request", request, what: this.#request(task) });
  }

  /** Only what was fetched here is reported, and once. */
  #report(verdict: string): void {
    const what = this.#owesReport && this.#state.name === "idle" ? this.#does.report?.(verdict) : undefined;
    if (what === undefined) {
      this.#outputs.push({ type: "reported" });
      return;
    }
    this.#owesReport = false;
    const request = this.#requests++;
    this.#state = { name: "reporting", request };
    this.#outputs.push({ type: "request", request, what });
  }

  #request(task: Task): HostRequest {
    const transfer = task.name === "fetch" ? task.transfer : undefined;
    const of = transfer?.offer.validator;
    return this.#does.request({
      method: task.name,
      version: this.#version,
      bodyMax: this.#config.sizeMax,
      ...(transfer !== undefined && of !== undefined && { resume: { from: transfer.received, of } }),
    });
  }

  #answered(request: number, answer: HostAnswer, now: Instant): void {
    const state = this.#state;
    if (state.name === "idle" || state.name === "backingOff" || state.request !== request) return;
    if (state.name === "looked" || state.name === "reporting") {
      this.#closing(state, answer);
    } else if (answer.type === "failed") {
      this.#again(
        state.task,
        state.tries,
        hostFailure(answer.code, answer.reason, hasBegun(state), this.#does.clause),
        now,
      );
    } else if (state.name === "receiving") {
      if (answer.type === "body") this.#body(state, answer.data);
      else if (answer.type === "end") this.#end(state);
      else throw new InvariantError(`request ${request} has two heads`);
    } else {
      if (answer.type !== "head") throw new InvariantError(`${answer.type} of request ${request} before its head`);
      this.#head(state, answer.status, answer.headers, now);
    }
  }

  /** The offer stands, however the connection ends; and whether a report was heard or not, there is nothing to be done. */
  #closing(state: State & { name: "looked" | "reporting" }, { type }: HostAnswer): void {
    if (type !== "end" && type !== "failed") return;
    this.#finish(state.name === "looked" ? { type: "offer", offer: state.offer } : { type: "reported" });
  }

  #head(
    state: State & { name: "asking" },
    status: number,
    headers: Readonly<Record<string, string>>,
    now: Instant,
  ): void {
    const { task, tries, request } = state;
    if (task.name === "look" && (status === 204 || status === 404)) {
      const { reason = "" } = headers;
      this.#finish({ type: "noOffer", ...(status === 404 && { unknown: reason }) });
      return;
    }
    if (status !== 200 && status !== 206) {
      this.#again(task, tries, refusal(status, headers.reason ?? ""), now);
      return;
    }
    const offer = offerOf(headers, this.#does.release);
    const wrong = sizeFailure(offer.size, this.#config.sizeMax);
    if (wrong !== undefined) {
      this.#fail(wrong);
      return;
    }
    if (task.name === "look") {
      this.#state = { name: "looked", request, offer };
    } else {
      this.#begin(state as State & { name: "asking"; task: Task & { name: "fetch" } }, offer, headers);
    }
  }

  /** The fetch begins, or goes on, or begins again because the server has something else by now. */
  #begin(
    { task, tries, request }: State & { name: "asking"; task: Task & { name: "fetch" } },
    offer: Offer,
    headers: Readonly<Record<string, string>>,
  ): void {
    const { transfer } = task;
    const before = transfer.offer;
    const isOtherSize = before.size !== undefined && offer.size !== before.size;
    const other = offer.validator !== before.validator || isOtherSize || offer.release !== before.release;
    if (other && transfer.changed) {
      const reason = "the firmware changed on the server again while it was being fetched";
      this.#fail(failure("SOURCE_CHANGED", reason, true));
      return;
    }
    const from = Number(headers.from ?? 0);
    const furthest = other ? 0 : transfer.furthest;
    const changed = transfer.changed || other;
    this.#state = {
      name: "receiving",
      task: { name: "fetch", transfer: { offer, received: from, furthest, begun: transfer.begun, changed } },
      tries,
      request,
      signature: signatureOf(headers),
    };
  }

  #body(state: State & { name: "receiving" }, data: Uint8Array): void {
    const { transfer } = state.task;
    const offset = transfer.received;
    const received = offset + data.length;
    const { sizeMax } = this.#config;
    if (received > sizeMax) {
      this.#fail(failure("SOURCE_TOO_LARGE", `the firmware is longer than ${sizeMax} bytes`, false));
      return;
    }
    const furthest = Math.max(transfer.furthest, received);
    const tries = received > transfer.furthest ? 0 : state.tries;
    const task = { name: "fetch", transfer: { ...transfer, received, furthest, begun: true } } as const;
    this.#state = { ...state, task, tries };
    if (data.length > 0) this.#outputs.push({ type: "piece", offset, data });
  }

  #end({ task, signature }: State & { name: "receiving" }): void {
    const { received, offer } = task.transfer;
    this.#state = { name: "idle" }; // nothing is left to be abandoned
    const wrong = sizeFailure(received, this.#config.sizeMax);
    if (wrong !== undefined) this.#fail(wrong);
    else if (offer.size !== undefined && offer.size !== received)
      this.#fail(protocolFailure(`${received} bytes where ${offer.size} were announced`, this.#does.clause));
    else this.#fetched({ type: "fetched", size: received, ...(signature !== undefined && { signature }) });
  }

  #fetched(output: SourceOutput & { type: "fetched" }): void {
    this.#owesReport = true;
    this.#outputs.push(output);
  }

  /** Begins the exchange again later, if that is any use and there are tries left. */
  #again(task: Task, tries: number, why: SourceFailure, now: Instant): void {
    if (!why.retryable || tries >= this.#config.retriesMax) {
      this.#fail(why);
      return;
    }
    this.#abandon();
    const deadline = plus(now, backOffOf(this.#config, tries + 1));
    this.#state = { name: "backingOff", task: restarted(task), tries: tries + 1, deadline };
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
    if ("request" in state) this.#outputs.push({ type: "abandon", request: state.request });
  }
}

function offerOf(headers: Readonly<Record<string, string>>, release: string): Offer {
  const { version = release, size, sha256 } = headers;
  return {
    release: version,
    ...(size !== undefined && { size: Number(size) }),
    ...(sha256 !== undefined && { validator: sha256 }),
  };
}

function signatureOf({ signature }: Readonly<Record<string, string>>): DetachedSignature | undefined {
  const bytes = signature === undefined ? undefined : decodeBase64(signature);
  return bytes === undefined ? undefined : { algorithm: "RSA-PKCS1-SHA256", signature: bytes };
}

/** Without a name for the content nothing can be joined to what has come: it is all or nothing. */
function restarted(task: Task): Task {
  if (task.name === "look" || task.transfer.offer.validator !== undefined) return task;
  return { name: "fetch", transfer: { ...task.transfer, received: 0 } };
}

const hasBegun = (state: State & { name: "asking" | "receiving" }): boolean =>
  state.name === "receiving" || (state.task.name === "fetch" && state.task.transfer.begun);

function refusal(status: number, reason: string): SourceFailure {
  switch (status) {
    case 204:
    case 404:
      return failure("SOURCE_GONE", reason, false);
    case 408:
    case 503:
      return failure("SOURCE_ENDED", reason, true);
    case 409:
      return failure("SOURCE_DOWNGRADE", reason, false);
    case 505:
      return failure("SOURCE_VERSION_UNKNOWN", reason, false);
    default:
      return failure("SOURCE_ENDED", reason, false);
  }
}

/** Why a size can't be that of firmware we want. */
function sizeFailure(size: number | undefined, sizeMax: number): SourceFailure | undefined {
  if (size === 0) return failure("SOURCE_EMPTY", "the firmware on the server is empty", false);
  if (size === undefined || size <= sizeMax) return undefined;
  return failure("SOURCE_TOO_LARGE", `${size} bytes on the server, at most ${sizeMax} are taken`, false);
}
