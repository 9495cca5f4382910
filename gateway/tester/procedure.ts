import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { Duration } from "../../emulator/kernel/time.ts";

/** What an update is doing, as people are told. */
export type UpdatePhase = "identify" | "session" | "security" | "erase" | "transfer" | "check" | "activate" | "confirm";

/** What comes of a step's answer, or of its failure. `memory` is what the run remembers from here on. */
export type Verdict<Memory> =
  | { readonly go: "on"; readonly memory?: Memory }
  /** To a step by its name, which may be this one. */
  | { readonly go: "to"; readonly step: string; readonly memory?: Memory; readonly after?: Duration }
  /** The same request once more, at most `max` times in a row; then `otherwise`, which is "over" if left out. */
  | {
      readonly go: "again";
      readonly error: BenchError;
      readonly max: number;
      readonly after?: Duration;
      /** The wait is long: the session is kept alive meanwhile. */
      readonly keepAlive?: boolean;
      readonly otherwise?: "over" | "fail";
    }
  /** The whole procedure from its first step; the run counts how often. */
  | { readonly go: "over"; readonly error: BenchError; readonly memory?: Memory }
  | { readonly go: "fail"; readonly error: BenchError };

/** One row of a procedure: a request, and what its answer means. Rows hold no state. */
export interface Step<Memory> {
  /** Unique in its procedure. */
  readonly name: string;
  readonly phase: UpdatePhase;
  /** The row is passed over when this says no. */
  when?(memory: Memory): boolean;
  /** The request to be sent. */
  ask(memory: Memory): Uint8Array;
  /** The positive response, its SID included; on to the next row if left out. */
  answered?(memory: Memory, response: Uint8Array): Verdict<Memory>;
  /** Instead of the rules that hold for every row; undefined leaves it to them. */
  failed?(memory: Memory, error: BenchError): Verdict<Memory> | undefined;
  /** Asking twice does no harm, so a request or an answer that got lost is asked for again. */
  readonly repeatable?: boolean;
  /** When that has been done in vain the procedure ends; otherwise it starts over. */
  readonly givesUp?: boolean;
  /** Before the request is sent, when the row is come to from the one before. */
  readonly pause?: Duration;
}

/** A procedure is a table; a run of it is plain data: which row, which attempt, what is remembered. */
export type Procedure<Memory> = readonly Step<Memory>[];

/** The row to begin with from `index` on: the first that is not passed over; undefined behind the last. */
export function nextStep<Memory>(procedure: Procedure<Memory>, index: number, memory: Memory): number | undefined {
  const next = procedure.findIndex((step, at) => at >= index && (step.when?.(memory) ?? true));
  return next < 0 ? undefined : next;
}
