import type { UdsConfig } from "../config.ts";
import { FAMILY_BOOTLOADER } from "../family/bootloader.ts";
import type { Service } from "../service.ts";
import { authentication } from "./authentication.ts";
import { clearDiagnosticInformation } from "./clear-diagnostic-information.ts";
import { communicationControl } from "./communication-control.ts";
import { controlDtcSetting } from "./control-dtc-setting.ts";
import { diagnosticSessionControl } from "./diagnostic-session-control.ts";
import { ecuReset } from "./ecu-reset.ts";
import { linkControl } from "./link-control.ts";
import { readDataByIdentifier } from "./read-data-by-identifier.ts";
import { readDtcInformation } from "./read-dtc-information.ts";
import { requestDownload } from "./request-download.ts";
import { requestTransferExit } from "./request-transfer-exit.ts";
import { routineControl } from "./routine-control.ts";
import { securityAccess } from "./security-access.ts";
import { testerPresent } from "./tester-present.ts";
import { transferData } from "./transfer-data.ts";
import { writeDataByIdentifier } from "./write-data-by-identifier.ts";

const byNumber = (services: readonly Service[]): ReadonlyMap<number, Service> =>
  new Map(services.map((service) => [service.sid, service]));

/** Every service that the server has unless it is configured otherwise, by SID. */
const SERVICES: ReadonlyMap<number, Service> = new Map(
  [
    diagnosticSessionControl,
    ecuReset,
    clearDiagnosticInformation,
    readDtcInformation,
    readDataByIdentifier,
    securityAccess,
    communicationControl,
    writeDataByIdentifier,
    routineControl,
    requestDownload,
    transferData,
    requestTransferExit,
    testerPresent,
    controlDtcSetting,
    linkControl,
  ].map((service) => [service.sid, service]),
);

const FAMILY: ReadonlyMap<number, Service> = byNumber(FAMILY_BOOTLOADER);

/** The services of a server that is configured so, by SID. */
export function servicesOf(config: UdsConfig): ReadonlyMap<number, Service> {
  if (config.dialect === "familyBootloader") return FAMILY;
  const optional = config.authentication === undefined ? [] : [authentication];
  return optional.length === 0 ? SERVICES : new Map([...SERVICES, ...byNumber(optional)]);
}
