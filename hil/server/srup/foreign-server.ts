import { join } from "node:path";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import { makeRsaKey, newIdentity, newKeys } from "../../link/srup/device-identity.ts";
import { KeyClient, type PartyKeys } from "../../link/srup/key-client.ts";
import { StateFile } from "../../record/state-file.ts";
import { C2Server, type Operator, type SrupServerEvent } from "./c2-server.ts";

export interface ForeignServerOptions {
  /** Folder where everything is kept. */
  readonly state: string;
  /** Of the key service. */
  readonly keyService: string;
  /** Where the broker is: "mqtt://host:port". */
  readonly broker: string;
  /** What the key service has signed over our key; needed once. */
  readonly token?: string;
  /** Of https services, PEM. */
  readonly ca: string;
  readonly operator: Operator;
  readonly settleMs: number;
  readonly asksSimple: boolean;
  readonly manual: boolean;
  readonly onEvent: (event: SrupServerEvent) => void;
  readonly lost: (reason: string) => void;
}

/** Who a server is: made once, and kept. */
interface ServerIdentity {
  readonly identity: string;
  readonly keys: PartyKeys;
}

/** @param folder where it is kept @throws {FileError} */
export function serverIdentity(folder: string): ServerIdentity {
  const file = new StateFile(join(folder, "server.json"));
  const saved = file.read() as ServerIdentity | undefined;
  if (saved !== undefined) return saved;
  const made = { identity: newIdentity(), keys: newKeys(makeRsaKey) };
  file.write(made);
  return made;
}

/** A command and control server in somebody else's network. @throws {LinkError} when the key service does not take it */
export async function startForeignServer(options: ForeignServerOptions): Promise<C2Server> {
  const { state, keyService, broker, token, ca } = options;
  const { identity, keys } = serverIdentity(state);
  const service = new KeyClient(keyService, ca);
  if (!(await service.knows(identity))) {
    if (token === undefined)
      throw new LinkError("SRUP_TOKEN", "the key service does not know this server: a token is needed");
    await service.registerServer(identity, keys.publicKey, token);
  }
  const access = { ...(await service.access(identity, keys)), broker };
  const file = (name: string): StateFile => new StateFile(join(state, name));
  return new C2Server({
    ...options,
    identity,
    privateKey: keys.privateKey,
    access,
    keys: service,
    store: file("server-peer.json"),
    devices: file("server-devices.json"),
  });
}
