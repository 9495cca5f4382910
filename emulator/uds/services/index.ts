import type { UdsConfig } from "../config.ts";
import { FAMILY_BOOTLOADER } from "../family/bootloader.ts";
import type { Service } from "../service.ts";
import { diagnosticSessionControl } from "./diagnostic-session-control.ts";
import { ecuReset } from "./ecu-reset.ts";
import { linkControl } from "./link-control.ts";
import { readDataByIdentifier } from "./read-data-by-identifier.ts";
import { requestDownload } from "./request-download.ts";
import { requestTransferExit } from "./request-transfer-exit.ts";
import { routineControl } from "./routine-control.ts";
import { securityAccess } from "./security-access.ts";
import { testerPresent } from "./tester-present.ts";
import { transferData } from "./transfer-data.ts";
import { writeDataByIdentifier } from "./write-data-by-identifier.ts";

/** Every service that the server has, by SID. */
export const SERVICES: ReadonlyMap<number, Service> = new Map(
  [
    diagnosticSessionControl,
    ecuReset,
    readDataByIdentifier,
    securityAccess,
    writeDataByIdentifier,
    routineControl,
    requestDownload,
    transferData,
    requestTransferExit,
    testerPresent,
    linkControl,
  ].map((service) => [service.sid, service]),
);

const FAMILY: ReadonlyMap<number, Service> = new Map(FAMILY_BOOTLOADER.map((service) => [service.sid, service]));

/** The services of a server that is configured so, by SID. */
export const servicesOf = (config: UdsConfig): ReadonlyMap<number, Service> =>
  config.dialect === "familyBootloader" ? FAMILY : SERVICES;
