import { createPrivateKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { BenchError, UsageError } from "../../emulator/kernel/errors.ts";
import type { SrupRequest } from "../../gateway/source/host-request.ts";
import { isLastAnswer } from "../link/host-driver.ts";
import { printable } from "../link/printable.ts";
import { deviceFiles, makeRsaKey, registeredDevice } from "../link/srup/device-identity.ts";
import { DeviceSession } from "../link/srup/device-session.ts";
import { KeyClient } from "../link/srup/key-client.ts";
import { SrupExchange } from "../link/srup/srup-exchange.ts";
import { makeFolder } from "../record/claim.ts";
import { StateFile } from "../record/state-file.ts";
import { startHttpsServer } from "../server/https/https-server.ts";
import { startBroker } from "../server/srup/broker.ts";
import { digestOf, eventText } from "../server/srup/c2-server.ts";
import { serverFile, startForeignServer } from "../server/srup/foreign-server.ts";
import { serverToken, startKeyService } from "../server/srup/key-service.ts";
import { KeyServiceState } from "../server/srup/key-service-state.ts";
import { serverIdentity } from "../server/srup/server-identity.ts";
import { type Command, type CommandArgs, type CommandIo, ExitCode, flagOption, textOption } from "./command.ts";
import { deviceInput, serverInput, takeoverOf } from "./srup-words.ts";
import { untilSignal } from "./until-signal.ts";
import { portOf, signaturesWord } from "./words.ts";

/** What `otabench srup` does. @throws {BenchError} */
export const runSrup: Command["run"] = async (args, io) => {
  const [action, operand] = args.positionals;
  const state = textOption(args, "state");
  if (state === undefined) throw new UsageError("--state DIR is missing");
  makeFolder(state);
  if (action === "keyex") return keyExchange(args, state, io);
  if (action === "token") return token(state, operand, io);
  if (action === "server") return server(args, state, operand, io);
  if (action === "device") return device(args, state, io);
  throw new UsageError(`"${action ?? ""}" is none of keyex, token, server, device`);
};

const keyServiceState = (folder: string): KeyServiceState =>
  new KeyServiceState(new StateFile(join(folder, "key-service.json")), makeRsaKey);

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
  const service = await startKeyService({ state, broker, host, port, onEvent: (line) => say(io, line) });
  const brokerPort = Number(/:(\d+)$/.exec(broker)?.[1] ?? 8883);
  const own = flagOption(args, "with-broker")
    ? await startBroker({ certificate, privateKey: key, ca: state.authority, host, port: brokerPort })
    : undefined;
  say(io, `keyex     http://${host}:${service.port}, broker ${broker}${own === undefined ? "" : " (our own)"}`);
  await untilSignal((stop) => aborted(stop));
  await own?.close();
  await service.close();
  return ExitCode.Ok;
}

function brokerKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    const pem = makeRsaKey().export({ format: "pem", type: "pkcs8" }) as string;
    writeFileSync(path, pem, { mode: 0o600 });
    return pem;
  }
}

function token(folder: string, path: string | undefined, io: CommandIo): number {
  if (path === undefined) throw new UsageError("the server's public key is missing");
  io.stdout.write(`${serverToken(keyServiceState(folder), readFileSync(path, "utf8"))}\n`);
  return ExitCode.Ok;
}

async function server(args: CommandArgs, state: string, path: string | undefined, io: CommandIo): Promise<number> {
  const { host, name, broker } = addressesOf(args);
  const signatures = signaturesWord(textOption(args, "signatures"));
  const own = serverIdentity(serverFile(state), { signatures });
  writeFileSync(join(state, "server.pub.pem"), own.keys.publicKey);
  say(io, `server    ${own.identity}, its key is ${join(state, "server.pub.pem")}`);
  const tokenFile = textOption(args, "token");
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
    ...(tokenFile !== undefined && { token: readFileSync(tokenFile, "utf8").trim() }),
  });
  const files = await startHttpsServer({ host, port: portOf(textOption(args, "port") ?? "0") });
  if (path !== undefined) {
    const data = new Uint8Array(readFileSync(path));
    const at = `/${encodeURIComponent(basename(path))}`;
    files.publish(at, data);
    const url = `http://${name}:${files.port}${at}`;
    c2.serve({ url, digest: digestOf(data) });
    say(io, `serves    ${url}`);
  }
  await talk(io, (line) => {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "devices") say(io, c2.joined.join(" "));
    else if (word === "initiate") c2.initiate(rest.length === 0 ? c2.joined : rest);
    else c2.push(serverInput(line));
  });
  await c2.close();
  await files.close();
  return ExitCode.Ok;
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
  const session = new DeviceSession(request, {
    takeover,
    onJoinValue: (_, value) => say(io, `shows     ${value}`),
    onEvent: (event) => say(io, eventText(event)),
    onObserve: () => new Promise(() => {}), // decided by the word observed
  });
  await session.begin();
  const ending = new AbortController();
  const fetching = fetchAll(request, session, io, ending.signal);
  await talk(io, (line) => session.push(deviceInput(line)));
  ending.abort();
  await session.close();
  await fetching;
  return ExitCode.Ok;
}

/** Each file that the server wants the device to have goes into the folder, named by its digest. */
async function fetchAll(request: SrupRequest, session: DeviceSession, io: CommandIo, stop: AbortSignal): Promise<void> {
  const stopped = aborted(stop).then((): undefined => undefined);
  while (!stop.aborted) {
    const file = await session.update(1_000);
    if (file === undefined) continue;
    const path = join(request.state ?? "", `${session.digestOf(file)}.bin`);
    const exchange = new SrupExchange(request, session, { isJoined: true });
    const parts: Uint8Array[] = [];
    let answer = await Promise.race([exchange.next(), stopped]);
    while (answer !== undefined && !isLastAnswer(answer)) {
      if (answer.type === "body") parts.push(answer.data);
      answer = await Promise.race([exchange.next(), stopped]);
    }
    if (answer?.type === "failed") say(io, `fetch     ${answer.code}: ${answer.reason}`);
    if (answer?.type === "end" && parts.length > 0) installed(session, path, parts, io);
    await exchange.abandon();
  }
}

function installed(session: DeviceSession, path: string, parts: readonly Uint8Array[], io: CommandIo): void {
  writeFileSync(path, Buffer.concat(parts));
  say(io, `installs  ${path}`);
  session.report(true);
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
  return {
    host: textOption(args, "host") ?? "127.0.0.1",
    name,
    broker: textOption(args, "broker") ?? `mqtt://${name}`,
  };
};

function keyexOf(args: CommandArgs): string {
  const url = textOption(args, "keyex");
  if (url === undefined) throw new UsageError("--keyex URL is missing");
  return url.includes("://") ? url : `http://${url}`;
}

function caOf(args: CommandArgs): string {
  const path = textOption(args, "ca");
  return path === undefined ? "" : readFileSync(path, "utf8");
}
