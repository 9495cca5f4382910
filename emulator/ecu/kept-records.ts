import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { earliest, type Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { Work } from "../uds/host.ts";
import type { EcuConfig } from "./config.ts";
import { EventMemory, type EventMemoryState } from "./event-memory.ts";
import { Flash, type FlashState } from "./flash.ts";
import { ReplayMemory, type ReplayMemoryState } from "./replay-memory.ts";
import { SecurityMemory, type SecurityMemoryState } from "./security-memory.ts";

export interface KeptRecordsState {
  readonly securityFlash: FlashState;
  readonly security: SecurityMemoryState;
  readonly eventFlash: FlashState;
  readonly events: EventMemoryState;
  readonly replayFlash: FlashState;
  readonly secured: ReplayMemoryState;
}

/** The small records that a UDS server keeps over resets and power cuts, each in a flash module of its own. */
export class KeptRecords implements Stateful<KeptRecordsState> {
  readonly security: SecurityMemory;
  readonly events: EventMemory;
  readonly secured: ReplayMemory;
  readonly #securityFlash: Flash;
  readonly #eventFlash: Flash;
  readonly #replayFlash: Flash;

  constructor({ name, uds, securityFlash, eventFlash, replayFlash }: EcuConfig, tracer: Tracer) {
    this.#securityFlash = new Flash(name, securityFlash, tracer);
    this.security = new SecurityMemory(uds, this.#securityFlash);
    this.#eventFlash = new Flash(name, eventFlash, tracer);
    this.events = new EventMemory(this.#eventFlash);
    this.#replayFlash = new Flash(name, replayFlash, tracer);
    this.secured = new ReplayMemory(this.#replayFlash);
  }

  get deadline(): Instant | undefined {
    return earliest(this.security.deadline, this.events.deadline, this.secured.deadline);
  }

  /** A request waits for one of them; see {@link resume}. */
  get busy(): boolean {
    return this.security.busy || this.events.busy || this.secured.busy;
  }

  /** What became of the work that was "busy" until `now`. */
  resume(now: Instant): Work {
    if (this.security.busy) return this.security.resume(now);
    return this.events.busy ? this.events.resume() : this.secured.resume();
  }

  /** The application starts. */
  begin(now: Instant): void {
    this.security.begin(now);
    this.events.open();
    this.secured.open();
  }

  /** The power goes, or a reset: what was being written is torn. */
  cut(now: Instant, prng: Prng): void {
    this.#securityFlash.cut(now, prng);
    this.#eventFlash.cut(now, prng);
    this.#replayFlash.cut(now, prng);
    this.security.close();
    this.events.close();
    this.secured.close();
  }

  handleDeadline(now: Instant): void {
    this.security.handleDeadline(now);
    this.events.handleDeadline(now);
    this.secured.handleDeadline(now);
  }

  save(): KeptRecordsState {
    return {
      securityFlash: this.#securityFlash.save(),
      security: this.security.save(),
      eventFlash: this.#eventFlash.save(),
      events: this.events.save(),
      replayFlash: this.#replayFlash.save(),
      secured: this.secured.save(),
    };
  }

  load(state: KeptRecordsState): void {
    this.#securityFlash.load(state.securityFlash);
    this.security.load(state.security);
    this.#eventFlash.load(state.eventFlash);
    this.events.load(state.events);
    this.#replayFlash.load(state.replayFlash);
    this.secured.load(state.secured);
  }
}
