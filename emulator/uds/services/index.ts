import type { Service } from "../service.ts";
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

/** Every service that the server has, by SID. */
export const SERVICES: ReadonlyMap<number, Service> = new Map(
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
