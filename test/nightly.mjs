// What `npm run nightly` runs: the property tests, with a million inputs each or as many as OTABENCH_RUNS says.
process.env.OTABENCH_RUNS ??= "1000000";
process.argv.splice(2, 0, "test/property");
await import("./run.mjs");
