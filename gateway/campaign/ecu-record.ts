import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { EcuImage } from "../package/verified-package.ts";

/** Which ECUs a campaign may reach, and which of them share a bus (and so take turns). */
export interface CampaignEcu {
  readonly id: string;
  /** ECUs of one lane are programmed one after the other; lanes run in parallel. The name of the zone's gateway. */
  readonly lane: string;
}

/** How far one ECU is. */
type EcuStage =
  | "unknown"
  | "identified"
  | "silent"
  | "programming"
  | "programmed"
  | "activating"
  | "activated"
  | "committing"
  | "committed"
  | "reverting"
  | "reverted"
  | "failed";

/** What the campaign knows of one ECU. Plain data, replaced and never changed. */
export interface EcuRecord {
  readonly id: string;
  readonly lane: string;
  readonly stage: EcuStage;
  /** What it answered before anything was done; undefined when it did not answer. */
  readonly before?: string;
  /** What it answered last. */
  readonly observed?: string;
  /** Is an answer outstanding? */
  readonly busy: boolean;
  readonly image?: EcuImage;
  /** Why it failed, and in which phase. */
  readonly failure?: { readonly phase: string; readonly error: BenchError };
}

/** How a campaign ended for one ECU: only what was observed. */
type EcuVerdict = "updated" | "unchanged" | "rolledBack" | "failed";

export interface EcuResult {
  readonly ecu: string;
  readonly before?: string;
  readonly target?: string;
  /** What the ECU answered at the very end; undefined when it did not answer. */
  readonly after?: string;
  readonly verdict: EcuVerdict;
}

/**
 * "updated" means that the ECU was asked and answered the version it was meant to get; "rolledBack" that it answers the
 * old one after its new one had been activated.
 */
export function ecuResult(record: EcuRecord, wasActivated: boolean): EcuResult {
  const { id, before, image, observed } = record;
  const result = {
    ecu: id,
    ...(before === undefined ? {} : { before }),
    ...(image === undefined ? {} : { target: image.version }),
    ...(observed === undefined ? {} : { after: observed }),
  };
  if (observed === undefined) return { ...result, verdict: "failed" };
  if (image !== undefined && observed === image.version) return { ...result, verdict: "updated" };
  if (observed !== before) return { ...result, verdict: "failed" };
  return { ...result, verdict: wasActivated ? "rolledBack" : "unchanged" };
}
