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
  switch (message.type) {
    case "malformed":
      return datagram.length < DOIP_HEADER_LENGTH
        ? undefined
        : encodeDoip({ type: "headerNack", code: message.nack }, version);
    case "vehicleIdentificationRequest":
      return encodeDoip(announcement(identity), version);
    case "vehicleIdentificationRequestEid":
      return toHex(message.eid) === toHex(identity.eid) ? encodeDoip(announcement(identity), version) : undefined;
    case "vehicleIdentificationRequestVin":
      return message.vin === identity.vin ? encodeDoip(announcement(identity), version) : undefined;
    default:
      return undefined; // TCP's, or of another entity
  }
}
