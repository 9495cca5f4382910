import { Nrc, Sid } from "../../wire/uds.ts";
import { opened } from "../secured/envelope.ts";
import { ALL_SESSIONS, negative, type Service } from "../service.ts";

/** Their answers come later and of themselves, which would then be outside of 0x84. */
const NOT_ALLOWED: ReadonlySet<number> = new Set([
  Sid.SecuredDataTransmission,
  Sid.ReadDataByPeriodicIdentifier,
  Sid.ResponseOnEvent,
]);

/**
 * 0x84, where the server is configured for it: a request inside is carried out by this server, and its answer goes back
 * the same way. A counter that is not higher than the last one is a replay. (ISO 14229-1:2020, clause 16)
 */
export const securedDataTransmission: Service = {
  sid: Sid.SecuredDataTransmission,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: "none",
  offered: ({ secured }) => secured !== undefined,
  run(request, { config, host, now }) {
    const { secured } = host;
    if (config.secured === undefined || secured === undefined) return negative(Nrc.ServiceNotSupported);
    const read = opened(request, config.secured, host.secrets.crypto);
    if (read.type === "refused") return negative(read.nrc);
    const { message, envelope } = read;
    if (envelope.counter <= secured.counter) return negative(Nrc.SecureDataVerificationFailed);
    if (NOT_ALLOWED.has(message[0] as number)) return negative(Nrc.SecureDataTransmissionNotAllowed);
    return { type: "inner", work: secured.take(envelope.counter, now), request: message, envelope };
  },
};
