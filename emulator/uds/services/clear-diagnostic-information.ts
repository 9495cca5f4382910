import { ALL_DTCS, FUNCTIONAL_GROUP_DTCS } from "../../wire/dtc.ts";
import { Nrc, Sid } from "../../wire/uds.ts";
import type { DtcHost, DtcView } from "../host-dtc.ts";
import { ALL_SESSIONS, fromWork, negative, type Service, uint24, WRONG_LENGTH } from "../service.ts";

const LENGTH = 4;
const LENGTH_WITH_MEMORY = 5;

/** 0x14. While a download is under way nothing is cleared (NRC 0x22). (ISO 14229-1:2020, 12.2) */
export const clearDiagnosticInformation: Service = {
  sid: Sid.ClearDiagnosticInformation,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: "none",
  offered: ({ dtc }) => dtc !== undefined,
  run(request, { host, memory, now }) {
    const dtcs = host.dtc as DtcHost;
    if (request.length !== LENGTH && request.length !== LENGTH_WITH_MEMORY) return WRONG_LENGTH;
    const codes = codesOfGroup(uint24(request, 1), dtcs);
    const selection = request[LENGTH];
    if (codes.length === 0) return negative(Nrc.RequestOutOfRange);
    if (selection !== undefined && dtcs.userMemory(selection) === undefined) {
      return negative(Nrc.RequestOutOfRange);
    }
    if (memory.download !== undefined) return negative(Nrc.ConditionsNotCorrect);
    return fromWork(dtcs.clear(codes, selection, now), Sid.ClearDiagnosticInformation, []);
  },
};

/** All, those of a functional group, or one; none when there is no such group or DTC. (ISO 14229-1:2020, D.1) */
export function codesOfGroup(group: number, dtcs: DtcHost): readonly number[] {
  return dtcs
    .list()
    .filter((dtc) => isOfGroup(dtc, group))
    .map(({ code }) => code);
}

function isOfGroup(dtc: DtcView, group: number): boolean {
  if (group === ALL_DTCS) return true;
  return group >= FUNCTIONAL_GROUP_DTCS ? dtc.functionalGroups.includes(group & 0xff) : dtc.code === group;
}
