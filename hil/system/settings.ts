import { UsageError } from "../../emulator/kernel/errors.ts";
import { parseIdentity } from "../../gateway/source/srup/identity.ts";
import { type SourceSettings, SYSTEM_NAMES, sourceSchema } from "../bench/source-schema.ts";

interface Told {
  /** "scheme://host:port" or "host:port"; the system's own, if left out. */
  readonly server?: string | undefined;
  /** Path, target or file, in the words of the system. */
  readonly name?: string | undefined;
  readonly tls12?: boolean | undefined;
  /** How long the server may wait for something newer, seconds. */
  readonly wait?: number | undefined;
  /** srup: how to join, who confirms it, what to sign with, and the folder where the device's identity is kept. */
  readonly join?: string | undefined;
  readonly observer?: string | undefined;
  readonly signatures?: string | undefined;
  readonly state?: string | undefined;
}

/** The settings that words of a command line mean. @throws {UsageError} */
export function deviceSettings(system: string, told: Told): SourceSettings {
  const { server, name, tls12 = false, wait, join, observer, signatures, state } = told;
  if (!(SYSTEM_NAMES as readonly string[]).includes(system)) {
    throw new UsageError(`"${system}" is no update system; there are ${SYSTEM_NAMES.join(", ")}`);
  }
  if (signatures !== undefined && system !== "srup") throw new UsageError(`${system} does not sign messages`);
  if (join === "observed" && parseIdentity(observer ?? "") === undefined)
    throw new UsageError(`"${observer ?? ""}" is no identity: an observed join needs --observer ID`);
  const asTold = { join, observer, signatures, state, waitS: wait };
  const given = Object.fromEntries(Object.entries(asTold).filter(([, value]) => value !== undefined));
  const settings = {
    system,
    ...given,
    ...(server !== undefined && { server: server.includes("://") ? server : `${schemeOf(system)}://${server}` }),
    ...(system === "rsu" && name !== undefined && { target: name }),
    ...(system === "ssu" && name !== undefined && { file: name }),
    ...(system === "https" && {
      tlsMin: tls12 ? "1.2" : "1.3",
      ...(name !== undefined && { path: name }),
    }),
  };
  const parsed = sourceSchema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${issue?.path.join(".")}: ${issue?.message}`);
}

/** A SRUP server is asked over HTTPS for where everything else is. */
const schemeOf = (system: string): string => (system === "srup" ? "https" : system);
