import { Nrc, POSITIVE_RESPONSE_OFFSET, Sid } from "../../wire/uds.ts";
import { memoryNrc } from "../identifiers.ts";
import { ALL_SESSIONS, joined, negative, type Service, WRONG_LENGTH } from "../service.ts";
import { readAddressAndSize } from "./address-and-size.ts";

const LENGTH_MIN = 4;

/** 0x23. (ISO 14229-1:2020, 11.3 and Figure 21) */
export const readMemoryByAddress: Service = {
  sid: Sid.ReadMemoryByAddress,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const { config, host } = context;
    if (request.length < LENGTH_MIN) return WRONG_LENGTH;
    const range = readAddressAndSize(request, 1);
    if (range.type === "formatInvalid") return negative(Nrc.RequestOutOfRange);
    if (range.type === "tooShort" || request.length !== 1 + range.length) return WRONG_LENGTH;
    const nrc = memoryNrc(range, "read", context);
    if (host.dataHost === undefined || nrc !== undefined) return negative(nrc ?? Nrc.RequestOutOfRange);
    if (1 + range.size > config.responseSizeMax) return negative(Nrc.ResponseTooLong);
    const data = host.dataHost.readMemory(range.address, range.size);
    const sid = Uint8Array.of(Sid.ReadMemoryByAddress + POSITIVE_RESPONSE_OFFSET);
    return { type: "positive", response: joined(sid, data) };
  },
};
