import { httpsRows } from "./https-rows.ts";
import type { MatrixRow } from "./row.ts";
import { rsuRows } from "./rsu-rows.ts";
import { srupRows } from "./srup-rows.ts";
import { ssuRows } from "./ssu-rows.ts";

/** All rows, in the order of the README. */
export const rows: readonly MatrixRow[] = [...httpsRows, ...rsuRows, ...srupRows, ...ssuRows];
