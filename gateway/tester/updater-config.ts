import { type Duration, ms, s } from "../../emulator/kernel/time.ts";
import type { SeedKeyFormula } from "../../emulator/wire/seed-key.ts";
import type { UdsClientTiming } from "./uds-client.ts";
import type { MemoryRange } from "./uds-messages.ts";

/** How one ECU is to be updated. Plain data. */
export interface UpdaterConfig {
  /** The name that its images must carry. */
  readonly ecu: string;
  /** The window through which a tester sees the bank that does not run. */
  readonly memory: MemoryRange;
  readonly seedKey: SeedKeyFormula;
  /** What is written to DID F15B before anything is erased: who did it, and when, as the vehicle maker wants it. */
  readonly fingerprint: Uint8Array;
  /**
   * While it is programmed, the ECU is told to record no DTCs and to send none but diagnostic messages (85 02, 28 03). One
   * that refuses is programmed all the same. True unless told.
   */
  readonly quiet?: boolean;
  /** How often a procedure is begun, in all, before it is given up; 3 unless told. */
  readonly attemptsMax?: number;
  /** How many questions to an ECU that starts may go without an answer; 40 unless told. */
  readonly bootTriesMax?: number;
  /** The longest request that the way to the ECU takes, bytes; 4095 unless told. */
  readonly messageMax?: number;
  readonly client?: Partial<UdsClientTiming>;
  readonly timing?: Partial<UpdaterTiming>;
}

export interface UpdaterTiming {
  /** Between two 3E 80. */
  readonly keepAlive: Duration;
  /** Before a request is repeated that was answered 0x21. */
  readonly busyDelay: Duration;
  /** Before a procedure is begun again; twice as long each further time. */
  readonly retryDelay: Duration;
  /** How long an ECU that answers 0x37 is left alone. */
  readonly securityDelay: Duration;
  /** From the answer to 11 01 to the first question. */
  readonly bootDelay: Duration;
  /** Between two questions to an ECU that does not answer yet. */
  readonly bootRetryDelay: Duration;
  /** How long new software must answer without a gap, and how often it is asked meanwhile. */
  readonly soak: Duration;
  readonly soakInterval: Duration;
  /** Before a commit is asked for again that came too early. */
  readonly commitDelay: Duration;
}

/** The soak outlasts the two seconds after which new software confirms itself. */
export const UPDATER_TIMING: UpdaterTiming = {
  keepAlive: s(2),
  busyDelay: ms(200),
  retryDelay: s(1),
  securityDelay: ms(10_500),
  bootDelay: ms(500),
  bootRetryDelay: ms(500),
  soak: s(3),
  soakInterval: ms(200),
  commitDelay: ms(500),
};

export const ATTEMPTS_MAX = 3;
/** Of one request that got no answer, or whose answer got lost. */
export const REPEATS_MAX = 3;
/** Of one request that was answered 0x21, or that the gateway had no room for. */
export const BUSY_MAX = 20;
export const BOOT_TRIES_MAX = 40;
/** Of a commit that comes too early. */
export const COMMIT_TRIES_MAX = 20;
/** Of a reset that did not happen. */
export const RESETS_MAX = 2;
/** The longest request over ISO-TP on classic CAN. */
export const MESSAGE_MAX = 4095;
/** Blocks are not made shorter than that, however often the way refuses them. */
export const BLOCK_LENGTH_MIN = 66;
