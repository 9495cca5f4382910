import type { Stateful } from "../kernel/machine.ts";
import { earliest, type Instant, plus } from "../kernel/time.ts";
import type { UdsConfig } from "../uds/config.ts";
import { DONE, refused, type Work } from "../uds/host.ts";
import type { SecurityHost } from "../uds/host-security.ts";
import { Nrc } from "../wire/uds.ts";
import type { Flash } from "./flash.ts";
import { RecordLog, type RecordLogState } from "./record-log.ts";

type Job = "idle" | "countingRight" | "countingWrong" | "clearing";

export interface SecurityMemoryState {
  readonly attempts: number;
  readonly delayUntil: Instant | undefined;
  readonly job: Job;
  readonly log: RecordLogState;
}

/**
 * The count of wrong keys, in non-volatile memory. Each key is counted, and the count stored, before it is looked at; a
 * right one clears the count. An ECU that starts with the count at its limit begins the delay anew, because it can't know
 * how long it was off. When the delay is over the count is cleared.
 */
export class SecurityMemory implements SecurityHost, Stateful<SecurityMemoryState> {
  readonly #config: UdsConfig;
  readonly #log: RecordLog;
  #attempts = 0;
  #delayUntil: Instant | undefined;
  #job: Job = "idle";

  constructor(config: UdsConfig, flash: Flash) {
    this.#config = config;
    this.#log = new RecordLog(flash);
  }

  get delayUntil(): Instant | undefined {
    return this.#delayUntil;
  }

  /** A key is being counted; see {@link resume}. */
  get busy(): boolean {
    return this.#job !== "idle";
  }

  get deadline(): Instant | undefined {
    return earliest(this.#log.deadline, this.#delayUntil);
  }

  /** The application starts. */
  begin(now: Instant): void {
    this.#log.open();
    this.#job = "idle";
    this.#attempts = this.#log.current?.[0] ?? 0;
    const full = this.#attempts >= this.#config.securityAttemptsMax;
    this.#delayUntil = full ? plus(now, this.#config.securityDelay) : undefined;
  }

  /** The power goes. */
  close(): void {
    this.#log.close();
    this.#job = "idle";
    this.#delayUntil = undefined;
  }

  handleDeadline(now: Instant): void {
    this.#log.handleDeadline(now);
    if (this.#delayUntil === undefined || this.#delayUntil > now) return;
    this.#delayUntil = undefined;
    this.#count(0, now);
  }

  keyReceived(right: boolean, now: Instant): Work {
    this.#count(this.#attempts + 1, now);
    this.#job = right ? "countingRight" : "countingWrong";
    return this.resume(now);
  }

  /** What became of the key that was being counted. */
  resume(now: Instant): Work {
    const until = this.#log.deadline;
    if (until !== undefined) return { type: "busy", until };
    const job = this.#job;
    if (job === "countingRight") {
      this.#count(0, now);
      this.#job = "clearing";
      return this.resume(now);
    }
    this.#job = "idle";
    if (job !== "countingWrong") return DONE;
    if (this.#attempts < this.#config.securityAttemptsMax) return refused(Nrc.InvalidKey);
    this.#delayUntil = plus(now, this.#config.securityDelay);
    return refused(Nrc.ExceededNumberOfAttempts);
  }

  save(): SecurityMemoryState {
    return { attempts: this.#attempts, delayUntil: this.#delayUntil, job: this.#job, log: this.#log.save() };
  }

  load(state: SecurityMemoryState): void {
    this.#attempts = state.attempts;
    this.#delayUntil = state.delayUntil;
    this.#job = state.job;
    this.#log.load(state.log);
  }

  #count(attempts: number, now: Instant): void {
    this.#attempts = attempts;
    this.#log.write(Uint8Array.of(Math.min(attempts, 0xff)), now);
  }
}
