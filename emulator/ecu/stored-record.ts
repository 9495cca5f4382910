import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import { DONE, type Work } from "../uds/host.ts";
import type { Flash } from "./flash.ts";
import { RecordLog, type RecordLogState } from "./record-log.ts";

export interface StoredRecordState {
  readonly busy: boolean;
  readonly log: RecordLogState;
}

/** One small record in non-volatile memory that a request stores, and waits for. */
export class StoredRecord implements Stateful<StoredRecordState> {
  /** What fits into a flash page, bytes. */
  readonly lengthMax: number;
  readonly #log: RecordLog;
  #busy = false;

  constructor(flash: Flash, lengthMax: number) {
    this.lengthMax = lengthMax;
    this.#log = new RecordLog(flash);
  }

  get stored(): Uint8Array | undefined {
    return this.#log.current;
  }

  /** A `store` is under way; see {@link resume}. */
  get busy(): boolean {
    return this.#busy;
  }

  get deadline(): Instant | undefined {
    return this.#log.deadline;
  }

  /** The application starts. */
  open(): void {
    this.#log.open();
  }

  /** The power goes. */
  close(): void {
    this.#log.close();
    this.#busy = false;
  }

  handleDeadline(now: Instant): void {
    this.#log.handleDeadline(now);
  }

  store(data: Uint8Array, now: Instant): Work {
    this.#log.write(data, now);
    return this.resume();
  }

  resume(): Work {
    const until = this.#log.deadline;
    this.#busy = until !== undefined;
    return until === undefined ? DONE : { type: "busy", until };
  }

  save(): StoredRecordState {
    return { busy: this.#busy, log: this.#log.save() };
  }

  load(state: StoredRecordState): void {
    this.#busy = state.busy;
    this.#log.load(state.log);
  }
}
