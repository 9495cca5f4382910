/** Service identifiers of requests. A positive response carries the identifier + 0x40. (ISO 14229-1:2020, Table 23) */
export const Sid = {
  DiagnosticSessionControl: 0x10,
  EcuReset: 0x11,
  ClearDiagnosticInformation: 0x14,
  ReadDtcInformation: 0x19,
  ReadDataByIdentifier: 0x22,
  ReadMemoryByAddress: 0x23,
  ReadScalingDataByIdentifier: 0x24,
  SecurityAccess: 0x27,
  CommunicationControl: 0x28,
  Authentication: 0x29,
  ReadDataByPeriodicIdentifier: 0x2a,
  DynamicallyDefineDataIdentifier: 0x2c,
  WriteDataByIdentifier: 0x2e,
  InputOutputControlByIdentifier: 0x2f,
  RoutineControl: 0x31,
  RequestDownload: 0x34,
  RequestUpload: 0x35,
  TransferData: 0x36,
  RequestTransferExit: 0x37,
  RequestFileTransfer: 0x38,
  WriteMemoryByAddress: 0x3d,
  TesterPresent: 0x3e,
  SecuredDataTransmission: 0x84,
  ControlDtcSetting: 0x85,
  ResponseOnEvent: 0x86,
  LinkControl: 0x87,
} as const;
export type Sid = (typeof Sid)[keyof typeof Sid];

export const POSITIVE_RESPONSE_OFFSET = 0x40;
/** First byte of every negative response: 7F, SID of the request, NRC. (ISO 14229-1:2020, 8.4) */
export const NEGATIVE_RESPONSE = 0x7f;
/** Bit 7 of a sub-function: answer only if the answer is negative. (ISO 14229-1:2020, 8.2.2) */
export const SUPPRESS_POSITIVE_RESPONSE = 0x80;

/** Negative response codes. (ISO 14229-1:2020, Table A.1) */
export const Nrc = {
  GeneralReject: 0x10,
  ServiceNotSupported: 0x11,
  SubFunctionNotSupported: 0x12,
  IncorrectMessageLengthOrInvalidFormat: 0x13,
  ResponseTooLong: 0x14,
  BusyRepeatRequest: 0x21,
  ConditionsNotCorrect: 0x22,
  RequestSequenceError: 0x24,
  RequestOutOfRange: 0x31,
  SecurityAccessDenied: 0x33,
  AuthenticationRequired: 0x34,
  InvalidKey: 0x35,
  ExceededNumberOfAttempts: 0x36,
  RequiredTimeDelayNotExpired: 0x37,
  SecureDataTransmissionRequired: 0x38,
  SecureDataTransmissionNotAllowed: 0x39,
  SecureDataVerificationFailed: 0x3a,
  CertificateInvalidTimePeriod: 0x50,
  CertificateInvalidSignature: 0x51,
  CertificateInvalidChainOfTrust: 0x52,
  CertificateInvalidType: 0x53,
  CertificateInvalidFormat: 0x54,
  CertificateInvalidContent: 0x55,
  CertificateInvalidScope: 0x56,
  CertificateInvalid: 0x57,
  OwnershipVerificationFailed: 0x58,
  ChallengeCalculationFailed: 0x59,
  SettingAccessRightsFailed: 0x5a,
  SessionKeyCreationFailed: 0x5b,
  ConfigurationDataUsageFailed: 0x5c,
  DeAuthenticationFailed: 0x5d,
  UploadDownloadNotAccepted: 0x70,
  TransferDataSuspended: 0x71,
  GeneralProgrammingFailure: 0x72,
  WrongBlockSequenceCounter: 0x73,
  RequestCorrectlyReceivedResponsePending: 0x78,
  SubFunctionNotSupportedInActiveSession: 0x7e,
  ServiceNotSupportedInActiveSession: 0x7f,
  VoltageTooHigh: 0x92,
  VoltageTooLow: 0x93,
} as const;
export type Nrc = (typeof Nrc)[keyof typeof Nrc];

/** "RequestOutOfRange (0x31)"; a code that has no name is given by number. */
export function nrcText(nrc: number): string {
  const name = Object.entries(Nrc).find(([, code]) => code === nrc)?.[0] ?? "NRC";
  return `${name} (0x${nrc.toString(16).padStart(2, "0")})`;
}

/** diagnosticSessionType. (ISO 14229-1:2020, Table 25) */
export const Session = { Default: 0x01, Programming: 0x02, Extended: 0x03 } as const;
export type Session = (typeof Session)[keyof typeof Session];

/** routineControlType. (ISO 14229-1:2020, Table 427) */
export const RoutineControlType = { Start: 0x01, Stop: 0x02, RequestResults: 0x03 } as const;

/** The routines that an update uses. (docs/protocols/ecu.md) */
export const Rid = {
  /** eraseMemory; option: addressAndLengthFormatIdentifier, address, size, or nothing for the whole bank. */
  EraseMemory: 0xff00,
  /** checkProgrammingDependencies; when they are met, the new bank is put on trial. */
  CheckProgrammingDependencies: 0xff01,
  /** CRC, digest, signature, target and version of what was written. */
  CheckMemory: 0xff02,
  /** Back to the bank that ran before, at the next reset. */
  RevertSoftware: 0x0301,
  /** The campaign is over: raises the anti-rollback counter to that of the confirmed image. */
  CommitSoftware: 0x0302,
} as const;

/**
 * routineStatusRecord of FF01 and FF02: what is wrong with the image that was written. (docs/protocols/ecu.md, routine
 * status)
 */
export const ImageStatus = {
  ok: 0x00,
  headerMalformed: 0x01,
  sizeWrong: 0x02,
  crcWrong: 0x03,
  digestWrong: 0x04,
  signatureWrong: 0x05,
  ecuWrong: 0x06,
  hardwareWrong: 0x07,
  rolledBack: 0x08,
  eccError: 0x09,
  kindWrong: 0x0a,
} as const;

/** "signatureWrong (0x05)"; a status that has no name is given by number. */
export function imageStatusText(status: number): string {
  const name = Object.entries(ImageStatus).find(([, code]) => code === status)?.[0] ?? "status";
  return `${name} (0x${status.toString(16).padStart(2, "0")})`;
}

/** Data identifiers. (ISO 14229-1:2020, Table C.1) */
export const Did = {
  /** Of the vehicle maker's range: milliseconds since the vehicle began to run, uint32. */
  OperatingTime: 0x0110,
  /** Of the vehicle maker's range: why the ECU started last, one byte. */
  ResetCause: 0x0111,
  Fingerprint: 0xf15b,
  BootSoftware: 0xf180,
  ActiveSession: 0xf186,
  PartNumber: 0xf187,
  Supplier: 0xf18a,
  ManufacturingDate: 0xf18b,
  SerialNumber: 0xf18c,
  Vin: 0xf190,
  HardwareNumber: 0xf191,
  HardwareVersion: 0xf193,
  SoftwareVersion: 0xf195,
} as const;
