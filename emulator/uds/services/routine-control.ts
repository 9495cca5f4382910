import { Nrc, RoutineControlType, Sid } from "../../wire/uds.ts";
import { accessNrc, fromWork, NON_DEFAULT, negative, type Service, uint16, WRONG_LENGTH } from "../service.ts";

const OPTION_OFFSET = 4;

/**
 * 0x31. The identifier is looked at before the sub-function, because each routine has its own set of them.
 * Routines are started only; stop and results are refused with NRC 0x12. (ISO 14229-1:2020, 13.2 and Figure 30)
 */
export const routineControl: Service = {
  sid: Sid.RoutineControl,
  sessions: NON_DEFAULT,
  unlocked: false,
  functional: false,
  subFunctions: "own",
  run(request, { host, memory, now }) {
    if (request.length < OPTION_OFFSET) return WRONG_LENGTH;
    const rid = uint16(request, 2);
    const rule = host.routines.get(rid);
    const nrc = accessNrc(rule, memory);
    if (rule === undefined || nrc !== undefined) return negative(nrc as NonNullable<typeof nrc>);
    const type = (request[1] as number) & 0x7f;
    if (!rule.types.includes(type)) return negative(Nrc.SubFunctionNotSupported);
    if (type !== RoutineControlType.Start) return negative(Nrc.RequestSequenceError);
    if (rule.download === "refused" && memory.download !== undefined) return negative(Nrc.RequestSequenceError);
    const work = host.startRoutine(rid, request.slice(OPTION_OFFSET), now);
    if (rule.download === "ends" && work.type !== "refused") memory.download = undefined;
    return fromWork(work, Sid.RoutineControl, [type, rid >>> 8, rid & 0xff]);
  },
};
