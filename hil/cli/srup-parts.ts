import { createPrivateKey } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { BenchError, UsageError } from "../../emulator/kernel/errors.ts";
import type { SrupRequest } from "../../gateway/source/host-request.ts";
import { printable } from "../link/printable.ts";
import { deviceFiles, makeRsaKey, registeredDevice } from "../link/srup/device-identity.ts";
import { DeviceSession } from "../link/srup/device-session.ts";
import { KeyClient } from "../link/srup/key-client.ts";
import { UpdateFolder } from "../link/srup/update-folder.ts";
import { makeFolder } from "../record/claim.ts";
import { readIfThere, writeDurably } from "../record/durable-file.ts";
import { exclusively } from "../record/file-lock.ts";
import { FileError } from "../record/record-error.ts";
import { StateFile } from "../record/state-file.ts";
import { startHttpsServer } from "../server/https/https-server.ts";
import { startBroker } from "../server/srup/broker.ts";
import { type C2Server, digestOf, eventText } from "../server/srup/c2-server.ts";
import { serverFile, startForeignServer } from "../server/srup/foreign-server.ts";
import { serverToken, startKeyService } from "../server/srup/key-service.ts";
import { KeyServiceState } from "../server/srup/key-service-state.ts";
import { serverIdentity } from "../server/srup/server-identity.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { deviceInput, identitiesOf, serverInput, takeoverOf } from "./srup-words.ts";
import { untilSignal } from "./until-signal.ts";
import { portOf, signaturesWord } from "./words.ts";

/** What `otabench srup` does. @throws {BenchError} */
export const runSrup: Command["run"] = async (args, io) => {
  const [action, operand] = args.positionals;
  const state = textOption(args, "state");
  if (state === undefined) throw new UsageError("--state DIR is missing");
  makeFolder(state);
  const alone = (work: () => Promise<number>): Promise<number> => exclusively(join(state, "lock"), 0, work);
  if (action === "keyex") return alone(() => keyExchange(args, state, io));
  if (action === "token") return token(state, operand, io);
  if (action === "server") return alone(() => server(args, state, operand, io));
  if (action === "device") return alone(() => device(args, state, io));
  throw new UsageError(`"${action ?? ""}" is none of keyex, token, server, device`);
};

const KEY_SERVICE = "key-service.json";

const keyServiceState = (folder: string): KeyServiceState =>
  new KeyServiceState(new StateFile(join(folder, KEY_SERVICE)), makeRsaKey);

const say = (io: CommandIo, line: string): void => void io.stdout.write(`${printable(line)}\n`);

async function keyExchange(args: CommandArgs, folder: string, io: CommandIo): Promise<number> {
  const state = keyServiceState(folder);
  const { host, name, broker } = addressesOf(args);
  const key = brokerKey(join(folder, "broker.key.pem"));
  const names = name === "localhost" ? {} : { names: [name, "localhost"] };
  const certificate = state.brokerCertificate(createPrivateKey(key), names);
  writeFileSync(join(folder, "broker.pem"), certificate);
  writeFileSync(join(folder, "ca.pem"), state.authority);
  const port = portOf(textOption(args, "port") ?? "8080");
  const own = flagOption(args, "with-broker")
    ? await startBroker({ certificate, privateKey: key, ca: state.authority, host, port: brokerPortOf(broker) })
    : undefined;
  const starting = startKeyService({ state, broker, host, port, onEvent: (line) => say(io, line) });
  const service = await starting.catch(async (error: unknown) => {
    await own?.close();
    throw error;
  });
  say(io, `keyex     http://${host}:${service.port}, broker ${broker}${own === undefined ? "" : " (our own)"}`);
  await untilSignal((stop) => aborted(stop));
  await own?.close();
  await service.close();
  return ExitCode.Ok;
}

function brokerKey(path: string): string {
  const before = readIfThere(path);
  if (before !== undefined) return Buffer.from(before).toString("latin1");
  const pem = makeRsaKey().export({ format: "pem", type: "pkcs8" }) as string;
  writeDurably(path, Buffer.from(pem));
  return pem;
}

function token(folder: string, path: string | undefined, io: CommandIo): number {
  if (path === undefined) throw new UsageError("the server's public key is missing");
  if (!existsSync(join(folder, KEY_SERVICE))) throw new UsageError(`there is no key service in ${folder}`);
  io.stdout.write(`${serverToken(keyServiceState(folder), readText(path))}\n`);
  return ExitCode.Ok;
}

/** @throws {FileError} FILE_UNREADABLE */
function readText(path: string): string {
  const data = readIfThere(path);
  if (data === undefined) throw new FileError("FILE_UNREADABLE", `can't read ${path}: it is not there`);
  return Buffer.from(data).toString("utf8");
}

async function server(args: CommandArgs, state: string, path: string | undefined, io: CommandIo): Promise<number> {
  const { host, name, broker } = addressesOf(args);
  const signatures = signaturesWord(textOption(args, "signatures"));
  const own = serverIdentity(serverFile(state), { signatures });
  writeFileSync(join(state, "server.pub.pem"), own.keys.publicKey);
  say(io, `server    ${own.identity}, its key is ${join(state, "server.pub.pem")}`);
  const tokenFile = textOption(args, "token");
  const data = path === undefined ? undefined : readIfThere(path);
  if (path !== undefined && data === undefined) throw new FileError("FILE_UNREADABLE", `${path} is not there`);
  const c2 = await startForeignServer({
    state,
    keyService: keyexOf(args),
    broker,
    signatures,
    ca: caOf(args),
    settleMs: 1_000,
    asksSimple: flagOption(args, "ask"),
    manual: flagOption(args, "manual"),
    // decided by the words accept, refuse and fail
    operator: { compare: () => new Promise(() => {}) },
    onEvent: (event) => say(io, eventText(event)),
    lost: (reason) => say(io, `broker: ${reason}`),
    ...(tokenFile !== undefined && { token: readText(tokenFile).trim() }),
  });
  const files = await startHttpsServer({ host, port: portOf(textOption(args, "port") ?? "0") });
  if (path !== undefined && data !== undefined) {
    const at = `/${encodeURIComponent(basename(path))}`;
    files.publish(at, data);
    const url = `http://${name}:${files.port}${at}`;
    c2.serve({ url, digest: digestOf(data) });
    say(io, `serves    ${url}`);
  }
  await talk(io, (line) => {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "devices") say(io, c2.joined.join(" "));
    else if (word === "initiate") initiate(c2, rest);
    else c2.push(serverInput(line));
  });
  await c2.close();
  await files.close();
  return ExitCode.Ok;
}

function initiate(c2: C2Server, devices: readonly string[]): void {
  if (!c2.serves) throw new UsageError("there is no file to be fetched: name one on the command line");
  c2.initiate(devices.length === 0 ? c2.joined : identitiesOf(devices));
}

async function device(args: CommandArgs, state: string, io: CommandIo): Promise<number> {
  const url = keyexOf(args);
  const ca = caOf(args);
  const told = textOption(args, "takeover");
  const takeover = told === undefined ? [] : takeoverOf(told);
  const signatures = signaturesWord(textOption(args, "signatures"));
  const request: SrupRequest = {
    kind: "srup",
    method: "fetch",
    url,
    device: "device",
    join: "simple",
    identification: "otabench device",
    waitMs: 86_400_000,
    patienceMs: 86_400_000,
    state,
    ca,
    bodyMax: 1 << 30,
  };
  const files = deviceFiles(state);
  const type = textOption(args, "type") ?? "default";
  const known = await registeredDevice(files.identity, new KeyClient(url, ca), type, { signatures });
  const { server: serverId, access } = known.registration;
  say(io, `device    ${known.identity}, server ${serverId}, broker ${access.broker}`);
  const updates: UpdateFolder = new UpdateFolder({
    folder: state,
    ca,
    bodyMax: request.bodyMax,
    digestOf: (download) => session.digestOf({ download }),
    tell: (input) => session.push(input),
    installed: (path) => {
      say(io, path === undefined ? "installs  nothing: the file is gone" : `installs  ${path}`);
      session.report(path !== undefined);
    },
  });
  const session: DeviceSession = new DeviceSession(request, {
    takeover,
    fetched: () => updates.fetched(),
    onJoinValue: (_, value) => say(io, `shows     ${value}`),
    onEvent: (event) => {
      say(io, eventText(event));
      updates.said(event);
    },
    onObserve: () => new Promise(() => {}), // decided by the word observed
  });
  await session.begin();
  await talk(io, (line) => {
    const input = deviceInput(line);
    if (input.type === "join") void session.join(input);
    else session.push(input);
  });
  await updates.close();
  await session.close();
  return ExitCode.Ok;
}

/** Hands each line of standard input over until it ends or the process is told to. */
async function talk(io: CommandIo, take: (line: string) => void): Promise<void> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  lines.on("line", (line) => {
    if (line.trim() === "") return;
    try {
      take(line);
    } catch (error) {
      if (!(error instanceof BenchError)) throw error;
      say(io, `${error.code}: ${error.message}`);
    }
  });
  await untilSignal((stop) => aborted(stop));
  lines.close();
  process.stdin.pause();
}

function aborted(stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const alive = setInterval(() => {}, 1 << 30);
  if (stop.aborted) resolve();
  else stop.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearInterval(alive));
}

const addressesOf = (args: CommandArgs): { host: string; name: string; broker: string } => {
  const name = textOption(args, "name") ?? "localhost";
  const broker = textOption(args, "broker") ?? `mqtt://${name}`;
  if (!BROKER.test(broker)) throw new UsageError(`"${broker}" is no broker: mqtt://HOST[:PORT]`);
  brokerPortOf(broker);
  return { host: textOption(args, "host") ?? "127.0.0.1", name, broker };
};

const BROKER = /^(?:[a-z]+:\/\/)?(?:[^\s/:[\]]+|\[[\da-f:.]+\])(?::\d+)?\/?$/i;

const brokerPortOf = (broker: string): number => portOf(/:(\d+)\/?$/.exec(broker)?.[1] ?? "8883");

function keyexOf(args: CommandArgs): string {
  const url = textOption(args, "keyex");
  if (url === undefined) throw new UsageError("--keyex URL is missing");
  return url.includes("://") ? url : `http://${url}`;
}

function caOf(args: CommandArgs): string {
  const path = textOption(args, "ca");
  return path === undefined ? "" : readText(path);
}
