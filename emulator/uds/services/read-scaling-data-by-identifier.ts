import { Nrc, Sid } from "../../wire/uds.ts";
import { ownRule } from "../identifiers.ts";
import { ALL_SESSIONS, accessNrc, negative, positive, type Service, uint16, WRONG_LENGTH } from "../service.ts";

/** 0x24, one identifier: what may be read of it may be asked about it. (ISO 14229-1:2020, 11.4 and Figure 22) */
export const readScalingDataByIdentifier: Service = {
  sid: Sid.ReadScalingDataByIdentifier,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    if (request.length !== 3) return WRONG_LENGTH;
    const did = uint16(request, 1);
    const scaling = context.host.dataHost?.scaling.get(did);
    if (scaling === undefined) return negative(Nrc.RequestOutOfRange);
    const nrc = accessNrc(ownRule(did, context)?.read, context.memory);
    if (nrc !== undefined) return negative(nrc);
    return positive(Sid.ReadScalingDataByIdentifier, did >>> 8, did & 0xff, ...scaling);
  },
};
