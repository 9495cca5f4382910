const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs something that ends when the process is told to; SIGHUP comes when its terminal is closed. */
export async function untilSignal<Result>(work: (stop: AbortSignal) => Promise<Result>): Promise<Result> {
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await work(ending.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
