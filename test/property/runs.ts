/** How many inputs each property is tried with: OTABENCH_RUNS, which `npm run nightly` sets to a million. */
export const RUNS = Number(process.env.OTABENCH_RUNS ?? 2_000);

/** How long a test of that many runs may take, ms. */
export const TIMEOUT_MS = 60_000 + RUNS * 2;
