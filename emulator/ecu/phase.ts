import type { Duration, Instant } from "../kernel/time.ts";
import type { BootChoice } from "./bootloader.ts";
import type { ImageKind } from "./image-check.ts";

/** How far an ECU has come since it was switched on. */
export type Phase =
  | { readonly name: "off" }
  /** It is switched on, and its supply voltage is too low to run. */
  | { readonly name: "held" }
  /** The ROM works, where there are bootloaders to choose from. */
  | { readonly name: "rom"; readonly until: Instant }
  | { readonly name: "bootloader"; readonly until: Instant }
  /** The choice of a bank is made; what it changed is being stored. */
  | { readonly name: "storing"; readonly of: ImageKind; readonly choice: BootChoice; readonly checkTime: Duration }
  | { readonly name: "starting"; readonly choice: BootChoice; readonly until: Instant }
  | {
      readonly name: "running";
      /** When a new application, or one with a new bootloader, says that all is well. */
      readonly confirmAt: Instant | undefined;
      /** What it has said so of, and is being stored. */
      readonly confirming: readonly ImageKind[];
      /** It does nothing any more. */
      readonly hung: boolean;
      /** It hangs; when the watchdog bites, if it does. */
      readonly watchdogAt: Instant | undefined;
    }
  /** Nothing runs, and nothing will: there is no bootloader, or the new one hangs. */
  | { readonly name: "halted"; readonly watchdogAt: Instant | undefined };
