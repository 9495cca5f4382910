import type { IsoTpConfig } from "../isotp/config.ts";
import { type Duration, ms, s } from "../kernel/time.ts";
import { defaultUdsConfig, type UdsConfig } from "../uds/config.ts";
import type { ImageSignatureName } from "../wire/image-header.ts";
import type { MessagesConfig } from "./application-messages.ts";
import type { Behaviour } from "./behaviours.ts";
import type { Bank } from "./boot-metadata.ts";
import { type DataConfig, FAMILY_DATA } from "./data-config.ts";
import { type DtcConfig, FAMILY_DTCS } from "./dtc-config.ts";
import type { FlashGeometry } from "./flash.ts";
import { FAMILY_SUPPLY, type SupplyConfig } from "./supply.ts";

/** Where the two images lie, and the one place where a tester sees the bank that does not run. */
export interface BankMap {
  /** What testers address, whichever bank it is. */
  readonly window: number;
  /** Physical address of each bank. */
  readonly address: Readonly<Record<Bank, number>>;
  /** Of each bank, header page included; a multiple of the sector size. */
  readonly size: number;
}

/** How long the steps of a start take, and how an application proves itself. (docs/protocols/ecu.md, start) */
export interface BootTiming {
  /** From power-up to the choice of a bank: boot ROM, first stage, bootloader. */
  readonly bootloader: Duration;
  /** From the jump until the application answers. */
  readonly application: Duration;
  /** How long a new application must run before it confirms itself. */
  readonly healthyRun: Duration;
  /** Starts on trial without a confirmation, after which the other bank is taken. */
  readonly trialStartsMax: number;
}

/** A bootloader that can be updated as applications are, and a ROM that chooses its bank. (docs/protocols/ecu.md) */
export interface BootloaderConfig {
  /** The module with both banks. */
  readonly flash: FlashGeometry;
  readonly banks: BankMap;
  /** The module with the bootloader's own boot metadata: two sectors. */
  readonly dataFlash: FlashGeometry;
  /** From power-up to the ROM's choice. */
  readonly rom: Duration;
}

/** A watchdog: what does not feed it is reset. (docs/protocols/ecu.md, watchdog) */
export interface WatchdogConfig {
  readonly period: Duration;
  /** While these run it must be fed. What hangs without it hangs until the power goes. */
  readonly guards: readonly ("application" | "bootloader")[];
}

/** How long an image check takes: a fixed part (signature) and one for each KiB (CRC and digest). */
export interface CheckTiming {
  readonly signature: Duration;
  readonly perKib: Duration;
}

/** What the identity DIDs answer, as ASCII text. */
export interface EcuIdentity {
  /** F187 */
  readonly partNumber: string;
  /** F18A */
  readonly supplier: string;
  /** F18B: BCD digits YYYYMMDD */
  readonly manufacturingDate: string;
  /** F18C */
  readonly serialNumber: string;
  /** F190 */
  readonly vin: string;
  /** F191 */
  readonly hardwareNumber: string;
  /** F193: x.y.z; images are made for one of them. */
  readonly hardwareVersion: string;
  /** F180 */
  readonly bootSoftware: string;
}

/** Everything that makes one ECU what it is. Plain data. */
export interface EcuConfig {
  /** "ECU_011": its name in the trace, and the name that its images must carry. */
  readonly name: string;
  readonly isotp: IsoTpConfig;
  readonly uds: UdsConfig;
  readonly identity: EcuIdentity;
  /** How images must be signed; any other way is refused, however good the signature. */
  readonly imageSignature: ImageSignatureName;
  /** Whose signature images must have: SubjectPublicKeyInfo, DER. */
  readonly imagePublicKey: Uint8Array;
  /** The module with both banks. */
  readonly codeFlash: FlashGeometry;
  /** The module with the boot metadata: copy 0 in its first sector, copy 1 in its second. */
  readonly dataFlash: FlashGeometry;
  /** The module with the count of wrong keys: two sectors. */
  readonly securityFlash: FlashGeometry;
  /** Erase cycles that a sector of the code flash bears. Left out: no limit. */
  readonly eraseCyclesMax?: number;
  /** The module with the events of 0x86 that outlive a reset: two sectors, pages of 256 bytes. */
  readonly eventFlash: FlashGeometry;
  /** The module with the anti-replay counter of 0x84: two sectors. */
  readonly replayFlash: FlashGeometry;
  readonly banks: BankMap;
  readonly boot: BootTiming;
  readonly check: CheckTiming;
  readonly watchdog: WatchdogConfig;
  /** Left out: the bootloader is always there and always the same. */
  readonly bootloader?: BootloaderConfig;
  readonly supply: SupplyConfig;
  readonly dtcs: DtcConfig;
  readonly data: DataConfig;
  readonly messages: MessagesConfig;
  readonly behaviours: readonly Behaviour[];
}

const KIB = 1024;
const WINDOW = 0x800d2000;
const BANK_SIZE = 0x22e000;
const BANK_B_OFFSET = 0x300000;

/** The memory map and the times of the family's ECU. (docs/protocols/ecu.md) */
const FAMILY_CODE_FLASH: FlashGeometry = {
  address: WINDOW,
  size: BANK_B_OFFSET + BANK_SIZE,
  sectorSize: 8 * KIB,
  pageSize: 32,
  sectorEraseTime: ms(250),
  pageProgramTime: ms(5 / 16),
};

const FAMILY_DATA_FLASH: FlashGeometry = {
  address: 0xaf000000,
  size: 8 * KIB,
  sectorSize: 4 * KIB,
  pageSize: 32,
  sectorEraseTime: ms(20),
  pageProgramTime: ms(1),
};

const FAMILY_SECURITY_FLASH: FlashGeometry = { ...FAMILY_DATA_FLASH, address: 0xaf002000 };

const FAMILY_EVENT_FLASH: FlashGeometry = { ...FAMILY_DATA_FLASH, address: 0xaf004000, pageSize: 256 };

const FAMILY_REPLAY_FLASH: FlashGeometry = { ...FAMILY_DATA_FLASH, address: 0xaf006000 };

export const FAMILY_BANKS: BankMap = {
  window: WINDOW,
  address: { A: WINDOW, B: WINDOW + BANK_B_OFFSET },
  size: BANK_SIZE,
};

const FAMILY_BOOTLOADER = 0x80040000;
const FAMILY_BOOTLOADER_SIZE = 192 * KIB;

export const FAMILY_BOOTLOADERS: BootloaderConfig = {
  flash: { ...FAMILY_CODE_FLASH, address: FAMILY_BOOTLOADER, size: 2 * FAMILY_BOOTLOADER_SIZE },
  banks: {
    window: FAMILY_BOOTLOADER,
    address: { A: FAMILY_BOOTLOADER, B: FAMILY_BOOTLOADER + FAMILY_BOOTLOADER_SIZE },
    size: FAMILY_BOOTLOADER_SIZE,
  },
  dataFlash: { ...FAMILY_DATA_FLASH, address: 0xaf008000 },
  rom: ms(10),
};

/** An ECU of the family: what has no default must be given, all else may be. */
export const defaultEcuConfig = (
  given: Pick<EcuConfig, "name" | "isotp" | "imagePublicKey"> &
    Partial<Omit<EcuConfig, "uds" | "identity" | "boot" | "check" | "watchdog" | "supply" | "dtcs" | "messages">> & {
      readonly uds?: Partial<UdsConfig>;
      readonly identity?: Partial<EcuIdentity>;
      readonly boot?: Partial<BootTiming>;
      readonly check?: Partial<CheckTiming>;
      readonly watchdog?: Partial<WatchdogConfig>;
      readonly supply?: Partial<SupplyConfig>;
      readonly dtcs?: Partial<DtcConfig>;
      readonly messages?: Partial<MessagesConfig>;
    },
): EcuConfig => ({
  codeFlash: FAMILY_CODE_FLASH,
  dataFlash: FAMILY_DATA_FLASH,
  securityFlash: FAMILY_SECURITY_FLASH,
  eventFlash: FAMILY_EVENT_FLASH,
  replayFlash: FAMILY_REPLAY_FLASH,
  banks: FAMILY_BANKS,
  data: FAMILY_DATA,
  behaviours: [],
  imageSignature: "ecdsaP256",
  ...given,
  uds: defaultUdsConfig(given.uds),
  identity: {
    partNumber: `${given.name}-PN`,
    supplier: "Infineon",
    manufacturingDate: "20260101",
    serialNumber: `${given.name}-0001`,
    vin: "KMHXX00XXXX000001",
    hardwareNumber: `${given.name}-HW`,
    hardwareVersion: "1.0.0",
    bootSoftware: "1.0.0",
    ...given.identity,
  },
  boot: {
    bootloader: ms(60),
    application: ms(200),
    healthyRun: s(2),
    trialStartsMax: 3,
    ...given.boot,
  },
  watchdog: { period: ms(500), guards: ["application", "bootloader"], ...given.watchdog },
  check: { signature: ms(8), perKib: ms(0.1), ...given.check },
  supply: { ...FAMILY_SUPPLY, ...given.supply },
  dtcs: { ...FAMILY_DTCS, ...given.dtcs },
  messages: { cyclic: [], supervised: [], ...given.messages },
});
