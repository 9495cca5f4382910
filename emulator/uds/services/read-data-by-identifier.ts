import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";
import { dataOf, readNrc } from "../identifiers.ts";
import { ALL_SESSIONS, negative, type Service, uint16, WRONG_LENGTH } from "../service.ts";

/**
 * 0x22, any number of identifiers: those that are not there now are left out, and only when none is left the answer is
 * NRC 0x31. (ISO 14229-1:2020, 11.2 and Figure 20)
 */
export const readDataByIdentifier: Service = {
  sid: Sid.ReadDataByIdentifier,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: "none",
  run(request, context) {
    const count = (request.length - 1) / 2;
    if (!Number.isInteger(count) || count < 1 || count > context.config.didsPerRequestMax) return WRONG_LENGTH;
    const response: number[] = [Sid.ReadDataByIdentifier + POSITIVE_RESPONSE_OFFSET];
    for (let offset = 1; offset < request.length; offset += 2) {
      const did = uint16(request, offset);
      const nrc = readNrc(did, context);
      if (nrc === Nrc.SecurityAccessDenied) return negative(nrc);
      const data = nrc === undefined ? dataOf(did, context) : undefined;
      if (data !== undefined) response.push(did >>> 8, did & 0xff, ...data);
      if (response.length > context.config.responseSizeMax) return negative(Nrc.ResponseTooLong);
    }
    if (response.length === 1) return negative(Nrc.RequestOutOfRange);
    return { type: "positive", response: Uint8Array.from(response) };
  },
};
