import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { earliest, type Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import type { Work } from "../uds/host.ts";
import type { EcuConfig } from "./config.ts";
import { Flash, type FlashState } from "./flash.ts";
import { ReplayCounter } from "./replay-counter.ts";
import { SecurityMemory, type SecurityMemoryState } from "./security-memory.ts";
import { StoredRecord, type StoredRecordState } from "./stored-record.ts";

export interface KeptRecordsState {
  readonly securityFlash: FlashState;
  readonly security: SecurityMemoryState;
  readonly eventFlash: FlashState;
  readonly events: StoredRecordState;
  readonly replayFlash: FlashState;
  readonly replay: StoredRecordState;
}

/** What fits into a page of 256 bytes. */
const EVENTS_LENGTH_MAX = 200;
const COUNTER_LENGTH = 2;

/** The small records that a UDS server keeps over resets and power cuts, each in a flash module of its own. */
export class KeptRecords implements Stateful<KeptRecordsState> {
  readonly security: SecurityMemory;
  readonly events: StoredRecord;
  readonly secured: ReplayCounter;
  readonly #securityFlash: Flash;
  readonly #eventFlash: Flash;
  readonly #replayFlash: Flash;
  readonly #replay: StoredRecord;

  constructor({ name, uds, securityFlash, eventFlash, replayFlash }: EcuConfig, tracer: Tracer) {
    this.#securityFlash = new Flash(name, securityFlash, tracer);
    this.security = new SecurityMemory(uds, this.#securityFlash);
    this.#eventFlash = new Flash(name, eventFlash, tracer);
    this.events = new StoredRecord(this.#eventFlash, EVENTS_LENGTH_MAX);
    this.#replayFlash = new Flash(name, replayFlash, tracer);
    this.#replay = new StoredRecord(this.#replayFlash, COUNTER_LENGTH);
    this.secured = new ReplayCounter(this.#replay);
  }

  get deadline(): Instant | undefined {
    return earliest(this.security.deadline, this.events.deadline, this.#replay.deadline);
  }

  /** A request waits for one of them; see {@link resume}. */
  get busy(): boolean {
    return this.security.busy || this.events.busy || this.#replay.busy;
  }

  /** What became of the work that was "busy" until `now`. */
  resume(now: Instant): Work {
    if (this.security.busy) return this.security.resume(now);
    return this.events.busy ? this.events.resume() : this.#replay.resume();
  }

  /** The application starts. */
  begin(now: Instant): void {
    this.security.begin(now);
    this.events.open();
    this.#replay.open();
  }

  /** The power goes, or a reset: what was being written is torn. */
  cut(now: Instant, prng: Prng): void {
    this.#securityFlash.cut(now, prng);
    this.#eventFlash.cut(now, prng);
    this.#replayFlash.cut(now, prng);
    this.security.close();
    this.events.close();
    this.#replay.close();
  }

  handleDeadline(now: Instant): void {
    this.security.handleDeadline(now);
    this.events.handleDeadline(now);
    this.#replay.handleDeadline(now);
  }

  save(): KeptRecordsState {
    return {
      securityFlash: this.#securityFlash.save(),
      security: this.security.save(),
      eventFlash: this.#eventFlash.save(),
      events: this.events.save(),
      replayFlash: this.#replayFlash.save(),
      replay: this.#replay.save(),
    };
  }

  load(state: KeptRecordsState): void {
    this.#securityFlash.load(state.securityFlash);
    this.security.load(state.security);
    this.#eventFlash.load(state.eventFlash);
    this.events.load(state.events);
    this.#replayFlash.load(state.replayFlash);
    this.#replay.load(state.replay);
  }
}
