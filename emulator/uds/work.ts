import type { Instant } from "../kernel/time.ts";
import type { Nrc } from "../wire/uds.ts";

/** What came of something the server asked for. Long work is data: it is asked for again at `until`. */
export type Work =
  /** Done. `record` is what the positive response carries behind its fixed part. */
  | { readonly type: "done"; readonly record: Uint8Array }
  | { readonly type: "refused"; readonly nrc: Nrc }
  /** Under way; `resume` tells at `until` what became of it, which may be "busy" again. */
  | { readonly type: "busy"; readonly until: Instant };

export const DONE: Work = { type: "done", record: new Uint8Array(0) };
export const refused = (nrc: Nrc): Work => ({ type: "refused", nrc });
