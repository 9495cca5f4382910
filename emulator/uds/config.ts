import { type Duration, ms, s } from "../kernel/time.ts";
import type { SeedKeyFormula } from "../wire/seed-key.ts";
import type { AuthenticationConfig } from "./authentication/config.ts";
import type { EventsConfig } from "./events/config.ts";
import type { SecuredConfig } from "./secured/config.ts";

/**
 * Whose manners the server has: those of ISO 14229-1, or those of the family's bootloader. (docs/protocols/ecu.md, the
 * family's bootloader)
 */
type UdsDialect = "iso14229" | "familyBootloader";

/** How one server keeps time, and what it asks of a tester. Plain data. */
export interface UdsConfig {
  readonly dialect: UdsDialect;
  /** P2Server_max: how long an answer, or the first 0x78, may take. (ISO 14229-2:2021, Table 4) */
  readonly p2Server: Duration;
  /** P2*Server_max: how long it may take after a 0x78. */
  readonly p2StarServer: Duration;
  /** How long before P2Server_max and before P2*Server_max a 0x78 is given to the transport layer. */
  readonly p2ServerMargin: Duration;
  readonly p2StarServerMargin: Duration;
  /** S3Server: how long a non-default session lives without a request. (ISO 14229-2:2021, Table 5) */
  readonly s3Server: Duration;
  readonly seedKey: SeedKeyFormula;
  /** The wrong key that is answered with 0x36; {@link securityDelay} runs from then on. */
  readonly securityAttemptsMax: number;
  readonly securityDelay: Duration;
  /** Whether 10 02 is taken in the default session, or only out of another one (else NRC 0x7E). */
  readonly programmingFromDefault: boolean;
  /** The longest 36 request, SID and counter included. (ISO 14229-1:2020, 14.2.3) */
  readonly maxNumberOfBlockLength: number;
  /** The longest response, bytes; what would be longer is answered with 0x14. */
  readonly responseSizeMax: number;
  /** How many identifiers one 22 request may name. */
  readonly didsPerRequestMax: number;
  /** The bit rates that the ECU could go over to, bit/s. (0x87) */
  readonly linkBitRates: readonly number[];
  /** What 0x86 can do. */
  readonly events: EventsConfig;
  /** How the ECU goes down. Without it there is no enableRapidPowerShutDown. (11 04) */
  readonly powerDown?: PowerDown;
  /** Without it there is no 0x29. */
  readonly authentication?: AuthenticationConfig;
  /** Without it there is no 0x84. */
  readonly secured?: SecuredConfig;
}

/** What a keyOffOnReset takes before the ECU starts again. */
interface PowerDown {
  /** The application's run-on after the key was turned. */
  readonly afterRun: Duration;
  /** powerDownTime, s: how long it takes instead once 11 04 was asked for. 0 to 254. */
  readonly rapidSeconds: number;
}

/** 127 flash pages of 32 bytes in one block. */
const BLOCK_LENGTH = 127 * 32 + 2;

export const defaultUdsConfig = (overrides: Partial<UdsConfig> = {}): UdsConfig => ({
  dialect: "iso14229",
  p2Server: ms(50),
  p2StarServer: s(5),
  p2ServerMargin: ms(5),
  p2StarServerMargin: ms(500),
  s3Server: s(5),
  seedKey: "tc375Bootloader",
  securityAttemptsMax: 3,
  securityDelay: s(10),
  programmingFromDefault: false,
  maxNumberOfBlockLength: BLOCK_LENGTH,
  responseSizeMax: 4095,
  didsPerRequestMax: 16,
  events: { countMax: 4, interval: ms(100), timers: [s(1), ms(300), ms(100)], windows: [s(10), s(60), s(600)] },
  linkBitRates: [125_000, 250_000, 500_000, 1_000_000],
  ...overrides,
});
