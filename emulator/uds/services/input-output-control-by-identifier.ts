import { Nrc, Sid } from "../../wire/uds.ts";
import type { Control, ControlRule } from "../host-data.ts";
import { accessNrc, NON_DEFAULT, negative, positive, type Service, uint16, WRONG_LENGTH } from "../service.ts";
import { bigEndian } from "./address-and-size.ts";

/** (ISO 14229-1:2020, Table E.1) */
const ControlParameter = {
  ReturnControlToEcu: 0x00,
  ResetToDefault: 0x01,
  FreezeCurrentState: 0x02,
  ShortTermAdjustment: 0x03,
} as const;
const LENGTH_MIN = 4;

/** 0x2F. The answer carries the state of all parameters after it was done. (ISO 14229-1:2020, 13.3 and Figure 31) */
export const inputOutputControlByIdentifier: Service = {
  sid: Sid.InputOutputControlByIdentifier,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  offered: ({ dataHost }) => dataHost !== undefined,
  run(request, { host, memory, now }) {
    if (request.length < LENGTH_MIN) return WRONG_LENGTH;
    const did = uint16(request, 1);
    const rule = host.dataHost?.controls.get(did);
    const nrc = accessNrc(rule, memory);
    if (host.dataHost === undefined || rule === undefined || nrc !== undefined) {
      return negative(nrc ?? Nrc.RequestOutOfRange);
    }
    const parameter = request[3] as number;
    if (parameter > ControlParameter.ShortTermAdjustment) return negative(Nrc.RequestOutOfRange);
    const adjusted = parameter === ControlParameter.ShortTermAdjustment;
    const stateLength = adjusted ? rule.parameters.reduce((sum, { length }) => sum + length, 0) : 0;
    const maskLength = rule.masked ? Math.ceil(rule.parameters.length / 8) : 0;
    if (request.length !== LENGTH_MIN + stateLength + maskLength) return WRONG_LENGTH;
    const values = adjusted ? valuesOf(request.subarray(LENGTH_MIN), rule) : [];
    const selected = selectedBy(request.subarray(LENGTH_MIN + stateLength), rule);
    if (values.some((value, index) => selected[index] === true && value > (rule.parameters[index]?.max ?? 0))) {
      return negative(Nrc.RequestOutOfRange);
    }
    host.dataHost.control(did, controlOf(parameter, values), selected, now);
    const state = host.dataHost.readData(did, now) ?? [];
    return positive(Sid.InputOutputControlByIdentifier, did >>> 8, did & 0xff, parameter, ...state);
  },
};

function controlOf(parameter: number, values: readonly number[]): Control {
  switch (parameter) {
    case ControlParameter.ReturnControlToEcu:
      return { type: "returnControlToEcu" };
    case ControlParameter.ResetToDefault:
      return { type: "resetToDefault" };
    case ControlParameter.FreezeCurrentState:
      return { type: "freezeCurrentState" };
    default:
      return { type: "shortTermAdjustment", values };
  }
}

function valuesOf(state: Uint8Array, { parameters }: ControlRule): readonly number[] {
  let end = 0;
  return parameters.map(({ length }) => {
    end += length;
    return bigEndian(state, end - length, length);
  });
}

/** Without a mask all are meant. */
const selectedBy = (mask: Uint8Array, { masked, parameters }: ControlRule): readonly boolean[] =>
  parameters.map((_, index) => !masked || ((mask[index >>> 3] as number) & (0x80 >>> (index & 7))) !== 0);
