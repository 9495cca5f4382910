import { readFileSync } from "node:fs";
import { UsageError } from "../../emulator/kernel/errors.ts";
import type { SsuIdentity } from "../../gateway/source/ssu/credentials.ts";
import { Security } from "../../gateway/source/ssu/packet-options.ts";
import { readRevocationLists } from "../crypto/revocation.ts";
import { ssuIdentity, ssuTrust } from "../crypto/ssu-credentials.ts";
import type { SsuStreamOptions } from "../link/ssu/ssu-stream.ts";
import { type CommandArgs, flagOption, textOption } from "./command.ts";

/** HOST:PORT of a server. @throws {UsageError} */
export function endpointOf(text: string | undefined): { host: string; port: number } {
  const parts = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text ?? "");
  const port = Number(parts?.[2]);
  if (parts === null || !(port >= 1 && port <= 65_535)) throw new UsageError(`"${text ?? ""}" is no HOST:PORT`);
  return { host: parts[1] as string, port };
}

/** How a client is to talk to the server, and whom it believes. Without --plain nothing but a secure stream will do. */
export function streamOptions(args: CommandArgs, endpoint: { host: string; port: number }): SsuStreamOptions {
  if (flagOption(args, "plain")) return { ...endpoint, security: Security.Plain };
  const ca = textOption(args, "ca");
  if (ca === undefined)
    throw new UsageError("--ca FILE is missing, or --plain for a stream that anybody can read and change");
  const crl = textOption(args, "crl");
  const trust = ssuTrust({
    ca: fileText(ca),
    ...(crl !== undefined && { revocation: readRevocationLists(fileBytes(crl)) }),
  });
  return { ...endpoint, security: Security.Secure, trust, serverName: textOption(args, "name") ?? endpoint.host };
}

/** Which openings a server takes, and who it is. */
export function serverSecurity(args: CommandArgs): { accepts: "plain" | "secure" | "either"; identity?: SsuIdentity } {
  const accepts = textOption(args, "security") ?? "secure";
  if (accepts !== "plain" && accepts !== "secure" && accepts !== "either") {
    throw new UsageError(`--security is plain, secure or either, not "${accepts}"`);
  }
  const [cert, key] = [textOption(args, "cert"), textOption(args, "key")];
  if (accepts === "plain") return { accepts };
  if (cert === undefined || key === undefined) {
    throw new UsageError("--cert FILE and --key FILE are missing (otabench keys makes some), or --security plain");
  }
  return { accepts, identity: ssuIdentity(fileText(cert), fileText(key)) };
}

function fileBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new UsageError(`${path} can't be read: ${(cause as Error).message}`, { cause });
  }
}

const fileText = (path: string): string => Buffer.from(fileBytes(path)).toString("utf8");
