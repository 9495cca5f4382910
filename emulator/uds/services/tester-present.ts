import { Sid } from "../../wire/uds.ts";
import { ALL_SESSIONS, positive, type Service, WRONG_LENGTH } from "../service.ts";

/** zeroSubFunction. (ISO 14229-1:2020, 10.7) */
export const ZERO_SUB_FUNCTION = 0x00;

/** 0x3E: does nothing; that it came keeps the session alive. */
export const testerPresent: Service = {
  sid: Sid.TesterPresent,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: new Map([[ZERO_SUB_FUNCTION, ALL_SESSIONS]]),
  run(request) {
    return request.length === 2 ? positive(Sid.TesterPresent, ZERO_SUB_FUNCTION) : WRONG_LENGTH;
  },
};
