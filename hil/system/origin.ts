import { UsageError } from "../../emulator/kernel/errors.ts";

/**
 * "scheme://host:port" of a server, its default port left out.
 * @param scheme "https:" @throws {UsageError} for anything else than a scheme, a host and a port
 */
export function originOf(server: string, scheme: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const isBare = url !== undefined && ["", "/"].includes(url.pathname) && url.search === "" && url.hash === "";
  if (!isBare || url.protocol !== scheme || url.hostname === "" || url.username !== "" || url.password !== "") {
    throw new UsageError(`"${server}" is no ${scheme}//HOST:PORT`);
  }
  return `${url.protocol}//${url.host}`;
}
