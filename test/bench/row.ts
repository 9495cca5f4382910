/** What one run of a row came to. */
export interface BenchResult {
  readonly frames: number;
  /** Wall time, ns. */
  readonly wallNs: number;
  /** Virtual time that passed, ns. */
  readonly virtualNs: number;
}

/**
 * One line of the table that `npm run bench` prints. `run` does the job once; it is called several times, rows in turn,
 * and the best time counts. A new row: an object in a file of its own here, and its name in `rows.ts`.
 */
export interface BenchRow {
  /** What is run, a few words. */
  readonly name: string;
  /** The name of the row that its time a frame is compared with. */
  readonly comparedWith?: string;
  run(): BenchResult;
}

/** Wall time of a job, ns. */
export function measure(job: () => void): number {
  const begin = process.hrtime.bigint();
  job();
  return Number(process.hrtime.bigint() - begin);
}
