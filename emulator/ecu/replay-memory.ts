import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import { DONE, type Work } from "../uds/host.ts";
import type { SecuredHost } from "../uds/host-secured.ts";
import type { Flash } from "./flash.ts";
import { RecordLog, type RecordLogState } from "./record-log.ts";

export interface ReplayMemoryState {
  readonly busy: boolean;
  readonly log: RecordLogState;
}

/** The anti-replay counter of 0x84, in non-volatile memory. */
export class ReplayMemory implements SecuredHost, Stateful<ReplayMemoryState> {
  readonly #log: RecordLog;
  #busy = false;

  constructor(flash: Flash) {
    this.#log = new RecordLog(flash);
  }

  get counter(): number {
    const [high = 0, low = 0] = this.#log.current ?? [];
    return high * 0x100 + low;
  }

  /** A counter is being stored; see {@link resume}. */
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

  take(counter: number, now: Instant): Work {
    this.#log.write(Uint8Array.of(counter >>> 8, counter & 0xff), now);
    return this.resume();
  }

  resume(): Work {
    const until = this.#log.deadline;
    this.#busy = until !== undefined;
    return until === undefined ? DONE : { type: "busy", until };
  }

  save(): ReplayMemoryState {
    return { busy: this.#busy, log: this.#log.save() };
  }

  load(state: ReplayMemoryState): void {
    this.#busy = state.busy;
    this.#log.load(state.log);
  }
}
