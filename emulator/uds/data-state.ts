import type { Duration, Instant } from "../kernel/time.ts";

/** A piece of a dynamically defined identifier. */
export type DynamicSource =
  /** @param offset of the first byte in the record, 0 first */
  | { readonly type: "identifier"; readonly did: number; readonly offset: number; readonly size: number }
  | { readonly type: "memory"; readonly address: number; readonly size: number };

export interface DynamicIdentifier {
  readonly did: number;
  readonly sources: readonly DynamicSource[];
}

/** A periodic identifier that is being sent. */
export interface PeriodicTransmission {
  /** F200 to F2FF. */
  readonly did: number;
  readonly every: Duration;
  readonly due: Instant;
}

/** Where an upload comes from. */
export type UploadSource =
  | { readonly type: "memory"; readonly address: number }
  | { readonly type: "file" | "directory"; readonly path: string };

/** A transfer by 36 and 37 that is not a download into flash. */
export type DataTransfer = {
  readonly size: number;
  /** blockSequenceCounter of the last block; 0 before the first. */
  readonly lastCounter: number;
  readonly blocks: number;
  /** What is done, bytes. */
  readonly done: number;
} & (
  | {
      readonly direction: "upload";
      readonly source: UploadSource;
      /** Where the last block began, for one that is asked for again. */
      readonly lastOffset: number;
    }
  | { readonly direction: "download"; readonly path: string }
);

/** What the services of data remember between requests. */
export interface DataState {
  transfer: DataTransfer | undefined;
  dynamic: readonly DynamicIdentifier[];
  periodic: readonly PeriodicTransmission[];
}

export const freshDataState = (): DataState => ({ transfer: undefined, dynamic: [], periodic: [] });
