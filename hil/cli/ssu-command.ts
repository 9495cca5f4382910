import { statSync } from "node:fs";
import { createInterface } from "node:readline";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { SsuStreamError } from "../../gateway/source/ssu/alerts.ts";
import { isFileName } from "../../gateway/source/ssu/file-name.ts";
import { printable } from "../link/printable.ts";
import { SsuClient } from "../link/ssu/ssu-client.ts";
import type { SsuStreamFacts } from "../link/ssu/ssu-stream.ts";
import { FolderStore } from "../server/ssu/file-store.ts";
import { type SsuServerEvent, startSsuServer } from "../server/ssu/ssu-server.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { fetchFile, sendFile, type Transferred } from "./ssu-files.ts";
import { endpointOf, serverSecurity, streamOptions } from "./ssu-options.ts";
import { beforeServer } from "./transfer.ts";

/** Files and chat over secure streams. (docs/protocols/ssu.md) */
export const ssuCommand: Command = {
  name: "ssu",
  summary: "files and a chat room over a secure stream on UDP",
  operands: "serve DIR | list SERVER | get SERVER NAME | put SERVER FILE | chat SERVER",
  details: `
SERVER is HOST:PORT. "serve" gives out the plain files of a folder, keeps what it is sent there as received_<name>, and
has the chat room, until SIGINT or SIGTERM. "get" goes on where an earlier try was cut off. "chat" says each line of its
standard input. A client wants a secure stream and takes no other, unless --plain says so; so does a server, unless
--security says otherwise. "otabench keys" makes a CA and a certificate for this machine.`,
  options: {
    host: { type: "string", value: "ADDRESS", help: "serve: where to listen (127.0.0.1)" },
    port: { type: "string", value: "PORT", help: "serve: where to listen (any free one)" },
    security: { type: "string", value: "WHICH", help: "serve: plain, secure or either (secure)" },
    cert: { type: "string", value: "FILE", help: "serve: certificate and those above it, PEM" },
    key: { type: "string", value: "FILE", help: "serve: its private key, PEM" },
    "no-upload": { type: "boolean", help: "serve: take no files" },
    ca: { type: "string", value: "FILE", help: "the CA that the server's certificate must lead to, PEM" },
    crl: { type: "string", value: "FILE", help: "revocation lists of the CA, PEM or DER; asked for every certificate" },
    name: { type: "string", value: "NAME", help: "the name that the server's certificate must have (HOST)" },
    plain: { type: "boolean", help: "no security: anybody on the way can read and change what is sent" },
    out: { type: "string", short: "o", value: "FILE", help: "get: where to write (NAME, in this folder)" },
    as: { type: "string", value: "NAME", help: "put: the name on the server" },
    nick: { type: "string", value: "NAME", help: "chat: who you are" },
  },
  async run(args, io) {
    const [action = "", ...operands] = args.positionals;
    if (action === "serve") return serve(args, only(operands, ["DIR"]), io);
    return beforeServer(args, io, () => client(action, operands, args, io));
  },
};

async function client(action: string, operands: string[], args: CommandArgs, io: CommandIo): Promise<number> {
  switch (action) {
    case "list":
      return list(args, only(operands, ["SERVER"]), io);
    case "get":
      return transfer(args, withFileName(only(operands, ["SERVER", "NAME"])), io, (client, name) =>
        fetchFile(client, name, textOption(args, "out") ?? name),
      );
    case "put":
      return transfer(args, only(operands, ["SERVER", "FILE"]), io, (client, path) =>
        sendFile(client, path, textOption(args, "as")),
      );
    case "chat":
      return chat(args, only(operands, ["SERVER"]), io);
    default:
      throw new UsageError(`"${action}" is none of serve, list, get, put, chat; see otabench ssu --help`);
  }
}

function withFileName(operands: string[]): string[] {
  const [, name = ""] = operands;
  if (!isFileName(name)) throw new UsageError(`"${name}" is no name of a file on a server`);
  return operands;
}

function only(operands: readonly string[], names: readonly string[]): string[] {
  if (operands.length !== names.length) throw new UsageError(`${names.join(" ")} is what is needed`);
  return [...operands];
}

async function serve(args: CommandArgs, [folder = ""]: string[], io: CommandIo): Promise<number> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UsageError(`${folder} is no folder`);
  const json = flagOption(args, "json");
  const port = textOption(args, "port") ?? "0";
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new UsageError(`"${port}" is no port`);
  const server = await startSsuServer({
    store: new FolderStore(folder),
    ...serverSecurity(args),
    host: textOption(args, "host") ?? "127.0.0.1",
    port: Number(port),
    ...(flagOption(args, "no-upload") && { uploadMax: 0 }),
    onEvent: (event) => tell(event, json, io),
  });
  const where = { address: server.address, port: server.port };
  io.stdout.write(json ? `${JSON.stringify({ listening: where })}\n` : `ssu  ${where.address}:${where.port}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  server.close();
  return ExitCode.Ok;
}

function tell(event: SsuServerEvent, json: boolean, io: CommandIo): void {
  if (json) io.stdout.write(`${JSON.stringify({ event })}\n`);
  else if (event.type === "app")
    io.stdout.write(`client ${event.session}: ${printable(JSON.stringify(event.event))}\n`);
  else if (event.type === "failed")
    io.stdout.write(`client ${event.session}: ${event.failure.code}: ${new SsuStreamError(event.failure).message}\n`);
  else if (event.type === "client") io.stdout.write(`client ${event.session}: ${event.from}\n`);
}

/** Whatever comes of it, the stream is over afterwards, and nothing keeps the program from ending. */
async function withClient<Result>(
  args: CommandArgs,
  server: string | undefined,
  work: (client: SsuClient) => Promise<Result>,
): Promise<{ result: Result; facts: SsuStreamFacts }> {
  const client = await SsuClient.connect(streamOptions(args, endpointOf(server)));
  let result: Result;
  try {
    result = await work(client);
  } catch (error) {
    client.stream.abort();
    throw error;
  }
  await client.close();
  return { result, facts: client.facts };
}

async function list(args: CommandArgs, [server]: string[], io: CommandIo): Promise<number> {
  const { result: files } = await withClient(args, server, (client) => client.list());
  const rows = files.map(({ name, size, digest }) => ({ name, size, digest: Buffer.from(digest).toString("hex") }));
  if (flagOption(args, "json")) io.stdout.write(`${JSON.stringify({ files: rows })}\n`);
  else for (const { name, size, digest } of rows) io.stdout.write(`${digest}  ${String(size).padStart(12)}  ${name}\n`);
  return ExitCode.Ok;
}

async function transfer(
  args: CommandArgs,
  [server, what = ""]: string[],
  io: CommandIo,
  work: (client: SsuClient, what: string) => Promise<Transferred>,
): Promise<number> {
  const begin = io.now();
  const { result: done, facts } = await withClient(args, server, (client) => work(client, what));
  const seconds = (io.now() - begin) / 1000;
  const { secure, counters, roundTripMs } = facts;
  const report = { ...done, seconds, secure, retransmissions: counters.resent, roundTripMs };
  if (flagOption(args, "json")) io.stdout.write(`${JSON.stringify(report)}\n`);
  else io.stdout.write(`${reportText(report)}\n`);
  return ExitCode.Ok;
}

function reportText(report: Transferred & { seconds: number; secure: boolean; retransmissions: number }): string {
  const { name, path, size, from, digest, seconds, secure, retransmissions } = report;
  const resumed = from > 0 ? `, from byte ${from} on` : "";
  const how = `${secure ? "secure" : "plaintext"}, ${retransmissions} retransmissions`;
  return `${name}  ${path}  ${size} bytes${resumed}  ${seconds.toFixed(2)} s  ${how}\nsha256 ${digest}`;
}

async function chat(args: CommandArgs, [server]: string[], io: CommandIo): Promise<number> {
  const nick = textOption(args, "nick");
  if (nick === undefined) throw new UsageError("--nick NAME is missing");
  await withClient(args, server, async (client) => {
    await client.join(nick);
    const lines = createInterface({ input: process.stdin, terminal: false });
    lines.on("line", (line) => {
      if (line !== "") client.say(line).catch(() => lines.close());
    });
    lines.on("close", () => client.stream.end());
    try {
      for (let heard = await client.heard(); heard !== undefined; heard = await client.heard()) hear(heard, args, io);
    } finally {
      lines.close();
    }
  });
  return ExitCode.Ok;
}

function hear(heard: NonNullable<Awaited<ReturnType<SsuClient["heard"]>>>, args: CommandArgs, io: CommandIo): void {
  if (flagOption(args, "json")) io.stdout.write(`${JSON.stringify(heard)}\n`);
  else if (heard.type === "said") io.stdout.write(`${timeText(heard.at)} ${heard.nick}: ${heard.text}\n`);
  else io.stdout.write(`${heard.nick} ${heard.type === "joined" ? "has come" : "has gone"}\n`);
}

/** @param at Unix time, ms, as a server says: it may be any number */
function timeText(at: number): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? "?" : time.toISOString();
}
