import type { Duration, Instant } from "../kernel/time.ts";
import type { Session } from "../wire/uds.ts";
import type { Access, DidRule } from "./access.ts";
import type { Work } from "./work.ts";

/** One stretch of memory that testers may address. */
export interface MemoryRule {
  readonly address: number;
  readonly size: number;
  readonly read?: Access;
  readonly write?: Access;
}

/** An identifier that a tester may take control of. (ISO 14229-1:2020, 13.3) */
export interface ControlRule extends Access {
  /** The largest value of each parameter, in the order of the record, and its length in bytes. */
  readonly parameters: readonly { readonly length: number; readonly max: number }[];
  /** Requests carry a controlEnableMaskRecord: one bit for each parameter, the first in bit 7 of the first byte. */
  readonly masked: boolean;
}

/** inputOutputControlParameter, by name. (ISO 14229-1:2020, Table E.1) */
export type Control =
  | { readonly type: "returnControlToEcu" }
  | { readonly type: "resetToDefault" }
  | { readonly type: "freezeCurrentState" }
  | { readonly type: "shortTermAdjustment"; readonly values: readonly number[] };

/** How much of each kind a server keeps for its tester. */
export interface DataLimits {
  /** How many identifiers may be defined dynamically, and of how many pieces each. */
  readonly dynamicIdentifiersMax: number;
  readonly dynamicSourcesMax: number;
  /** How many periodic identifiers are sent at the same time. */
  readonly periodicIdentifiersMax: number;
  /** The longest periodic record, bytes, its identifier not counted: what fits into one frame. */
  readonly periodicDataMax: number;
  /** Times between two messages of one identifier; 1 ms at least. */
  readonly periodicRates: { readonly slow: Duration; readonly medium: Duration; readonly fast: Duration };
}

/** The file system, as the server sees it. Paths have been checked by {@link FileHost.isPath}. */
export interface FileHost {
  /** Where 0x38 may be asked for. */
  readonly access: Access;
  isPath(path: string): boolean;
  /** Begins a file, or begins it again. @returns false when there is no room */
  begin(path: string, size: number): boolean;
  exists(path: string): boolean;
  /** How much is there of a file that was begun and not ended. */
  begun(path: string): { readonly size: number; readonly received: number } | undefined;
  /** The whole of a file. */
  read(path: string): Uint8Array | undefined;
  /** What a directory holds, as text. (docs/protocols/data.md) */
  list(path: string): Uint8Array | undefined;
  append(path: string, data: Uint8Array, now: Instant): Work;
  /** What was begun is whole and takes the place of what was there. */
  finish(path: string, now: Instant): Work;
  remove(path: string, now: Instant): Work;
}

/**
 * What an ECU has for the services of data, of input and output, and of files. As with all of the host, sessions and
 * security have been checked, and long work is resumed with `UdsHost.resume`.
 */
export interface DataHost {
  readonly limits: DataLimits;
  /** Identifiers beside those of the host itself. */
  readonly dids: ReadonlyMap<number, DidRule>;
  /** scalingBytes by identifier. */
  readonly scaling: ReadonlyMap<number, Uint8Array>;
  readonly controls: ReadonlyMap<number, ControlRule>;
  readonly ranges: readonly MemoryRule[];
  readonly files: FileHost;

  readData(did: number, now: Instant): Uint8Array | undefined;
  writeData(did: number, data: Uint8Array, now: Instant): Work;
  /** The range lies within one of {@link ranges}. */
  readMemory(address: number, size: number): Uint8Array;
  writeMemory(address: number, data: Uint8Array, now: Instant): Work;
  /** @param selected for each parameter whether it is meant */
  control(did: number, control: Control, selected: readonly boolean[], now: Instant): void;
  /** Security is locked now; what the session does not allow ends. */
  sessionEntered(session: Session): void;
}
