import { Sid } from "../../wire/uds.ts";
import { ownRule } from "../identifiers.ts";
import { accessNrc, fromWork, NON_DEFAULT, negative, type Service, uint16, WRONG_LENGTH } from "../service.ts";

const DATA_OFFSET = 3;

/** 0x2E. (ISO 14229-1:2020, 11.7 and Figure 25) */
export const writeDataByIdentifier: Service = {
  sid: Sid.WriteDataByIdentifier,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  run(request, context) {
    const { host, memory, now } = context;
    if (request.length <= DATA_OFFSET) return WRONG_LENGTH;
    const did = uint16(request, 1);
    const rule = ownRule(did, context)?.write;
    const nrc = accessNrc(rule, memory);
    if (rule === undefined || nrc !== undefined) return negative(nrc as NonNullable<typeof nrc>);
    const data = request.slice(DATA_OFFSET);
    if (data.length < rule.lengthMin || data.length > rule.lengthMax) return WRONG_LENGTH;
    const owner = host.dataHost !== undefined && !host.dids.has(did) ? host.dataHost : host;
    return fromWork(owner.writeData(did, data, now), Sid.WriteDataByIdentifier, [did >>> 8, did & 0xff]);
  },
};
