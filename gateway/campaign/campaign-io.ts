import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { PackagePolicy } from "../package/open-package.ts";
import type { VerifiedPackage } from "../package/verified-package.ts";
import type { SourceInput, SourceOutput } from "../source/update-source.ts";
import type { CampaignEcu, EcuResult } from "./ecu-record.ts";

export interface CampaignConfig {
  readonly vin: string;
  readonly ecus: readonly CampaignEcu[];
  /** What the package pipeline is told besides what the campaign finds out itself. */
  readonly policy: Omit<PackagePolicy, "vin" | "installed" | "signature">;
}

/** What an ECU is told to do; each ends in the answer of the same row, or in `failed`. */
export type EcuCommand =
  | { readonly type: "identify" }
  | { readonly type: "program"; readonly image: Uint8Array }
  | { readonly type: "activate" }
  | { readonly type: "commit" }
  | { readonly type: "revert" }
  | { readonly type: "release" };

export type EcuAnswer =
  | { readonly type: "identified"; readonly version: string }
  | { readonly type: "programmed" }
  | { readonly type: "activated"; readonly version: string }
  | { readonly type: "committed" }
  | { readonly type: "reverted"; readonly version: string }
  | { readonly type: "released" }
  | { readonly type: "failed"; readonly phase: string; readonly error: BenchError };

/** What a source says to its campaign; its requests go to the world outside. */
export type SourceSaid = Exclude<SourceOutput, { type: "request" | "abandon" }>;

export type CampaignInput =
  | { readonly type: "start" }
  | { readonly type: "cancel" }
  | { readonly type: "ecu"; readonly ecu: string; readonly answer: EcuAnswer }
  | { readonly type: "source"; readonly said: SourceSaid };

export type CampaignOutput =
  | { readonly type: "ecu"; readonly ecu: string; readonly command: EcuCommand }
  | { readonly type: "source"; readonly input: SourceInput }
  | { readonly type: "entered"; readonly from: PhaseName; readonly to: PhaseName }
  | { readonly type: "verified"; readonly verified: VerifiedPackage; readonly size: number }
  | { readonly type: "refused"; readonly error: BenchError }
  | { readonly type: "observed"; readonly ecu: string; readonly version: string | undefined; readonly when: string }
  | { readonly type: "ended"; readonly result: CampaignResult };

/**
 * - "updated": every ECU of the package was asked after its reset and answered the new version
 * - "upToDate": there was nothing to do
 * - "refused": what was offered must not be installed; no ECU was touched
 * - "failed": it ended before anything was activated; every ECU runs what it ran
 * - "rolledBack": something failed after activation; every ECU answers its old version again
 * - "mixed": some ECU answers neither what the rest has nor at all; the vehicle needs another campaign
 */
type CampaignVerdict = "updated" | "upToDate" | "refused" | "failed" | "rolledBack" | "mixed";

export interface CampaignResult {
  readonly verdict: CampaignVerdict;
  /** Why it did not end in "updated". */
  readonly error?: BenchError;
  readonly ecus: readonly EcuResult[];
}

export type PhaseName =
  | "idle"
  | "inventory"
  | "looking"
  | "fetching"
  | "verifying"
  | "distributing"
  | "activating"
  | "committing"
  | "rollingBack"
  | "observing"
  | "reporting"
  | "ended";
