import { busRows } from "./bus-rows.ts";
import { isoTpRows } from "./isotp-rows.ts";
import type { BenchRow } from "./row.ts";
import { stackRows } from "./stack-rows.ts";

/** All rows, in the order in which they are printed. */
export const rows: readonly BenchRow[] = [...busRows, ...isoTpRows, ...stackRows];
