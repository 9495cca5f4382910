import { toMs } from "../../kernel/time.ts";
import { Nrc, Session, Sid } from "../../wire/uds.ts";
import { ALL_SESSIONS, NON_DEFAULT, negative, positive, type Service, WRONG_LENGTH } from "../service.ts";
import { changeSession } from "../session.ts";

/** P2*Server_max is sent in steps of 10 ms. (ISO 14229-1:2020, Table 29) */
const P2_STAR_STEP_MS = 10;

/**
 * 0x10. Every transition, also into the session that is active, locks security and ends a download.
 * (ISO 14229-1:2020, 10.2 and Figure 7)
 */
export const diagnosticSessionControl: Service = {
  sid: Sid.DiagnosticSessionControl,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: true,
  subFunctions: new Map<number, readonly Session[]>([
    [Session.Default, ALL_SESSIONS],
    [Session.Programming, ALL_SESSIONS],
    [Session.Extended, ALL_SESSIONS],
  ]),
  run(request, context) {
    const { config, memory } = context;
    const session = ((request[1] as number) & 0x7f) as Session;
    const fromWrongSession =
      session === Session.Programming && !config.programmingFromDefault && !NON_DEFAULT.includes(memory.session);
    if (fromWrongSession) return negative(Nrc.SubFunctionNotSupportedInActiveSession);
    if (request.length !== 2) return WRONG_LENGTH;
    const p2 = Math.round(toMs(config.p2Server));
    const p2Star = Math.round(toMs(config.p2StarServer) / P2_STAR_STEP_MS);
    changeSession(session, context);
    return positive(Sid.DiagnosticSessionControl, session, p2 >>> 8, p2 & 0xff, p2Star >>> 8, p2Star & 0xff);
  },
};
