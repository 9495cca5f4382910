import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import { DONE, type Work } from "../uds/host.ts";
import type { EventHost } from "../uds/host-events.ts";
import type { Flash } from "./flash.ts";
import { RecordLog, type RecordLogState } from "./record-log.ts";

export interface EventMemoryState {
  readonly busy: boolean;
  readonly log: RecordLogState;
}

/** The events of 0x86 that outlive a reset, in non-volatile memory. */
export class EventMemory implements EventHost, Stateful<EventMemoryState> {
  /** What fits into a record, page of 256 bytes. */
  readonly lengthMax = 200;
  readonly #log: RecordLog;
  #busy = false;

  constructor(flash: Flash) {
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

  save(): EventMemoryState {
    return { busy: this.#busy, log: this.#log.save() };
  }

  load(state: EventMemoryState): void {
    this.#busy = state.busy;
    this.#log.load(state.log);
  }
}
