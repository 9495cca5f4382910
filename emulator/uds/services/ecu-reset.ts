import { Sid } from "../../wire/uds.ts";
import { ALL_SESSIONS, fromWork, ResetType, type Service, WRONG_LENGTH } from "../service.ts";

/** 0x11: answers first, then resets. (ISO 14229-1:2020, 10.3) */
export const ecuReset: Service = {
  sid: Sid.EcuReset,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: new Map([
    [ResetType.HardReset, ALL_SESSIONS],
    [ResetType.KeyOffOnReset, ALL_SESSIONS],
    [ResetType.SoftReset, ALL_SESSIONS],
  ]),
  run(request, { host, now }) {
    if (request.length !== 2) return WRONG_LENGTH;
    const type = ((request[1] as number) & 0x7f) as ResetType;
    return fromWork(host.prepareReset(now), Sid.EcuReset, [type], type);
  },
};
