import { RoutineControlType, Sid, SUPPRESS_POSITIVE_RESPONSE } from "../../emulator/wire/uds.ts";
import { UdsResponseError } from "./uds-errors.ts";

/** The requests of an update, and how their answers are read. Readers are total: a value, or a named error. */

const KEY_LENGTH = 4;
/** addressAndLengthFormatIdentifier: 4 bytes of size, 4 of address. (ISO 14229-1:2020, Table H.1) */
const ALFI_4_4 = 0x44;
/** dataFormatIdentifier: neither compressed nor encrypted. (ISO 14229-1:2020, Table 438) */
const PLAIN = 0x00;
/** communicationType. (ISO 14229-1:2020, Table B.1) */
const NORMAL_MESSAGES = 0x01;

export interface MemoryRange {
  readonly address: number;
  readonly size: number;
}

export const sessionControl = (session: number): Uint8Array => Uint8Array.of(Sid.DiagnosticSessionControl, session);
export const ecuReset = (resetType: number): Uint8Array => Uint8Array.of(Sid.EcuReset, resetType);
export const requestSeed = (level: number): Uint8Array => Uint8Array.of(Sid.SecurityAccess, level);
export const transferExit = (): Uint8Array => Uint8Array.of(Sid.RequestTransferExit);
/** 3E 80: no answer is wanted. */
export const keepAlive = (): Uint8Array => Uint8Array.of(Sid.TesterPresent, SUPPRESS_POSITIVE_RESPONSE);

/** All DTCs. */
export const dtcSetting = (setting: number): Uint8Array => Uint8Array.of(Sid.ControlDtcSetting, setting);
/** Of the normal messages on the network that the request comes by and all others. */
export const communicationControl = (controlType: number): Uint8Array =>
  Uint8Array.of(Sid.CommunicationControl, controlType, NORMAL_MESSAGES);

export const readData = (did: number): Uint8Array => Uint8Array.of(Sid.ReadDataByIdentifier, did >> 8, did & 0xff);

export const writeData = (did: number, data: Uint8Array): Uint8Array =>
  Uint8Array.of(Sid.WriteDataByIdentifier, did >> 8, did & 0xff, ...data);

export const sendKey = (level: number, key: number): Uint8Array =>
  Uint8Array.of(Sid.SecurityAccess, level + 1, ...uint32(key));

export const startRoutine = (rid: number, option: readonly number[] = []): Uint8Array =>
  Uint8Array.of(Sid.RoutineControl, RoutineControlType.Start, rid >> 8, rid & 0xff, ...option);

export const eraseOption = ({ address, size }: MemoryRange): readonly number[] => [
  ALFI_4_4,
  ...uint32(address),
  ...uint32(size),
];

export const requestDownload = (range: MemoryRange): Uint8Array =>
  Uint8Array.of(Sid.RequestDownload, PLAIN, ...eraseOption(range));

/** @param counter blockSequenceCounter: 1 first, FF is followed by 00 (ISO 14229-1:2020, 14.4) */
export function transferData(counter: number, data: Uint8Array): Uint8Array {
  const request = new Uint8Array(2 + data.length);
  request[0] = Sid.TransferData;
  request[1] = counter;
  request.set(data, 2);
  return request;
}

/** What a DID holds as text; NUL and blanks at the end are only filling. */
export function dataText(response: Uint8Array): string {
  const text = String.fromCharCode(...response.subarray(3, 3 + 256));
  return text.replace(/[\0 ]+$/, "");
}

/** The seed as uint32; 0 says that the ECU is unlocked already. */
export function seedOf(response: Uint8Array): number | UdsResponseError {
  if (response.length !== 2 + KEY_LENGTH) return malformed(`a seed of ${response.length - 2} bytes`);
  return new DataView(response.buffer, response.byteOffset, response.length).getUint32(2);
}

/** First byte of the routineStatusRecord; undefined when there is none. */
export const routineStatus = (response: Uint8Array): number | undefined => response[4];

/**
 * maxNumberOfBlockLength: the longest 36 request, SID and counter included. (ISO 14229-1:2020, 14.2.3)
 * The high nibble of the first byte says how many bytes it takes.
 */
export function blockLengthOf(response: Uint8Array): number | UdsResponseError {
  const count = (response[1] ?? 0) >> 4;
  if (count === 0 || count > 4 || response.length < 2 + count) {
    return malformed(`${response.length} bytes give no maxNumberOfBlockLength`);
  }
  let length = 0;
  for (const byte of response.subarray(2, 2 + count)) length = length * 0x100 + byte;
  return length < 3 ? malformed(`maxNumberOfBlockLength ${length}`) : length;
}

const malformed = (reason: string): UdsResponseError => new UdsResponseError("UDS_RESPONSE_MALFORMED", reason);

const uint32 = (value: number): readonly number[] => [
  (value >>> 24) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 8) & 0xff,
  value & 0xff,
];
