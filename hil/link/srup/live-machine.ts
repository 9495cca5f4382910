import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";
import type { StateFile } from "../../record/state-file.ts";

const NS_PER_MS = 1_000_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What is kept of a machine between two processes. Deadlines count from `origin`, milliseconds of the wall clock. */
interface Saved {
  readonly origin: number;
  readonly state: unknown;
}

/**
 * A machine on the wall clock. Whatever it says is acted on only after its state has been stored, so that no restart
 * forgets what a peer has been told.
 */
export class LiveMachine<Input, Output> {
  readonly #machine: Machine<Input, Output> & Stateful<unknown>;
  readonly #store: StateFile;
  readonly #said: (output: Output) => void;
  readonly #origin: number;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Goes on with what an earlier process has stored. */
  constructor(machine: Machine<Input, Output> & Stateful<unknown>, store: StateFile, said: (output: Output) => void) {
    this.#machine = machine;
    this.#store = store;
    this.#said = said;
    const saved = store.read() as Saved | undefined;
    this.#origin = saved?.origin ?? Date.now();
    if (saved !== undefined) machine.load(saved.state);
  }

  /** @throws {UsageError} what the machine throws */
  push(input: Input): void {
    if (this.#isClosed) return;
    this.#machine.handle(input, this.#now());
    this.#drain();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #now(): Instant {
    return (Math.max(0, Date.now() - this.#origin) * NS_PER_MS) as Instant;
  }

  #drain(): void {
    const outputs: Output[] = [];
    for (let output = this.#machine.poll(); output !== undefined; output = this.#machine.poll()) outputs.push(output);
    // said or not: a message that nothing follows from moves a counter too
    this.#store.write({ origin: this.#origin, state: this.#machine.save() } satisfies Saved);
    for (const output of outputs) this.#said(output);
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.#machine.nextDeadline();
    if (deadline === undefined || this.#isClosed) return;
    const delay = Math.min(TIMER_MAX_MS, Math.max(1, Math.ceil((deadline - this.#now()) / NS_PER_MS)));
    this.#timer = setTimeout(() => {
      this.#machine.handleDeadline(this.#now());
      this.#drain();
    }, delay);
  }
}
