import type { BenchError } from "../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../emulator/kernel/machine.ts";
import type { HostAnswer, HostKind, HostRequest } from "./host-request.ts";

/** What is in the vehicle, as the vehicle gateway found it. */
export interface Inventory {
  readonly vin: string;
  readonly ecus: readonly { readonly id: string; readonly version: string }[];
}

/** How the origin of a fetched package is proven, besides what the package format itself carries. */
export interface DetachedSignature {
  readonly algorithm: "RSA-PKCS1-SHA256";
  readonly signature: Uint8Array;
}

/** Something the update system has for this vehicle. Plain data. */
export interface Offer {
  /** Which release it is, in the system's own words (a path, a campaign id). */
  readonly release: string;
  /** Length in bytes; undefined when the server does not say. */
  readonly size?: number;
  /** Names this very content (an ETag, a digest), so that a resumed fetch can't join two contents. */
  readonly validator?: string;
}

export type SourceInput =
  /** Is there something for this vehicle? Ends in `offer`, `noOffer` or `failed`. */
  | { readonly type: "look"; readonly inventory: Inventory }
  /** Fetch it, `from` the byte that is missing first. Ends in `fetched`, `cancelled` or `failed`. */
  | { readonly type: "fetch"; readonly offer: Offer; readonly from: number }
  | { readonly type: "cancel" }
  /** Tell the server how it ended. Ends in `reported` or `failed`; a system without reports answers `reported`. */
  | { readonly type: "report"; readonly verdict: string; readonly inventory: Inventory }
  | { readonly type: "answer"; readonly request: number; readonly answer: HostAnswer };

export type SourceOutput =
  | { readonly type: "request"; readonly request: number; readonly what: HostRequest }
  /** The request is of no interest any more; answers to it are ignored. */
  | { readonly type: "abandon"; readonly request: number }
  | { readonly type: "offer"; readonly offer: Offer }
  /** `unknown`: there is nothing of the name that was asked for, in the server's words; else there is nothing newer. */
  | { readonly type: "noOffer"; readonly unknown?: string }
  /** Bytes in order. `offset` is where they belong; 0 again when the server could not resume. */
  | { readonly type: "piece"; readonly offset: number; readonly data: Uint8Array }
  | { readonly type: "fetched"; readonly size: number; readonly signature?: DetachedSignature }
  | { readonly type: "cancelled" }
  | { readonly type: "reported" }
  /** `retryable`: the same again may succeed later (server gone); otherwise it is no use (wrong CA, not found). */
  | { readonly type: "failed"; readonly error: BenchError; readonly retryable: boolean };

/** The device side of one update system: bytes in, bytes out, no opinion about what is in them. */
export interface UpdateSource extends Machine<SourceInput, SourceOutput>, Stateful<unknown> {
  /** "https", "rsu", "srup", "ssu" or "ota". */
  readonly system: string;
  /** Of all its requests to the world outside. */
  readonly kind: HostKind;
}
