import type { Session } from "../wire/uds.ts";

/** Where something may be done, and whether security access is needed. */
export interface Access {
  readonly sessions: readonly Session[];
  readonly unlocked: boolean;
}

export interface DidRule {
  readonly read?: Access;
  readonly write?: Access & { readonly lengthMin: number; readonly lengthMax: number };
}
