import { join } from "node:path";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import type { SrupSignatures } from "../../../gateway/source/srup/key-text.ts";
import { KeyClient } from "../../link/srup/key-client.ts";
import { StateFile } from "../../record/state-file.ts";
import { C2Server, type Operator, type SrupServerEvent } from "./c2-server.ts";
import { serverIdentity } from "./server-identity.ts";

export interface ForeignServerOptions {
  /** Folder where everything is kept. */
  readonly state: string;
  /** Of the key service. */
  readonly keyService: string;
  /** Where the broker is: "mqtt://host:port". */
  readonly broker: string;
  /** What the key service has signed over our key; needed once. */
  readonly token?: string;
  /** What it signs with; what it has already, or RSA, if left out. */
  readonly signatures?: SrupSignatures | undefined;
  /** Of https services, PEM. */
  readonly ca: string;
  readonly operator: Operator;
  readonly settleMs: number;
  readonly asksSimple: boolean;
  readonly manual: boolean;
  readonly onEvent: (event: SrupServerEvent) => void;
  readonly lost: (reason: string) => void;
}

/** Where who a server is is kept. @param folder of the server @throws {FileError} */
export const serverFile = (folder: string): StateFile => new StateFile(join(folder, "server.json"));

/**
 * A command and control server in somebody else's network.
 * @throws {LinkError} when the key service does not take it @throws {UsageError} "SRUP_SIGNATURES"
 */
export async function startForeignServer(options: ForeignServerOptions): Promise<C2Server> {
  const { state, keyService, broker, token, ca, signatures } = options;
  const { identity, keys } = serverIdentity(serverFile(state), { signatures });
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
