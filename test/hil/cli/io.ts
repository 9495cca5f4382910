import type { CommandIo } from "../../../hil/cli/command.ts";

/** A command's surroundings, kept. */
export interface KeptIo extends CommandIo {
  readonly out: () => string;
  readonly err: () => string;
  /** How often something was written to standard output. */
  readonly writes: () => number;
  clock: number;
}

/** @param terminal pretends that standard output is one, so many characters wide */
export function keptIo(terminal?: number): KeptIo {
  const out: string[] = [];
  const err: string[] = [];
  return {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    isTty: terminal !== undefined,
    columns: terminal ?? 80,
    now() {
      return this.clock;
    },
    clock: 0,
    out: () => out.join(""),
    err: () => err.join(""),
    writes: () => out.length,
  };
}
