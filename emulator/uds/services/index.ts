import type { UdsConfig } from "../config.ts";
import { FAMILY_BOOTLOADER } from "../family/bootloader.ts";
import type { Service } from "../service.ts";
import { authentication } from "./authentication.ts";
import { clearDiagnosticInformation } from "./clear-diagnostic-information.ts";
import { communicationControl } from "./communication-control.ts";
import { controlDtcSetting } from "./control-dtc-setting.ts";
import { diagnosticSessionControl } from "./diagnostic-session-control.ts";
import { dynamicallyDefineDataIdentifier } from "./dynamically-define-data-identifier.ts";
import { ecuReset } from "./ecu-reset.ts";
import { inputOutputControlByIdentifier } from "./input-output-control-by-identifier.ts";
import { linkControl } from "./link-control.ts";
import { readDataByIdentifier } from "./read-data-by-identifier.ts";
import { readDataByPeriodicIdentifier } from "./read-data-by-periodic-identifier.ts";
import { readDtcInformation } from "./read-dtc-information.ts";
import { readMemoryByAddress } from "./read-memory-by-address.ts";
import { readScalingDataByIdentifier } from "./read-scaling-data-by-identifier.ts";
import { requestDownload } from "./request-download.ts";
import { requestFileTransfer } from "./request-file-transfer.ts";
import { requestTransferExit } from "./request-transfer-exit.ts";
import { requestUpload } from "./request-upload.ts";
import { responseOnEvent } from "./response-on-event.ts";
import { routineControl } from "./routine-control.ts";
import { securedDataTransmission } from "./secured-data-transmission.ts";
import { securityAccess } from "./security-access.ts";
import { testerPresent } from "./tester-present.ts";
import { transferData } from "./transfer-data.ts";
import { writeDataByIdentifier } from "./write-data-by-identifier.ts";
import { writeMemoryByAddress } from "./write-memory-by-address.ts";

const byNumber = (services: readonly Service[]): ReadonlyMap<number, Service> =>
  new Map(services.map((service) => [service.sid, service]));

/** Every service that the server has unless it is configured otherwise, by SID. */
const SERVICES: ReadonlyMap<number, Service> = byNumber([
  diagnosticSessionControl,
  ecuReset,
  clearDiagnosticInformation,
  readDtcInformation,
  readDataByIdentifier,
  readMemoryByAddress,
  readScalingDataByIdentifier,
  securityAccess,
  communicationControl,
  readDataByPeriodicIdentifier,
  dynamicallyDefineDataIdentifier,
  writeDataByIdentifier,
  inputOutputControlByIdentifier,
  routineControl,
  requestDownload,
  requestUpload,
  transferData,
  requestTransferExit,
  requestFileTransfer,
  writeMemoryByAddress,
  testerPresent,
  controlDtcSetting,
  responseOnEvent,
  linkControl,
]);

const FAMILY: ReadonlyMap<number, Service> = byNumber(FAMILY_BOOTLOADER);

/** The services of a server that is configured so, by SID. */
export function servicesOf(config: UdsConfig): ReadonlyMap<number, Service> {
  if (config.dialect === "familyBootloader") return FAMILY;
  const optional = [
    ...(config.authentication === undefined ? [] : [authentication]),
    ...(config.secured === undefined ? [] : [securedDataTransmission]),
  ];
  return optional.length === 0 ? SERVICES : new Map([...SERVICES, ...byNumber(optional)]);
}
