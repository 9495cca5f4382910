import type { Instant } from "../kernel/time.ts";
import type { Work } from "./work.ts";

/** Where an ECU keeps the anti-replay counter of 0x84, over resets and power cuts. */
export interface SecuredHost {
  /** The last one that was taken; 0 before the first. */
  readonly counter: number;
  /** Takes a counter. What it came with is carried out when that is stored, so that no power cut lets it come again. */
  take(counter: number, now: Instant): Work;
}
