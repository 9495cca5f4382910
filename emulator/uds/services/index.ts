import type { Service } from "../service.ts";
import { clearDiagnosticInformation } from "./clear-diagnostic-information.ts";
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
import { routineControl } from "./routine-control.ts";
import { securityAccess } from "./security-access.ts";
import { testerPresent } from "./tester-present.ts";
import { transferData } from "./transfer-data.ts";
import { writeDataByIdentifier } from "./write-data-by-identifier.ts";
import { writeMemoryByAddress } from "./write-memory-by-address.ts";

/** Every service that the server has, by SID. */
export const SERVICES: ReadonlyMap<number, Service> = new Map(
  [
    diagnosticSessionControl,
    ecuReset,
    clearDiagnosticInformation,
    readDtcInformation,
    readDataByIdentifier,
    readMemoryByAddress,
    readScalingDataByIdentifier,
    securityAccess,
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
    linkControl,
  ].map((service) => [service.sid, service]),
);
