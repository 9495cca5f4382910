import type { ImageHeader } from "../wire/image-header.ts";
import { type Bank, BLANK_METADATA, type BootMetadata, otherBank, withBank } from "./boot-metadata.ts";
import type { CheckedImage } from "./image-check.ts";

/** What a start comes to. */
export interface BootChoice {
  /** "none": the ECU stays in its bootloader. */
  readonly bank: Bank | "none";
  /** Of the image in that bank. */
  readonly header: ImageHeader | undefined;
  readonly trial: boolean;
  /** What the metadata must say, and must have been stored, before the jump. */
  readonly metadata: BootMetadata;
  readonly reverted: { readonly from: Bank; readonly to: Bank | "none"; readonly why: RevertReason } | undefined;
}

type RevertReason = "startsExceeded" | "imageRefused";

/**
 * Chooses the bank to run. A bank on trial has so many starts to be confirmed; then, or when the active image is refused,
 * the other bank is taken if it is valid and its image passes. What fails is never run, nor tried again.
 * @param check looks at the image of a bank; asked at most once for each
 */
export function chooseBank(
  metadata: BootMetadata,
  trialStartsMax: number,
  check: (bank: Bank) => CheckedImage,
): BootChoice {
  const active = metadata.active;
  const { status, starts } = metadata.banks[active];
  const exhausted = status === "trial" && starts >= trialStartsMax;
  if (status !== "empty" && !exhausted) {
    const image = check(active);
    if (image.result === "ok") {
      const trial = status === "trial";
      const counted = trial ? withBank(metadata, active, { status, starts: starts + 1 }) : metadata;
      return { bank: active, header: image.header, trial, metadata: counted, reverted: undefined };
    }
  }
  return fallBack(metadata, exhausted ? "startsExceeded" : "imageRefused", check);
}

function fallBack(metadata: BootMetadata, why: RevertReason, check: (bank: Bank) => CheckedImage): BootChoice {
  const from = metadata.active;
  const to = otherBank(from);
  const wasEmpty = metadata.banks[from].status === "empty";
  const given = wasEmpty ? metadata : withBank(metadata, from, { status: "empty", starts: 0 });
  if (metadata.banks[to].status === "valid") {
    const image = check(to);
    if (image.result === "ok") {
      const reverted = { from, to, why } as const;
      return { bank: to, header: image.header, trial: false, metadata: { ...given, active: to }, reverted };
    }
  }
  const reverted = wasEmpty ? undefined : ({ from, to: "none", why } as const);
  return { bank: "none", header: undefined, trial: false, metadata: given, reverted };
}

const BANKS: readonly Bank[] = ["A", "B"];

/**
 * Both copies of the metadata are lost, which no single power cut can do: nothing is run. The anti-rollback counter is
 * taken from the images that are there, so that what comes next can't be older than them.
 */
export function nothingToRun(check: (bank: Bank) => CheckedImage): BootChoice {
  const counters = genuine(check).map(({ header }) => header.securityCounter);
  const metadata = { ...BLANK_METADATA, rollbackFloor: Math.max(0, ...counters) };
  return { bank: "none", header: undefined, trial: false, metadata, reverted: undefined };
}

/** The same for bootloaders, without which an ECU is lost: the one with the highest security counter runs. */
export function lastBootloader(check: (bank: Bank) => CheckedImage): BootChoice {
  const [first, second] = genuine(check);
  const best =
    second !== undefined && second.header.securityCounter > (first?.header.securityCounter ?? 0) ? second : first;
  if (best === undefined) return nothingToRun(() => ({ result: "headerMalformed", header: undefined }));
  const { bank, header } = best;
  const given = withBank(BLANK_METADATA, bank, { status: "valid", starts: 0 });
  const metadata = { ...given, active: bank, rollbackFloor: header.securityCounter };
  return { bank, header, trial: false, metadata, reverted: undefined };
}

function genuine(
  check: (bank: Bank) => CheckedImage,
): readonly { readonly bank: Bank; readonly header: ImageHeader }[] {
  return BANKS.flatMap((bank) => {
    const { result, header } = check(bank);
    return result === "ok" && header !== undefined ? [{ bank, header }] : [];
  });
}
