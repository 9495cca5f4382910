import { type KeyWish, mustSignBy, newIdentity, newKeys } from "../../link/srup/device-identity.ts";
import type { PartyKeys } from "../../link/srup/key-client.ts";
import type { StateFile } from "../../record/state-file.ts";

/** Who a server is: made once, and kept. */
interface ServerIdentity {
  readonly identity: string;
  readonly keys: PartyKeys;
}

/** @throws {FileError} @throws {UsageError} "SRUP_SIGNATURES" when it has keys of another kind than it should */
export function serverIdentity(file: StateFile, wish: KeyWish = {}): ServerIdentity {
  const saved = file.read() as ServerIdentity | undefined;
  if (saved !== undefined) {
    mustSignBy(wish.signatures, saved.keys);
    return saved;
  }
  const made = { identity: newIdentity(), keys: newKeys(wish) };
  file.write(made);
  return made;
}
