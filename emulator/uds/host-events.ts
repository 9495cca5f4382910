import type { Instant } from "../kernel/time.ts";
import type { Work } from "./work.ts";

/** Where an ECU keeps the events of 0x86 that are to outlive a power cut. */
export interface EventHost {
  /** What was stored last; undefined when there is nothing. */
  readonly stored: Uint8Array | undefined;
  /** At most this many bytes. */
  readonly lengthMax: number;
  store(data: Uint8Array, now: Instant): Work;
}
