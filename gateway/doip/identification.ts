import {
  DOIP_HEADER_LENGTH,
  type DoipMessage,
  decodeDoip,
  encodeDoip,
  isDoipVersion,
} from "../../emulator/wire/doip.ts";
import { toHex } from "../../emulator/wire/text.ts";

/** By what a DoIP entity is found: VIN, logical address, its own MAC address and that of its group. */
export interface DoipIdentity {
  /** 17 characters. */
  readonly vin: string;
  readonly address: number;
  /** EID, 6 bytes. */
  readonly eid: Uint8Array;
  /** GID, 6 bytes. */
  readonly gid: Uint8Array;
}

/** What can be asked over UDP is short; anything longer is refused by its header. */
const PAYLOAD_MAX = 64;

/** A vehicle announcement, which is also the answer to an identification request. (ISO 13400-2:2019, Table 5) */
export const announcement = ({ vin, address, eid, gid }: DoipIdentity): DoipMessage => ({
  type: "vehicleAnnouncement",
  vin,
  address,
  eid,
  gid,
  furtherAction: 0,
  syncStatus: 0,
});

/**
 * What an entity answers to one UDP datagram; undefined: nothing. A request with an EID or a VIN is for the entity that
 * has it, and for nobody else. What can't be read is refused by a header NACK. (ISO 13400-2:2019, 7.3 and 7.4)
 */
export function answerIdentification(datagram: Uint8Array, identity: DoipIdentity): Uint8Array | undefined {
  const asked = datagram[0] ?? 0;
  const version = isDoipVersion(asked) ? asked : undefined;
  const message = decodeDoip(datagram, PAYLOAD_MAX);
  if (message.type === "malformed") {
    const readable = datagram.length >= DOIP_HEADER_LENGTH;
    return readable ? encodeDoip({ type: "headerNack", code: message.nack }, version) : undefined;
  }
  return isAbout(message, identity) ? encodeDoip(announcement(identity), version) : undefined;
}

/** Everything but a question is TCP's, or another entity's. */
function isAbout(message: DoipMessage, { eid, vin }: DoipIdentity): boolean {
  if (message.type === "vehicleIdentificationRequestEid") return toHex(message.eid) === toHex(eid);
  if (message.type === "vehicleIdentificationRequestVin") return message.vin === vin;
  return message.type === "vehicleIdentificationRequest";
}
