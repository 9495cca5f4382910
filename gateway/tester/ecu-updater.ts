import { type BenchError, UsageError } from "../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import { earliest, type Instant, plus } from "../../emulator/kernel/time.ts";
import { generalVerdict } from "./failure-rules.ts";
import { nextStep, type Step, type UpdatePhase, type Verdict } from "./procedure.ts";
import { UdsClient, type UdsClientState, type UdsNote } from "./uds-client.ts";
import { keepAlive } from "./uds-messages.ts";
import {
  freshMemory,
  imageFault,
  memoryForAnotherAttempt,
  type UpdateCommand,
  type UpdateMemory,
  updateProcedures,
} from "./update-steps.ts";
import { ATTEMPTS_MAX, UPDATER_TIMING, type UpdaterConfig, type UpdaterTiming } from "./updater-config.ts";

export type { UpdatePhase } from "./procedure.ts";
export type { UpdaterConfig } from "./updater-config.ts";

export type UpdaterInput =
  /** What the ECU is and runs, in whatever session it is. Ends in `identified`. */
  | { readonly type: "identify" }
  /** Writes the bank that does not run, and has it checked. Ends in `programmed`; then the session is kept alive. */
  | { readonly type: "program"; readonly image: Uint8Array }
  /** Puts the new bank on trial, resets, and asks what runs. Ends in `activated`, with whatever version it is. */
  | { readonly type: "activate" }
  /** The update is for good: no way back behind it. Ends in `committed`. */
  | { readonly type: "commit" }
  /** Back to the software before. Ends in `reverted`, with whatever version runs then. */
  | { readonly type: "revert" }
  /** Leaves the ECU in its default session. May be said at any time; what is under way is abandoned. */
  | { readonly type: "release" }
  | { readonly type: "acknowledged" }
  /** `code`: see DiagnosticNack. */
  | { readonly type: "refused"; readonly code: number }
  | { readonly type: "received"; readonly data: Uint8Array }
  | { readonly type: "lost"; readonly error: BenchError };

export type UpdaterOutput =
  | { readonly type: "transmit"; readonly data: Uint8Array }
  /** `done` and `total` in bytes; both 0 where there is nothing to be counted. */
  | { readonly type: "progress"; readonly phase: UpdatePhase; readonly done: number; readonly total: number }
  | { readonly type: "identified"; readonly version: string; readonly serial: string; readonly hardwareVersion: string }
  | { readonly type: "programmed" }
  | { readonly type: "activated"; readonly version: string }
  | { readonly type: "committed" }
  | { readonly type: "reverted"; readonly version: string }
  | { readonly type: "released" }
  | { readonly type: "failed"; readonly phase: UpdatePhase; readonly error: BenchError }
  | UdsNote;

/** One run of a procedure. */
interface Run {
  readonly command: UpdateCommand;
  /** Index of the row in its procedure. */
  readonly step: number;
  /** 1 the first time. */
  readonly attempt: number;
  /** How often the request of this row has been repeated in a row. */
  readonly repeats: number;
  readonly memory: UpdateMemory;
  /** What people were told last. */
  readonly phase: UpdatePhase | undefined;
  /** Nothing is asked before that. */
  readonly until?: Instant;
}

export interface EcuUpdaterState {
  readonly run: Run | undefined;
  readonly client: UdsClientState;
  /** When the next 3E 80 is due; unset while the session need not be kept alive. */
  readonly keepAliveAt: Instant | undefined;
  /** The request under way is a 3E 80. */
  readonly keepingAlive: boolean;
}

/** Phases whose progress is counted in bytes of the image. */
const COUNTED: ReadonlySet<UpdatePhase> = new Set(["erase", "transfer", "check"]);

/**
 * The tester of one ECU: runs the procedures of an update, one at a time, over a link that carries whole messages.
 * What is done when, and what a failure means, stands in the tables (update-steps) and rules (failure-rules).
 */
export class EcuUpdater implements Machine<UpdaterInput, UpdaterOutput>, Stateful<EcuUpdaterState> {
  readonly #config: UpdaterConfig;
  readonly #timing: UpdaterTiming;
  readonly #attemptsMax: number;
  readonly #procedures: ReturnType<typeof updateProcedures>;
  readonly #client: UdsClient;
  #outputs: UpdaterOutput[] = [];
  #run: Run | undefined;
  #keepAliveAt: Instant | undefined;
  #keepingAlive = false;

  constructor(config: UpdaterConfig) {
    this.#config = config;
    this.#timing = { ...UPDATER_TIMING, ...config.timing };
    this.#attemptsMax = config.attemptsMax ?? ATTEMPTS_MAX;
    this.#procedures = updateProcedures(config);
    this.#client = new UdsClient(config.client);
  }

  /** @throws {UsageError} for a command, other than `release`, while another one is under way */
  handle(input: UpdaterInput, now: Instant): void {
    switch (input.type) {
      case "acknowledged":
      case "refused":
      case "received":
      case "lost":
        this.#client.handle(input, now);
        break;
      case "program":
        this.#command("program", now, input.image);
        break;
      case "release":
        this.#abandon();
        this.#command("release", now);
        break;
      case "identify":
      case "activate":
      case "commit":
      case "revert":
        this.#command(input.type, now);
        break;
    }
    this.#drain(now);
  }

  handleDeadline(now: Instant): void {
    this.#client.handleDeadline(now);
    this.#drain(now);
    const until = this.#run?.until;
    if (until !== undefined && now >= until) this.#ask(now);
    if (this.#keepAliveAt !== undefined && now >= this.#keepAliveAt) this.#keepAlive(now);
    this.#drain(now);
  }

  poll(): UpdaterOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    // While a 3E 80 is on its way the next request waits for it, however long it has been due.
    const until = this.#client.busy ? undefined : this.#run?.until;
    return earliest(this.#client.nextDeadline(), until, this.#keepAliveAt);
  }

  save(): EcuUpdaterState {
    const [run, keepAliveAt, keepingAlive] = [this.#run, this.#keepAliveAt, this.#keepingAlive];
    return { run, client: this.#client.save(), keepAliveAt, keepingAlive };
  }

  load({ run, client, keepAliveAt, keepingAlive }: EcuUpdaterState): void {
    this.#run = run;
    this.#client.load(client);
    this.#keepAliveAt = keepAliveAt;
    this.#keepingAlive = keepingAlive;
    this.#outputs = [];
  }

  #command(command: UpdateCommand, now: Instant, image?: Uint8Array): void {
    if (this.#run !== undefined) throw new UsageError(`${this.#config.ecu}: ${this.#run.command} is under way`);
    this.#keepAliveAt = undefined;
    const fault = image === undefined ? undefined : imageFault(this.#config, image);
    if (fault !== undefined) {
      this.#outputs.push({ type: "failed", phase: "session", error: fault });
      return;
    }
    const memory = freshMemory(this.#config, command, image);
    this.#enter({ command, step: 0, attempt: 1, repeats: 0, memory, phase: undefined }, 0, now);
  }

  #abandon(): void {
    this.#run = undefined;
    this.#keepingAlive = false;
    this.#client.handle({ type: "cancel" }, 0 as Instant);
  }

  /** Goes to the first row from `index` on that is not passed over, or ends the run behind the last. */
  #enter(run: Run, index: number, now: Instant, after?: number): void {
    const procedure = this.#procedures[run.command];
    const step = nextStep(procedure, index, run.memory);
    if (step === undefined) {
      this.#finish(run, now);
      return;
    }
    const { pause } = procedure[step] as Step<UpdateMemory>;
    const wait = after ?? pause ?? 0;
    this.#run = { ...run, step, repeats: 0, until: (now + wait) as Instant };
    this.#ask(now);
  }

  /** Sends the request of the row, unless its time has not come or a 3E 80 is still on its way. */
  #ask(now: Instant): void {
    const run = this.#run;
    if (run?.until === undefined || now < run.until || this.#client.busy) return;
    const step = this.#procedures[run.command][run.step] as Step<UpdateMemory>;
    this.#keepAliveAt = undefined;
    this.#showPhase(run, step.phase);
    const { until: _, ...asking } = run;
    this.#run = { ...asking, phase: step.phase };
    this.#client.handle({ type: "request", data: step.ask(run.memory) }, now);
  }

  #drain(now: Instant): void {
    for (let said = this.#client.poll(); said !== undefined; said = this.#client.poll()) {
      if (said.type === "transmit" || said.type === "noted") this.#outputs.push(said);
      else if (this.#keepingAlive) this.#keptAlive(now);
      else if (said.type === "response") this.#answered(said.data, now);
      else if (said.type === "failed") this.#failed(said.error, now);
    }
  }

  #answered(response: Uint8Array, now: Instant): void {
    const run = this.#run as Run;
    const step = this.#procedures[run.command][run.step] as Step<UpdateMemory>;
    this.#judge(run, step.answered?.(run.memory, response) ?? { go: "on" }, now);
  }

  #failed(error: BenchError, now: Instant): void {
    const run = this.#run as Run;
    const step = this.#procedures[run.command][run.step] as Step<UpdateMemory>;
    this.#judge(
      run,
      step.failed?.(run.memory, error) ?? generalVerdict(step, error, { ...this.#timing, path: this.#client.path }),
      now,
    );
  }

  #judge(run: Run, verdict: Verdict<UpdateMemory>, now: Instant): void {
    switch (verdict.go) {
      case "on": {
        const memory = verdict.memory ?? run.memory;
        this.#showDone(run, memory);
        this.#enter({ ...run, memory }, run.step + 1, now);
        return;
      }
      case "to": {
        const memory = verdict.memory ?? run.memory;
        this.#showDone(run, memory);
        const index = this.#procedures[run.command].findIndex(({ name }) => name === verdict.step);
        this.#enter({ ...run, memory }, index, now, verdict.after ?? 0);
        return;
      }
      case "again":
        this.#again(run, verdict, now);
        return;
      case "over":
        this.#over(run, verdict.error, verdict.memory ?? run.memory, now);
        return;
      case "fail":
        this.#fail(run, verdict.error);
        return;
    }
  }

  #again(run: Run, verdict: Verdict<UpdateMemory> & { go: "again" }, now: Instant): void {
    const { error, max, after, otherwise = "over" } = verdict;
    if (run.repeats >= max) {
      this.#judge(run, { go: otherwise, error }, now);
      return;
    }
    this.#run = { ...run, repeats: run.repeats + 1, until: after === undefined ? now : plus(now, after) };
    this.#keepAliveAt = verdict.keepAlive === true ? plus(now, this.#timing.keepAlive) : undefined;
    this.#ask(now);
  }

  #over(run: Run, error: BenchError, memory: UpdateMemory, now: Instant): void {
    if (run.attempt >= this.#attemptsMax) {
      this.#fail(run, error);
      return;
    }
    const delay = this.#timing.retryDelay * 2 ** (run.attempt - 1);
    const again = { ...run, attempt: run.attempt + 1, memory: memoryForAnotherAttempt(memory) };
    this.#enter(again, 0, now, delay);
  }

  #fail(run: Run, error: BenchError): void {
    const { phase } = this.#procedures[run.command][run.step] as Step<UpdateMemory>;
    this.#run = undefined;
    this.#outputs.push({ type: "failed", phase, error });
  }

  #finish({ command, memory }: Run, now: Instant): void {
    this.#run = undefined;
    const { version, serial, hardwareVersion } = memory;
    switch (command) {
      case "identify":
        this.#outputs.push({ type: "identified", version, serial, hardwareVersion });
        return;
      case "program":
        this.#keepAliveAt = plus(now, this.#timing.keepAlive);
        this.#outputs.push({ type: "programmed" });
        return;
      case "activate":
        this.#outputs.push({ type: "activated", version });
        return;
      case "commit":
        this.#outputs.push({ type: "committed" });
        return;
      case "revert":
        this.#outputs.push({ type: "reverted", version });
        return;
      case "release":
        this.#outputs.push({ type: "released" });
        return;
    }
  }

  #keepAlive(now: Instant): void {
    this.#keepAliveAt = plus(now, this.#timing.keepAlive);
    if (this.#client.busy) return;
    this.#keepingAlive = true;
    this.#client.handle({ type: "request", data: keepAlive() }, now);
  }

  /** It is on its way, or it was lost; the next one comes in any case, and a session that is gone shows by itself. */
  #keptAlive(now: Instant): void {
    this.#keepingAlive = false;
    this.#ask(now);
  }

  #showPhase(run: Run, phase: UpdatePhase): void {
    if (run.phase !== phase) this.#show(phase, phase === "transfer" ? run.memory.offset : 0, run.memory);
  }

  /** Erase and check have no steps in between that could be counted. */
  #showDone({ phase, memory: before }: Run, memory: UpdateMemory): void {
    if (phase === "erase" || phase === "check") this.#show(phase, memory.image?.length ?? 0, memory);
    else if (memory.offset !== before.offset) this.#show("transfer", memory.offset, memory);
  }

  #show(phase: UpdatePhase, done: number, memory: UpdateMemory): void {
    const total = COUNTED.has(phase) ? (memory.image?.length ?? 0) : 0;
    this.#outputs.push({ type: "progress", phase, done, total });
  }
}
