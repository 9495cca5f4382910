import { PeerError } from "../../emulator/kernel/errors.ts";

/** The new software of one ECU, ready to be sent to it. */
export interface EcuImage {
  /** "ECU_011" */
  readonly ecu: string;
  /** x.y.z, as the package says. What counts in the end is what the ECU answers. */
  readonly version: string;
  /** 0 first; ECUs of one bus are programmed in that order. */
  readonly priority: number;
  /** What is written to the ECU: its image header and code (emulator/wire/image-header). */
  readonly payload: Uint8Array;
  /** Other ECUs and the least version that each must have or get. */
  readonly dependencies: readonly { readonly ecu: string; readonly versionMin: string }[];
}

/** A package whose origin and contents have been checked. Plain data. */
export interface VerifiedPackage {
  readonly format: "vehicle" | "swpg" | "raw";
  readonly images: readonly EcuImage[];
}

export type PackageErrorCode =
  | "PACKAGE_SIGNATURE_MISSING"
  | "PACKAGE_SIGNATURE_WRONG"
  | "PACKAGE_TRUNCATED"
  | "PACKAGE_MALFORMED"
  | "PACKAGE_CHECKSUM_WRONG"
  | "PACKAGE_TARGET_WRONG"
  | "PACKAGE_VERSION_OLDER"
  | "PACKAGE_TOO_LARGE"
  | "PACKAGE_DEPENDENCY_MISSING";

/** A package that must not be installed. Nothing of it has been used. */
export class PackageError extends PeerError {
  override readonly code: PackageErrorCode;
  override readonly clause: string;

  /** @param clause where the rule stands, e.g. "docs/protocols/packages.md, vehicle header" */
  constructor(code: PackageErrorCode, reason: string, clause: string) {
    super(reason);
    this.code = code;
    this.clause = clause;
  }
}
