import type { EcuResult } from "../../gateway/campaign/ecu-record.ts";
import type { DetachedSignature, Inventory } from "../../gateway/source/update-source.ts";
import type { Versions } from "./package-versions.ts";

/** A release whose origin and contents have been checked for this target. */
export interface CheckedRelease {
  readonly versions: Versions;
  /** False: the target has all of it already. */
  readonly isNew: boolean;
}

export interface ApplyResult {
  /** "updated", or what else came of it. */
  readonly verdict: string;
  readonly code?: string;
  readonly reason?: string;
  readonly ecus?: readonly Pick<EcuResult, "ecu" | "before" | "after" | "verdict">[];
}

/** What a device brings releases to. */
export interface Target {
  /** For reports. */
  readonly text: string;
  /** @param release what the server called the last one that was applied; some servers offer by that */
  inventory(floor: Versions, release: string | undefined): Promise<Inventory>;
  /** Changes nothing. @throws {PackageError} */
  check(bytes: Uint8Array, signature: DetachedSignature | undefined, floor: Versions): Promise<CheckedRelease>;
  /** All of it or nothing. @throws {BenchError} */
  apply(bytes: Uint8Array, signature: DetachedSignature | undefined): Promise<ApplyResult>;
}
