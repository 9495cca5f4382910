import type { Duration } from "../../kernel/time.ts";

/** What a server has of 0x86. Plain data. */
export interface EventsConfig {
  /** How many events can be set up at a time. */
  readonly countMax: number;
  /** How often identifiers and DTCs are looked at for a change. */
  readonly interval: Duration;
  /** timerRate 01, 02, 03: slow, medium, fast. */
  readonly timers: readonly [slow: Duration, medium: Duration, fast: Duration];
  /** eventWindowTime 03, 04, 05; 02 has no end. */
  readonly windows: readonly [short: Duration, medium: Duration, long: Duration];
}
