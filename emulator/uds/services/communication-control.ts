import { Nrc, Sid, SUPPRESS_POSITIVE_RESPONSE } from "../../wire/uds.ts";
import type { CommunicationHost } from "../host-communication.ts";
import { NON_DEFAULT, negative, positive, type Service, uint16, WRONG_LENGTH } from "../service.ts";

/** controlType: what is received and sent from then on, and whether a node is named. (ISO 14229-1:2020, Table 54) */
const CONTROL_TYPES: ReadonlyMap<
  number,
  { readonly receive: boolean; readonly transmit: boolean; readonly node: boolean }
> = new Map([
  [0x00, { receive: true, transmit: true, node: false }],
  [0x01, { receive: true, transmit: false, node: false }],
  [0x02, { receive: false, transmit: true, node: false }],
  [0x03, { receive: false, transmit: false, node: false }],
  [0x04, { receive: true, transmit: false, node: true }],
  [0x05, { receive: true, transmit: true, node: true }],
]);

const LENGTH = 3;
const NODE_LENGTH = 2;

/** Bits of communicationType; the upper four name a subnet. (ISO 14229-1:2020, Table B.1) */
const NORMAL = 0x01;
const NETWORK_MANAGEMENT = 0x02;
const RESERVED = 0x0c;
/** All of the ECU's networks, and the one that the request came from: an ECU of the bench has one. */
const SUBNETS: readonly number[] = [0x0, 0xf];

/**
 * 0x28. Lasts until it is taken back, or the default session. A node other than the ECU itself is NRC 0x31: it has none
 * behind it. (ISO 14229-1:2020, 10.5)
 */
export const communicationControl: Service = {
  sid: Sid.CommunicationControl,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: true,
  subFunctions: new Map([...CONTROL_TYPES.keys()].map((type) => [type, NON_DEFAULT])),
  offered: ({ communication }) => communication !== undefined,
  run(request, { host, now }) {
    const communication = host.communication as CommunicationHost;
    const controlType = (request[1] as number) & ~SUPPRESS_POSITIVE_RESPONSE;
    const rule = CONTROL_TYPES.get(controlType);
    if (rule === undefined) return negative(Nrc.SubFunctionNotSupported);
    if (request.length !== LENGTH + (rule.node ? NODE_LENGTH : 0)) return WRONG_LENGTH;
    const type = request[2] as number;
    const kinds = { normal: (type & NORMAL) !== 0, networkManagement: (type & NETWORK_MANAGEMENT) !== 0 };
    const isKind = (kinds.normal || kinds.networkManagement) && (type & RESERVED) === 0;
    if (!isKind || !SUBNETS.includes(type >>> 4)) return negative(Nrc.RequestOutOfRange);
    if (rule.node && uint16(request, LENGTH) !== communication.nodeIdentificationNumber) {
      return negative(Nrc.RequestOutOfRange);
    }
    communication.control(kinds, rule.receive, rule.transmit, now);
    return positive(Sid.CommunicationControl, controlType);
  },
};
