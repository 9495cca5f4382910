import { Nrc, Sid } from "../../wire/uds.ts";
import { memoryNrc } from "../identifiers.ts";
import { ALL_SESSIONS, fromWork, negative, type Service, WRONG_LENGTH } from "../service.ts";
import { readAddressAndSize } from "./address-and-size.ts";

const LENGTH_MIN = 5;

/** 0x3D. (ISO 14229-1:2020, 11.8 and Figure 26) */
export const writeMemoryByAddress: Service = {
  sid: Sid.WriteMemoryByAddress,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, context) {
    const { host, now } = context;
    if (request.length < LENGTH_MIN) return WRONG_LENGTH;
    const range = readAddressAndSize(request, 1);
    if (range.type === "formatInvalid") return negative(Nrc.RequestOutOfRange);
    if (range.type === "tooShort" || request.length !== 1 + range.length + range.size) return WRONG_LENGTH;
    const nrc = memoryNrc(range, "write", context);
    if (host.dataHost === undefined || nrc !== undefined) return negative(nrc ?? Nrc.RequestOutOfRange);
    const dataOffset = 1 + range.length;
    const work = host.dataHost.writeMemory(range.address, request.slice(dataOffset), now);
    return fromWork(work, Sid.WriteMemoryByAddress, [...request.subarray(1, dataOffset)]);
  },
};
