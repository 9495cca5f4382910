/** What each system is tried with, on each other side that there is. */
export const COLUMNS = ["happy path", "resume", "bad signature", "replay"] as const;
type Column = (typeof COLUMNS)[number];

/** One cell: what comes of it, in the words of the README, and the run that shows it. */
export interface Cell {
  readonly outcome: string;
  /** @returns what came of it */
  run(): Promise<string>;
}

/** One row: an update system before one other side. A new one: an object in a file here, and its name in `rows.ts`. */
export interface MatrixRow {
  readonly system: string;
  /** Who is on the other side. */
  readonly peer: string;
  /** Programs of test/support/programs.ts without which there is no such other side. */
  readonly judges?: readonly string[];
  /** Undefined where the other side has no say in it. */
  readonly cells: Readonly<Record<Column, Cell | undefined>>;
}
