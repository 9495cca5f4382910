import { ALL_DTCS, DtcSetting } from "../../wire/dtc.ts";
import { Nrc, Sid, SUPPRESS_POSITIVE_RESPONSE } from "../../wire/uds.ts";
import type { DtcHost } from "../host-dtc.ts";
import { NON_DEFAULT, negative, positive, type Service, uint24, WRONG_LENGTH } from "../service.ts";
import { codesOfGroup } from "./clear-diagnostic-information.ts";

const OPTION_OFFSET = 2;
const DTC_LENGTH = 3;

/**
 * 0x85. DTCSettingControlOptionRecord: nothing for all DTCs, or groups of them as in 0x14. Off lasts until it is on again,
 * or the default session. (ISO 14229-1:2020, 10.8)
 */
export const controlDtcSetting: Service = {
  sid: Sid.ControlDtcSetting,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: true,
  subFunctions: new Map([
    [DtcSetting.On, NON_DEFAULT],
    [DtcSetting.Off, NON_DEFAULT],
  ]),
  offered: ({ dtc }) => dtc !== undefined,
  run(request, { host }) {
    const dtcs = host.dtc as DtcHost;
    if ((request.length - OPTION_OFFSET) % DTC_LENGTH !== 0) return WRONG_LENGTH;
    const groups: number[] = request.length === OPTION_OFFSET ? [ALL_DTCS] : [];
    for (let at = OPTION_OFFSET; at < request.length; at += DTC_LENGTH) groups.push(uint24(request, at));
    const codes = groups.map((group) => codesOfGroup(group, dtcs));
    if (codes.some((found) => found.length === 0)) return negative(Nrc.RequestOutOfRange);
    const type = (request[1] as number) & ~SUPPRESS_POSITIVE_RESPONSE;
    dtcs.setting(type === DtcSetting.On, codes.flat());
    return positive(Sid.ControlDtcSetting, type);
  },
};
