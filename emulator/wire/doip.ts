import { UsageError } from "../kernel/errors.ts";
import { readAscii, writeAscii } from "./text.ts";

/** Well-known TCP and UDP port of a DoIP entity. (ISO 13400-2:2019, Table 48) */
export const DOIP_PORT = 13400;
export const DOIP_HEADER_LENGTH = 8;
/** A diagnostic message of 4095 bytes with its two addresses. */
export const DOIP_PAYLOAD_MAX = 4 + 4095;

/** Protocol versions. We send 02, as the family does and as most testers do, and take 03 as well. (Table 16) */
const DoipVersion = { Iso2012: 0x02, Iso2019: 0x03, Default: 0xff } as const;

/** Payload types. (ISO 13400-2:2019, Table 17) */
const DoipPayloadType = {
  HeaderNack: 0x0000,
  VehicleIdentificationRequest: 0x0001,
  VehicleIdentificationRequestEid: 0x0002,
  VehicleIdentificationRequestVin: 0x0003,
  VehicleAnnouncement: 0x0004,
  RoutingActivationRequest: 0x0005,
  RoutingActivationResponse: 0x0006,
  AliveCheckRequest: 0x0007,
  AliveCheckResponse: 0x0008,
  DiagnosticMessage: 0x8001,
  DiagnosticAck: 0x8002,
  DiagnosticNack: 0x8003,
} as const;

/** Generic DoIP header negative acknowledge codes. (ISO 13400-2:2019, Table 19) */
export const HeaderNack = {
  IncorrectPatternFormat: 0x00,
  UnknownPayloadType: 0x01,
  MessageTooLarge: 0x02,
  OutOfMemory: 0x03,
  InvalidPayloadLength: 0x04,
} as const;
export type HeaderNack = (typeof HeaderNack)[keyof typeof HeaderNack];

/** Routing activation types. (ISO 13400-2:2019, Table 47) */
export const ActivationType = { Default: 0x00, WwhObd: 0x01, CentralSecurity: 0xe0 } as const;

/** Routing activation response codes. (ISO 13400-2:2019, Table 49) */
export const RoutingActivationCode = {
  UnknownSourceAddress: 0x00,
  AllSocketsInUse: 0x01,
  DifferentSourceAddress: 0x02,
  SourceAddressAlreadyActive: 0x03,
  MissingAuthentication: 0x04,
  RejectedConfirmation: 0x05,
  UnsupportedActivationType: 0x06,
  TlsRequired: 0x07,
  Activated: 0x10,
  ConfirmationRequired: 0x11,
} as const;

/** Diagnostic message negative acknowledge codes. (ISO 13400-2:2019, Table 26) */
export const DiagnosticNack = {
  InvalidSourceAddress: 0x02,
  UnknownTargetAddress: 0x03,
  MessageTooLarge: 0x04,
  OutOfMemory: 0x05,
  TargetUnreachable: 0x06,
  UnknownNetwork: 0x07,
  TransportProtocolError: 0x08,
} as const;
export type DiagnosticNack = (typeof DiagnosticNack)[keyof typeof DiagnosticNack];

/** One DoIP message. Addresses are logical addresses, 16 bits; `eid` and `gid` 6 bytes; `previous` may be empty. */
export type DoipMessage =
  | { readonly type: "headerNack"; readonly code: number }
  | { readonly type: "vehicleIdentificationRequest" }
  | { readonly type: "vehicleIdentificationRequestEid"; readonly eid: Uint8Array }
  | { readonly type: "vehicleIdentificationRequestVin"; readonly vin: string }
  | VehicleAnnouncement
  | {
      readonly type: "routingActivationRequest";
      readonly source: number;
      readonly activationType: number;
      /** 4 bytes, left to the vehicle manufacturer. */
      readonly oem?: Uint8Array;
    }
  | {
      readonly type: "routingActivationResponse";
      readonly tester: number;
      readonly entity: number;
      readonly code: number;
      readonly oem?: Uint8Array;
    }
  | { readonly type: "aliveCheckRequest" }
  | { readonly type: "aliveCheckResponse"; readonly source: number }
  | { readonly type: "diagnosticMessage"; readonly source: number; readonly target: number; readonly data: Uint8Array }
  | DiagnosticAcknowledgement<"diagnosticAck">
  | DiagnosticAcknowledgement<"diagnosticNack">;

interface VehicleAnnouncement {
  readonly type: "vehicleAnnouncement";
  /** 17 characters. */
  readonly vin: string;
  readonly address: number;
  readonly eid: Uint8Array;
  readonly gid: Uint8Array;
  /** 00 none, 10 routing activation is required to initiate central security. */
  readonly furtherAction: number;
  /** 00 VIN and GID are synchronised, 10 not yet. Optional on the wire. */
  readonly syncStatus?: number;
}

interface DiagnosticAcknowledgement<Type> {
  readonly type: Type;
  /** Who answers: the address the acknowledged message was for. */
  readonly source: number;
  readonly target: number;
  /** 00 in a positive acknowledgement; else see {@link DiagnosticNack}. */
  readonly code: number;
  /** The beginning of the acknowledged message, if the entity repeats it. */
  readonly previous: Uint8Array;
}

/** What can't be read, and the code with which an entity answers that. */
export interface DoipMalformed {
  readonly type: "malformed";
  readonly nack: HeaderNack;
  readonly reason: string;
}

const VIN_LENGTH = 17;
const ID_LENGTH = 6;
const OEM_LENGTH = 4;

/** Which lengths a payload may have: one of some, or any from a least one on. */
const LENGTHS = new Map<number, readonly number[] | { readonly least: number }>([
  [DoipPayloadType.HeaderNack, [1]],
  [DoipPayloadType.VehicleIdentificationRequest, [0]],
  [DoipPayloadType.VehicleIdentificationRequestEid, [6]],
  [DoipPayloadType.VehicleIdentificationRequestVin, [17]],
  [DoipPayloadType.VehicleAnnouncement, [32, 33]],
  [DoipPayloadType.RoutingActivationRequest, [7, 11]],
  [DoipPayloadType.RoutingActivationResponse, [9, 13]],
  [DoipPayloadType.AliveCheckRequest, [0]],
  [DoipPayloadType.AliveCheckResponse, [2]],
  [DoipPayloadType.DiagnosticMessage, { least: 5 }],
  [DoipPayloadType.DiagnosticAck, { least: 5 }],
  [DoipPayloadType.DiagnosticNack, { least: 5 }],
]);

export type DoipHeader = { readonly type: "header"; readonly payloadType: number; readonly payloadLength: number };

/**
 * Reads and checks the generic header, in the order of the standard: pattern, payload type, length against `payloadMax`,
 * length against the payload type. (ISO 13400-2:2019, 7.3, Figure 8)
 * @param bytes at least the first 8 bytes of a message
 */
export function decodeDoipHeader(bytes: Uint8Array, payloadMax: number): DoipHeader | DoipMalformed {
  const malformed = (nack: HeaderNack, reason: string): DoipMalformed => ({ type: "malformed", nack, reason });
  if (bytes.length < DOIP_HEADER_LENGTH) {
    return malformed(HeaderNack.InvalidPayloadLength, `${bytes.length} of ${DOIP_HEADER_LENGTH} header bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, DOIP_HEADER_LENGTH);
  const version = view.getUint8(0);
  const payloadType = view.getUint16(2);
  const payloadLength = view.getUint32(4);
  if (!isPattern(version, view.getUint8(1), payloadType)) {
    return malformed(HeaderNack.IncorrectPatternFormat, `version ${hex(version)}, inverse ${hex(view.getUint8(1))}`);
  }
  const lengths = LENGTHS.get(payloadType);
  if (lengths === undefined) return malformed(HeaderNack.UnknownPayloadType, `payload type ${hex(payloadType, 4)}`);
  if (payloadLength > payloadMax) {
    return malformed(HeaderNack.MessageTooLarge, `payload of ${payloadLength} bytes, at most ${payloadMax}`);
  }
  const fits = "least" in lengths ? payloadLength >= lengths.least : lengths.includes(payloadLength);
  if (!fits) {
    const reason = `${payloadLength} bytes of payload in a message of type ${hex(payloadType, 4)}`;
    return malformed(HeaderNack.InvalidPayloadLength, reason);
  }
  return { type: "header", payloadType, payloadLength };
}

/** Whether a whole message acknowledges a diagnostic message, positively. */
export const isDoipAcknowledgement = (message: Uint8Array): boolean =>
  message[2] === DoipPayloadType.DiagnosticAck >> 8 && message[3] === (DoipPayloadType.DiagnosticAck & 0xff);

/** Whether messages other than questions may have that protocol version. */
export const isDoipVersion = (version: number): boolean =>
  version === DoipVersion.Iso2012 || version === DoipVersion.Iso2019;

/** Version FF is for the one who asks before knowing what the vehicle speaks. (ISO 13400-2:2019, Table 16) */
function isPattern(version: number, inverse: number, payloadType: number): boolean {
  if ((version ^ inverse) !== 0xff) return false;
  if (isDoipVersion(version)) return true;
  const asks =
    payloadType >= DoipPayloadType.VehicleIdentificationRequest &&
    payloadType <= DoipPayloadType.VehicleIdentificationRequestVin;
  return version === DoipVersion.Default && asks;
}

/**
 * Reads one whole message. Total: any bytes give a message or a reason.
 * @param bytes one message and nothing else; arrays in the result share its memory
 */
export function decodeDoip(bytes: Uint8Array, payloadMax = DOIP_PAYLOAD_MAX): DoipMessage | DoipMalformed {
  const header = decodeDoipHeader(bytes, payloadMax);
  if (header.type === "malformed") return header;
  const payload = bytes.subarray(DOIP_HEADER_LENGTH);
  if (payload.length !== header.payloadLength) {
    const reason = `${payload.length} bytes of payload, ${header.payloadLength} announced`;
    return { type: "malformed", nack: HeaderNack.InvalidPayloadLength, reason };
  }
  return decodePayload(header.payloadType, payload);
}

/** @param payload of a length that {@link decodeDoipHeader} has let pass */
function decodePayload(payloadType: number, payload: Uint8Array): DoipMessage {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  switch (payloadType) {
    case DoipPayloadType.HeaderNack:
      return { type: "headerNack", code: view.getUint8(0) };
    case DoipPayloadType.VehicleIdentificationRequest:
      return { type: "vehicleIdentificationRequest" };
    case DoipPayloadType.VehicleIdentificationRequestEid:
      return { type: "vehicleIdentificationRequestEid", eid: payload };
    case DoipPayloadType.VehicleIdentificationRequestVin:
      return { type: "vehicleIdentificationRequestVin", vin: readAscii(payload, 0, VIN_LENGTH) };
    case DoipPayloadType.VehicleAnnouncement:
      return decodeAnnouncement(payload, view);
    case DoipPayloadType.RoutingActivationRequest: {
      const request = { source: view.getUint16(0), activationType: view.getUint8(2) };
      return { type: "routingActivationRequest", ...request, ...decodeOem(payload, 7) };
    }
    case DoipPayloadType.RoutingActivationResponse: {
      const response = { tester: view.getUint16(0), entity: view.getUint16(2), code: view.getUint8(4) };
      return { type: "routingActivationResponse", ...response, ...decodeOem(payload, 9) };
    }
    case DoipPayloadType.AliveCheckRequest:
      return { type: "aliveCheckRequest" };
    case DoipPayloadType.AliveCheckResponse:
      return { type: "aliveCheckResponse", source: view.getUint16(0) };
    case DoipPayloadType.DiagnosticMessage: {
      const [source, target] = [view.getUint16(0), view.getUint16(2)];
      return { type: "diagnosticMessage", source, target, data: payload.subarray(4) };
    }
    default: {
      const type = payloadType === DoipPayloadType.DiagnosticAck ? "diagnosticAck" : "diagnosticNack";
      const [source, target] = [view.getUint16(0), view.getUint16(2)];
      return { type, source, target, code: view.getUint8(4), previous: payload.subarray(5) };
    }
  }
}

const decodeOem = (payload: Uint8Array, offset: number): { readonly oem?: Uint8Array } =>
  payload.length > offset ? { oem: payload.subarray(offset, offset + OEM_LENGTH) } : {};

function decodeAnnouncement(payload: Uint8Array, view: DataView): VehicleAnnouncement {
  const announcement = {
    type: "vehicleAnnouncement",
    vin: readAscii(payload, 0, VIN_LENGTH),
    address: view.getUint16(17),
    eid: payload.subarray(19, 19 + ID_LENGTH),
    gid: payload.subarray(25, 25 + ID_LENGTH),
    furtherAction: view.getUint8(31),
  } as const;
  return payload.length > 32 ? { ...announcement, syncStatus: view.getUint8(32) } : announcement;
}

/** @throws {UsageError} for a VIN, EID, GID or OEM field of a wrong length */
export function encodeDoip(message: DoipMessage, version: number = DoipVersion.Iso2012): Uint8Array {
  switch (message.type) {
    case "headerNack":
      return frame(version, DoipPayloadType.HeaderNack, [message.code]);
    case "vehicleIdentificationRequest":
      return frame(version, DoipPayloadType.VehicleIdentificationRequest, []);
    case "vehicleIdentificationRequestEid":
      return frame(version, DoipPayloadType.VehicleIdentificationRequestEid, fixed(message.eid, ID_LENGTH));
    case "vehicleIdentificationRequestVin":
      return frame(version, DoipPayloadType.VehicleIdentificationRequestVin, vinBytes(message.vin));
    case "vehicleAnnouncement":
      return frame(version, DoipPayloadType.VehicleAnnouncement, announcementBytes(message));
    case "routingActivationRequest": {
      const { source, activationType, oem = [] } = message;
      const head = [...word(source), activationType, 0, 0, 0, 0];
      return frame(version, DoipPayloadType.RoutingActivationRequest, head, oemBytes(oem));
    }
    case "routingActivationResponse": {
      const { tester, entity, code, oem = [] } = message;
      const head = [...word(tester), ...word(entity), code, 0, 0, 0, 0];
      return frame(version, DoipPayloadType.RoutingActivationResponse, head, oemBytes(oem));
    }
    case "aliveCheckRequest":
      return frame(version, DoipPayloadType.AliveCheckRequest, []);
    case "aliveCheckResponse":
      return frame(version, DoipPayloadType.AliveCheckResponse, word(message.source));
    case "diagnosticMessage": {
      const addresses = [...word(message.source), ...word(message.target)];
      return frame(version, DoipPayloadType.DiagnosticMessage, addresses, message.data);
    }
    case "diagnosticAck":
    case "diagnosticNack": {
      const type = message.type === "diagnosticAck" ? DoipPayloadType.DiagnosticAck : DoipPayloadType.DiagnosticNack;
      const head = [...word(message.source), ...word(message.target), message.code];
      return frame(version, type, head, message.previous);
    }
  }
}

/** The generic header and the payload behind it, given as a head and a tail. */
function frame(
  version: number,
  payloadType: number,
  head: ArrayLike<number>,
  tail: ArrayLike<number> = [],
): Uint8Array {
  const length = head.length + tail.length;
  const bytes = new Uint8Array(DOIP_HEADER_LENGTH + length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, version);
  view.setUint8(1, version ^ 0xff);
  view.setUint16(2, payloadType);
  view.setUint32(4, length);
  bytes.set(head, DOIP_HEADER_LENGTH);
  bytes.set(tail, DOIP_HEADER_LENGTH + head.length);
  return bytes;
}

const word = (value: number): readonly number[] => [(value >> 8) & 0xff, value & 0xff];

function fixed(bytes: ArrayLike<number>, length: number): ArrayLike<number> {
  if (bytes.length !== length) throw new UsageError(`${bytes.length} bytes in a DoIP field of ${length}`);
  return bytes;
}

const oemBytes = (oem: ArrayLike<number>): ArrayLike<number> => (oem.length === 0 ? oem : fixed(oem, OEM_LENGTH));

function vinBytes(vin: string): Uint8Array {
  const bytes = new Uint8Array(VIN_LENGTH);
  if (vin.length !== VIN_LENGTH || !writeAscii(bytes, 0, VIN_LENGTH, vin)) throw new UsageError(`VIN "${vin}"`);
  return bytes;
}

function announcementBytes({ vin, address, eid, gid, furtherAction, syncStatus }: VehicleAnnouncement): number[] {
  const ids = [...Array.from(fixed(eid, ID_LENGTH)), ...Array.from(fixed(gid, ID_LENGTH))];
  const head = [...vinBytes(vin), ...word(address), ...ids, furtherAction];
  return syncStatus === undefined ? head : [...head, syncStatus];
}

const hex = (value: number, digits = 2): string => value.toString(16).padStart(digits, "0");
