import type { Instant } from "../kernel/time.ts";
import type { Work } from "./work.ts";

/** What an ECU remembers of keys that were wrong, over resets and power cuts. (ISO 14229-1:2020, 10.4.1 and Annex I) */
export interface SecurityHost {
  /** requestSeed is refused until then. */
  readonly delayUntil: Instant | undefined;

  /**
   * A key came. It is counted before anybody can learn whether it was right, so that no power cut buys a free guess.
   * @returns refused with NRC 0x35, or 0x36 when this was one too many; done when the key was right
   */
  keyReceived(right: boolean, now: Instant): Work;
}
