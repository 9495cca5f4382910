/** Bits of a DTC's status. (ISO 14229-1:2020, D.2) */
export const DtcStatus = {
  TestFailed: 0x01,
  TestFailedThisOperationCycle: 0x02,
  PendingDtc: 0x04,
  ConfirmedDtc: 0x08,
  TestNotCompletedSinceLastClear: 0x10,
  TestFailedSinceLastClear: 0x20,
  TestNotCompletedThisOperationCycle: 0x40,
  WarningIndicatorRequested: 0x80,
} as const;

/** reportType of 0x19, those that the server has. (ISO 14229-1:2020, 12.3) */
export const DtcReport = {
  NumberOfDtcByStatusMask: 0x01,
  DtcByStatusMask: 0x02,
  SnapshotIdentification: 0x03,
  SnapshotRecordByDtcNumber: 0x04,
  ExtendedDataRecordByDtcNumber: 0x06,
  NumberOfDtcBySeverityMask: 0x07,
  DtcBySeverityMask: 0x08,
  SeverityInformationOfDtc: 0x09,
  SupportedDtc: 0x0a,
  FirstTestFailedDtc: 0x0b,
  FirstConfirmedDtc: 0x0c,
  MostRecentTestFailedDtc: 0x0d,
  MostRecentConfirmedDtc: 0x0e,
  FaultDetectionCounter: 0x14,
  DtcWithPermanentStatus: 0x15,
  ExtendedDataRecordByRecordNumber: 0x16,
  UserDefMemoryDtcByStatusMask: 0x17,
  UserDefMemorySnapshotRecordByDtcNumber: 0x18,
  UserDefMemoryExtendedDataRecordByDtcNumber: 0x19,
  ExtendedDataRecordIdentification: 0x1a,
  WwhObdDtcByMaskRecord: 0x42,
  WwhObdDtcWithPermanentStatus: 0x55,
  DtcByReadinessGroup: 0x56,
} as const;

/** DTCFormatIdentifier. (ISO 14229-1:2020, D.4) */
export const DtcFormat = { SaeJ2012Da00: 0x00, SaeJ2012Da04: 0x04 } as const;

/** FunctionalGroupIdentifier; FFFFxx is the groupOfDTC of the same. (ISO 14229-1:2020, D.1 and D.5) */
export const DtcFunctionalGroup = { Emissions: 0x33, Safety: 0xd0, Vobd: 0xfe } as const;

/** groupOfDTC: all of them. (ISO 14229-1:2020, D.1) */
export const ALL_DTCS = 0xffffff;
/** groupOfDTC FFFF00 and above name a functional group by its last byte. */
export const FUNCTIONAL_GROUP_DTCS = 0xffff00;

/** The upper three bits of a DTC's severity; the lower five are its class. (ISO 14229-1:2020, D.3) */
export const DtcSeverity = {
  MaintenanceOnly: 0x20,
  CheckAtNextHalt: 0x40,
  CheckImmediately: 0x80,
} as const;

/** DTCSettingType of 0x85. (ISO 14229-1:2020, 10.8) */
export const DtcSetting = { On: 0x01, Off: 0x02 } as const;
