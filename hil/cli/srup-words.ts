import { UsageError } from "../../emulator/kernel/errors.ts";
import type { SrupDeviceInput } from "../../gateway/source/srup/device-io.ts";
import { parseIdentity } from "../../gateway/source/srup/identity.ts";
import type { SrupServerInput } from "../../gateway/source/srup/server-io.ts";
import { encodeSrupValue, encodeText, type SrupValueType } from "../../gateway/source/srup/values.ts";

/** Servers that may take a device away: identities with commas between them, or "anyone". @throws {UsageError} */
export const takeoverOf = (text: string): readonly string[] | "anyone" =>
  text === "anyone" ? text : text.split(",").map(id);

/** @throws {UsageError} */
export const identitiesOf = (words: readonly string[]): readonly string[] => words.map(id);

type Words = readonly string[];

/** What a person types to a server, and what it means. */
const SERVER_WORDS: Readonly<Record<string, (words: Words) => SrupServerInput>> = {
  accept: ([device]) => ({ type: "endJoin", device: id(device), outcome: "accept" }),
  refuse: ([device]) => ({ type: "endJoin", device: id(device), outcome: "refuse" }),
  fail: ([device]) => ({ type: "endJoin", device: id(device), outcome: "fail" }),
  activate: ([device, token]) => ({ type: "activate", device: id(device), token: encodeText(word(token)) }),
  terminate: ([device]) => ({ type: "release", device: id(device), how: "terminate" }),
  deregister: ([device]) => ({ type: "release", device: id(device), how: "deregister" }),
  command: ([device]) => ({ type: "commandJoin", device: id(device) }),
  syndicate: ([device, url, value]) => ({
    type: "syndicationInit",
    device: id(device),
    url: word(url),
    value: word(value),
  }),
  "syndication-device": ([device]) => ({ type: "syndicationDevice", device: device && id(device) }),
  "syndicate-devices": (devices) => ({ type: "syndicateDevices", devices: devices.map(id) }),
  "syndicated-action": ([target, action]) => ({
    type: "syndicatedAction",
    target: id(target),
    actionId: number(action),
  }),
  "syndicated-id": ([target]) => ({ type: "syndicatedIdRequest", target: id(target) }),
  "syndicated-request": ([request, ...text]) => ({
    type: "syndicatedC2Request",
    reqId: number(request),
    data: encodeText(text.join(" ")),
  }),
  "syndicated-end": () => ({ type: "syndicatedEnd" }),
  "syndicated-terminate": () => ({ type: "syndicatedTerminate" }),
};

/** What a person types to a device. */
const DEVICE_WORDS: Readonly<Record<string, (words: Words) => SrupDeviceInput>> = {
  join: ([kind, observer]) => {
    if (kind === "observed") return { type: "join", kind, observer: id(observer) };
    if (kind === "simple" || kind === "human") return { type: "join", kind };
    throw new UsageError("join simple, join human or join observed ID");
  },
  observed: ([device, verdict]) => {
    if (verdict !== "valid" && verdict !== "invalid" && verdict !== "fail")
      throw new UsageError("observed ID valid, invalid or fail");
    return { type: "observed", device: id(device), verdict };
  },
  resign: () => ({ type: "resign" }),
  deregister: () => ({ type: "deregister" }),
};

/** What is said to a peer in either role. */
const PEER_WORDS: Readonly<Record<string, (words: Words) => SrupServerInput & SrupDeviceInput>> = {
  data: ([peer, dataId, ...value]) => ({
    type: "sendData",
    peer: id(peer),
    dataId: word(dataId),
    data: bytesOfValue(value),
  }),
  action: ([peer, action]) => ({ type: "sendAction", peer: id(peer), actionId: number(action) }),
  id: ([peer]) => ({ type: "sendIdRequest", peer: id(peer) }),
  respond: ([peer, status, token]) => ({
    type: "sendResponse",
    peer: id(peer),
    status: number(status),
    token: encodeText(word(token)),
  }),
};

/** @throws {UsageError} */
export const serverInput = (line: string): SrupServerInput => inputOf(line, { ...PEER_WORDS, ...SERVER_WORDS });

/** @throws {UsageError} */
export const deviceInput = (line: string): SrupDeviceInput => inputOf(line, { ...PEER_WORDS, ...DEVICE_WORDS });

function inputOf<Input>(line: string, words: Readonly<Record<string, (words: Words) => Input>>): Input {
  const [name = "", ...rest] = line.trim().split(/\s+/);
  const make = Object.hasOwn(words, name) ? words[name] : undefined;
  if (make === undefined) throw new UsageError(`"${name}" is none of ${Object.keys(words).join(", ")}`);
  return make(rest);
}

function word(text: string | undefined): string {
  if (text === undefined) throw new UsageError("a word is missing");
  return text;
}

function id(text: string | undefined): string {
  if (text === undefined || parseIdentity(text) === undefined) throw new UsageError(`"${text ?? ""}" is no identity`);
  return text;
}

function number(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value)) throw new UsageError(`"${text ?? ""}" is no whole number`);
  return value;
}

/** "int32:7" or "double:1.5"; anything else is text. */
function bytesOfValue(words: Words): Uint8Array {
  const text = words.join(" ");
  const [, type, digits = ""] = /^(u?int(?:8|16|32|64)|float|double):(-?[\d.e+-]+)$/.exec(text) ?? [];
  if (type === undefined) return encodeText(text);
  const isLong = type.endsWith("64") && /^-?\d+$/.test(digits);
  if (Number.isNaN(Number(digits))) throw new UsageError(`"${digits}" is no number`);
  return encodeSrupValue(type as SrupValueType, isLong ? BigInt(digits) : Number(digits));
}
