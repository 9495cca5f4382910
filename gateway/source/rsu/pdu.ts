import { decodeBase64, encodeBase64 } from "../../../emulator/wire/base64.ts";

/** `mtype` of a PDU. (docs/protocols/rsu.md) */
export const RsuType = {
  VersionExchange: 0,
  VersionAck: 1,
  RequestUpdate: 2,
  StartRcvData: 3,
  FinishRcvData: 4,
  SendAck: 5,
  StartSndData: 6,
  FinishSndData: 7,
  ReceiveAck: 8,
  Error: 9,
} as const;
export type RsuType = (typeof RsuType)[keyof typeof RsuType];

/** One PDU: a JSON object in UTF-8, with nothing before, between or behind. */
export interface RsuPdu {
  readonly type: RsuType;
  readonly payload: Uint8Array;
  /** Empty in all but the two version PDUs. */
  readonly protocolVersion: string;
  readonly firmwareVersion: string;
}

export type RsuDecoded = RsuPdu | { readonly type: "malformed"; readonly reason: string };

/** The longest PDU that is taken, bytes. */
export const PDU_LENGTH_MAX = 65_536;
/** Bytes of firmware in one PDU, as the original cuts it; the last one has fewer. */
export const SEGMENT_LENGTH = 512;
const TYPE_MAX = 9;
const VERSION_LENGTH_MAX = 64;
const KEYS: ReadonlySet<string> = new Set(["mtype", "payload", "protocol_ver", "firmware_ver", "size"]);
const NOTHING = new Uint8Array(0);

/** In the order of keys, and with the white space, of Python's json.dumps. */
export function encodePdu(pdu: Pick<RsuPdu, "type"> & Partial<RsuPdu>): Uint8Array {
  const { type, payload = NOTHING, protocolVersion = "", firmwareVersion = "" } = pdu;
  const text = encodeBase64(payload);
  const versions = `"protocol_ver": ${asciiJson(protocolVersion)}, "firmware_ver": ${asciiJson(firmwareVersion)}`;
  return new TextEncoder().encode(`{"mtype": ${type}, "payload": "${text}", ${versions}, "size": ${text.length}}`);
}

/** Total: any bytes give a PDU or a reason. @param bytes of one object, as the splitter cuts them */
export function decodePdu(bytes: Uint8Array): RsuDecoded {
  const malformed = (reason: string): RsuDecoded => ({ type: "malformed", reason });
  const fields = parseObject(bytes);
  if (fields === undefined) return malformed("no JSON object");
  const foreign = Object.keys(fields).find((key) => !KEYS.has(key));
  if (foreign !== undefined) return malformed(`unknown key ${JSON.stringify(foreign.slice(0, 40))}`);
  const { mtype, payload, protocol_ver: protocolVersion = "", firmware_ver: firmwareVersion = "", size } = fields;
  if (typeof mtype !== "number" || !Number.isInteger(mtype) || mtype < 0 || mtype > TYPE_MAX)
    return malformed("mtype is no number from 0 to 9");
  if (typeof payload !== "string") return malformed("payload is no text");
  if (!isVersionText(protocolVersion) || !isVersionText(firmwareVersion))
    return malformed(`a version is no text of up to ${VERSION_LENGTH_MAX} characters`);
  if (size !== undefined && size !== payload.length)
    return malformed(`size is ${JSON.stringify(size)?.slice(0, 20)}, the payload has ${payload.length} characters`);
  const data = decodeBase64(payload);
  if (data === undefined) return malformed("payload is no base64");
  return { type: mtype as RsuType, payload: data, protocolVersion, firmwareVersion };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const isVersionText = (value: unknown): value is string =>
  typeof value === "string" && value.length <= VERSION_LENGTH_MAX;

/** JSON with everything beyond ASCII escaped. */
const asciiJson = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
