import type { HostAnswer, SsuRequest } from "../../../gateway/source/host-request.ts";
import { Security } from "../../../gateway/source/ssu/packet-options.ts";
import { ssuTrust } from "../../crypto/ssu-credentials.ts";
import { BodyPieces } from "../body-pieces.ts";
import { hostFailed } from "../http-failure.ts";
import { SsuAppError, SsuClient } from "./ssu-client.ts";
import { failureOfStream } from "./ssu-failure.ts";

const DEFAULT_PORT = 7400;
const SIGNATURE_MAX = 4096;
const OK = 200;
const PARTIAL = 206;
const NOT_FOUND = 404;
const VERSION_NOT_SUPPORTED = 505;
/** The server's numbers of errors that are no failure of the exchange. (docs/protocols/ssu.md, 8.2) */
const STATUS_OF_REPLY: Readonly<Record<number, number>> = { 1: VERSION_NOT_SUPPORTED, 3: NOT_FOUND };

/** One exchange on a stream of its own. */
export interface SsuExchange {
  /** What has been sent again, so far, by this side. */
  readonly resent: number;
  /** The answers, as {@link HostDriver.next} gives them. */
  readonly answers: AsyncGenerator<HostAnswer, void>;
}

/** @param stop ends it at once; its last answer is then a failure */
export function ssuExchange(request: SsuRequest, stop: AbortSignal): SsuExchange {
  let client: SsuClient | undefined;
  return {
    get resent() {
      return client?.facts.counters.resent ?? 0;
    },
    answers: answersTo(request, stop, (connected) => {
      client = connected;
    }),
  };
}

async function* answersTo(
  request: SsuRequest,
  stop: AbortSignal,
  onConnected: (client: SsuClient) => void,
): AsyncGenerator<HostAnswer, void> {
  let client: SsuClient | undefined;
  try {
    client = await connect(request, stop);
    onConnected(client);
    yield* exchange(client, request);
  } catch (error) {
    client?.stream.abort();
    const status = error instanceof SsuAppError ? STATUS_OF_REPLY[error.reply ?? 0] : undefined;
    if (status === undefined) {
      yield failureOfStream(error);
    } else {
      yield { type: "head", status, headers: { reason: (error as Error).message } };
      yield { type: "end" };
    }
    return;
  }
  // all is here: how the stream ends is of no interest any more
  await client.close().catch(() => {});
}

function connect({ url, security, ca, serverName }: SsuRequest, stop: AbortSignal): Promise<SsuClient> {
  const { hostname, port: portText } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const at = { host, port: Number(portText || DEFAULT_PORT), stop };
  if (security === "plain") return SsuClient.connect({ ...at, security: Security.Plain });
  const trust = ssuTrust({ ca });
  return SsuClient.connect({ ...at, security: Security.Secure, trust, serverName: serverName ?? host });
}

async function* exchange(client: SsuClient, request: SsuRequest): AsyncGenerator<HostAnswer, void> {
  const { method, name, resume, bodyMax } = request;
  const { size, digest } = await client.stat(name);
  const sha256 = Buffer.from(digest).toString("hex");
  const known = { size: String(size), sha256 };
  if (method === "look") {
    yield { type: "head", status: OK, headers: known };
    yield { type: "end" };
    return;
  }
  const signature = await signatureOf(client, request.signatureName);
  const from = resume?.of === sha256 ? Math.min(resume.from, size) : 0;
  const head = await client.get(name, from, digest);
  const headers = { ...known, from: String(from), ...(signature !== undefined && { signature }) };
  yield { type: "head", status: from > 0 ? PARTIAL : OK, headers };
  const pieces = new BodyPieces();
  let length = 0;
  for await (const data of client.pieces(head)) {
    length += data.length;
    if (length > bodyMax) {
      client.stream.abort();
      yield hostFailed("HOST_BODY_TOO_LONG", `more than ${bodyMax} bytes`);
      return;
    }
    for (const piece of pieces.add(data)) yield { type: "body", data: piece };
  }
  const rest = pieces.rest();
  if (rest !== undefined) yield { type: "body", data: rest };
  yield { type: "end" };
}

/** Base64; undefined when there is none. */
async function signatureOf(client: SsuClient, name: string): Promise<string | undefined> {
  try {
    const head = await client.get(name);
    if (head.size > SIGNATURE_MAX) throw new SsuAppError("SSU_MALFORMED", `a signature of ${head.size} bytes`);
    const parts: Uint8Array[] = [];
    for await (const part of client.pieces(head)) parts.push(part.slice());
    return Buffer.concat(parts).toString("base64");
  } catch (error) {
    if (error instanceof SsuAppError && error.code === "SSU_NOT_FOUND") return undefined;
    throw error;
  }
}
