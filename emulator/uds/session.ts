import { Nrc, Session } from "../wire/uds.ts";
import { readNrc } from "./identifiers.ts";
import type { ServiceContext } from "./service.ts";

/**
 * Enters a session, also the one that is active: security is locked and a transfer ends. In the default session all else
 * that was begun ends too; in another one, what it does not allow or what needs security. (ISO 14229-1:2020, 10.2, Figure 7)
 */
export function enterSession(session: Session, context: ServiceContext): void {
  const { host, memory } = context;
  memory.session = session;
  memory.unlocked = false;
  memory.seed = undefined;
  memory.download = undefined;
  memory.transfer = undefined;
  const lasting = session === Session.Default ? [] : memory.periodic;
  memory.periodic = lasting.filter(({ did }) => {
    const nrc = readNrc(did, context);
    return nrc !== Nrc.SecurityAccessDenied && nrc !== Nrc.RequestOutOfRange;
  });
  host.dataHost?.sessionEntered(session);
}
