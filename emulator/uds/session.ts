import { Session } from "../wire/uds.ts";
import { readNrc } from "./identifiers.ts";
import { enterSession, type ServiceContext } from "./service.ts";

/**
 * Enters a session, also the one that is active, and ends what does not outlive that. In the default session all that was
 * begun ends; in another one, what it does not allow or what needs security. (ISO 14229-1:2020, 10.2, Figure 7)
 */
export function changeSession(session: Session, context: ServiceContext): void {
  const { host, memory } = context;
  enterSession(memory, session);
  memory.transfer = undefined;
  const lasting = session === Session.Default ? [] : memory.periodic;
  memory.periodic = lasting.filter(({ did }) => readNrc(did, context) === undefined);
  host.dataHost?.sessionEntered(session);
}
