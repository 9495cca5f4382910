import type { Duration, Instant } from "../kernel/time.ts";
import type { Access, DidRule } from "./access.ts";
import type { CommunicationHost } from "./host-communication.ts";
import type { DataHost } from "./host-data.ts";
import type { DtcHost } from "./host-dtc.ts";
import type { EventHost } from "./host-events.ts";
import type { SecretsHost } from "./host-secrets.ts";
import type { SecuredHost } from "./host-secured.ts";
import type { SecurityHost } from "./host-security.ts";
import type { Work } from "./work.ts";

export type { Access, DidRule } from "./access.ts";
export { DONE, refused, type Work } from "./work.ts";

export interface RoutineRule extends Access {
  /** Which routineControlTypes it has. */
  readonly types: readonly number[];
  /** What a start means to a download that is under way: it ends it, or must wait for it (NRC 0x24). */
  readonly download: "ends" | "refused";
}

/** What the bench made the server do instead of the right thing. */
export type Misbehaviour =
  | { readonly type: "refuse"; readonly nrc: number }
  | { readonly type: "silence" }
  /** It takes the request, does nothing, and answers 0x78 until a reset. */
  | { readonly type: "pendingForever" }
  /** It does what it is asked for, and answers that long after P2Server, or later, without a 0x78. */
  | { readonly type: "late"; readonly by: Duration }
  /** It does what it is asked for; the byte behind the SID of its positive response is one too high. */
  | { readonly type: "wrongEcho" };

/** One request, as a misbehaviour may be bound to it. */
export interface RequestFacts {
  readonly sid: number;
  /** 36 only: which block of the download it is, 1 first; a repeated block has the number it had. */
  readonly block: number | undefined;
}

/**
 * The ECU, as its UDS server sees it. Plain calls; nothing is called back. At most one work is under way.
 * The server has checked session, security, lengths and sequence before it calls.
 */
export interface UdsHost {
  readonly dids: ReadonlyMap<number, DidRule>;
  readonly routines: ReadonlyMap<number, RoutineRule>;
  readonly security: SecurityHost;
  /** Undefined: it has none but diagnostic messages. */
  readonly communication?: CommunicationHost;
  readonly secrets: SecretsHost;
  /** Undefined: it has no 0x84. */
  readonly secured?: SecuredHost;
  /** Undefined: no event outlives a reset. */
  readonly events?: EventHost;
  /** Undefined: it has no DTC memory. */
  readonly dtc?: DtcHost;
  /** Without it the services of data, of input and output, and of files are not there. */
  readonly dataHost?: DataHost;

  /** The data of an identifier in {@link dids}; undefined when there is none at the moment. */
  readData(did: number): Uint8Array | undefined;
  writeData(did: number, data: Uint8Array, now: Instant): Work;
  startRoutine(rid: number, option: Uint8Array, now: Instant): Work;
  requestDownload(address: number, size: number, now: Instant): Work;
  /** @param offset where in the download `data` belongs; blocks come in order and without gaps */
  transferData(offset: number, data: Uint8Array, now: Instant): Work;
  transferExit(now: Instant): Work;
  /** Makes ready for a reset, which then follows once the response is on the wire. */
  prepareReset(now: Instant): Work;
  /** What became of the work that was "busy" until `now`. */
  resume(now: Instant): Work;

  /** A new seed: uint32, never 0. */
  seed(): number;
  misbehave(facts: RequestFacts, now: Instant): Misbehaviour | undefined;
}
