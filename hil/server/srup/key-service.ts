import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { z } from "zod";
import { LinkError, UsageError } from "../../../emulator/kernel/errors.ts";
import { parseIdentity } from "../../../gateway/source/srup/identity.ts";
import { fromBase64, handedOutKey, restoredPem, toMimeBase64 } from "../../../gateway/source/srup/key-forms.ts";
import { readKeyText } from "../../../gateway/source/srup/key-text.ts";
import { encodeText } from "../../../gateway/source/srup/values.ts";
import { signRequest } from "../../crypto/certificates.ts";
import { readRequest } from "../../crypto/csr.ts";
import { nodeSrupCrypto } from "../../crypto/srup-crypto.ts";
import { publicKeysOf } from "../../crypto/srup-keys.ts";
import type { KeyServiceState } from "./key-service-state.ts";

export interface KeyServiceOptions {
  readonly state: KeyServiceState;
  /** What devices are told of the broker, such as "mqtt://localhost"; port 8883 unless it says another one. */
  readonly broker: string;
  /** "127.0.0.1" if not given. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
  /** PEM; plain HTTP without, as the original has it behind a proxy. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Told what happens, one line each. */
  readonly onEvent?: (line: string) => void;
}

/** The key exchange of SRUP over HTTP. (docs/protocols/srup.md, Key exchange) */
export interface KeyService {
  readonly port: number;
  /** "http://host:port" */
  readonly url: string;
  /** Inactive, it takes no registrations. */
  setActive(active: boolean): void;
  /** As if there was no server: connections are cut. */
  setGone(gone: boolean): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const BODY_MAX = 64 * 1024;
const PEERS_MAX = 10_000;
const crypto = nodeSrupCrypto();

const registration = z.object({ identity: z.string(), key: z.string(), type: z.string().max(64) });
const validation = z.object({ identity: z.string(), signature: z.string() });
const access = z.object({ identity: z.string(), csr: z.string(), signature: z.string() });
const server = z.object({ identity: z.string(), key: z.string(), signature: z.string() });

/** @throws {LinkError} "LINK_REFUSED" when the port can't be had */
export async function startKeyService(options: KeyServiceOptions): Promise<KeyService> {
  const { state, tls, host = "127.0.0.1", port = 0, onEvent = () => {} } = options;
  const desk = new Desk(state, options.broker);
  const sockets = new Set<Socket>();
  let gone = false;
  const http = tls === undefined ? createPlainServer() : createServer({ cert: tls.certificate, key: tls.privateKey });
  http.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    if (gone) socket.destroy();
  });
  http.on("request", (request, response) => {
    void answerTo(desk, request).then((answer) => {
      onEvent(`${request.method} ${(request.url ?? "").slice(0, 200)} ${answer.status}`);
      send(response, answer);
    });
  });
  http.on("clientError", (_, socket) => socket.destroy());
  try {
    http.listen(port, host);
    await once(http, "listening");
  } catch (cause) {
    throw new LinkError("LINK_REFUSED", `can't listen on ${host}:${port}`, { cause });
  }
  const address = http.address() as AddressInfo;
  const shown = address.address.includes(":") ? `[${address.address}]` : address.address;
  return {
    port: address.port,
    url: `http${tls === undefined ? "" : "s"}://${shown}:${address.port}`,
    setActive: (active) => {
      desk.active = active;
    },
    setGone: (isGone) => {
      gone = isGone;
      if (gone) for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(http, "close");
      http.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.on("error", () => {});
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function answerTo(desk: Desk, request: IncomingMessage): Promise<Answer> {
  const path = /^(?:\/KeyEx)?\/register\/([a-z_0-9]+)(?:\/([^/?]*))?$/.exec(request.url ?? "");
  const [, call = "", operand = ""] = path ?? [];
  if (request.method === "GET") return desk.get(call, operand);
  if (request.method !== "POST") return { status: 405, body: "no such call" };
  const body = await bodyOf(request);
  if (body === undefined) return { status: 400, body: "too long, or cut off" };
  return desk.post(call, body);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request) {
      length += (part as Buffer).length;
      if (length > BODY_MAX) return undefined;
      parts.push(part as Buffer);
    }
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    return undefined;
  }
}

const refused = (body: string, status = 400): Answer => ({ status, body });
const found = (value: unknown, status = 200): Answer => ({ status, body: JSON.stringify(value) });

/** Identities are what the original writes: hexadecimal, lower case, no leading zeros. */
const isIdentity = (text: string): boolean => parseIdentity(text) !== undefined;

/** What is answered to each call, apart from HTTP. */
class Desk {
  active = true;
  readonly #state: KeyServiceState;
  readonly #broker: string;

  constructor(state: KeyServiceState, broker: string) {
    this.#state = state;
    this.#broker = broker;
  }

  get(call: string, identity: string): Answer {
    const peer = this.#state.peer(identity);
    switch (call) {
      case "status":
        return found({ active: this.active, identity: this.#state.identity });
      case "get_key":
        return peer === undefined ? refused("unknown", 404) : { status: 200, body: handedOutKey(peer.key) };
      case "get_type":
        return peer === undefined ? refused("unknown", 404) : { status: 200, body: peer.type };
      case "c2_check":
        if (!isIdentity(identity)) return refused("no identity");
        return peer === undefined ? refused("unknown", 404) : { status: 200, body: "known" };
      default:
        return refused("no such call", 404);
    }
  }

  post(call: string, body: unknown): Answer {
    switch (call) {
      case "register":
        return this.#register(registration.safeParse(body).data);
      case "validate":
        return this.#validate(validation.safeParse(body).data);
      case "access":
        return this.#access(access.safeParse(body).data);
      case "c2":
        return this.#registerServer(server.safeParse(body).data);
      default:
        return refused("no such call", 404);
    }
  }

  #register(asked: z.infer<typeof registration> | undefined): Answer {
    if (!this.active) return refused("inactive", 403);
    const key = asked && registeredKeys(asked.key);
    if (asked === undefined || key === undefined || !isIdentity(asked.identity)) return refused("fields are missing");
    if (this.#state.peer(asked.identity) !== undefined) return refused("that identity is registered already");
    if (this.#state.peerCount >= PEERS_MAX) return refused("too many devices", 500);
    const { defaultServer = "" } = this.#state;
    const serverKey = this.#state.peer(defaultServer)?.key;
    if (serverKey === undefined) return refused("there is no server for devices yet", 500);
    this.#state.addPeer(asked.identity, { key, type: asked.type });
    return found({ broker: this.#broker, key: handedOutKey(serverKey), default_c2: defaultServer }, 201);
  }

  #validate(asked: z.infer<typeof validation> | undefined): Answer {
    const { identity, privateKey } = this.#state;
    if (asked === undefined || !this.#isSignedBy(asked.identity, encodeText(asked.identity), asked.signature))
      return refused("the signature is not right");
    const signature = crypto.signPss(privateKey, encodeText(identity));
    return found({ identity, signature: toMimeBase64(signature ?? new Uint8Array(0)) });
  }

  #access(asked: z.infer<typeof access> | undefined): Answer {
    const csr = asked && fromBase64(asked.csr);
    if (asked === undefined || csr === undefined || !this.#isSignedBy(asked.identity, csr, asked.signature))
      return refused("the signature is not right");
    const request = readRequest(Buffer.from(csr).toString("latin1"));
    if (request === undefined || request.commonName !== asked.identity) return refused("that is no request of yours");
    const certificate = signRequest(request, this.#state.signer);
    return found({
      certificate: toMimeBase64(encodeText(certificate)),
      CA_certificate: toMimeBase64(encodeText(this.#state.authority)),
    });
  }

  /** A server shows that we have signed its key before. */
  #registerServer(asked: z.infer<typeof server> | undefined): Answer {
    const key = asked && registeredKeys(asked.key);
    const token = asked && fromBase64(asked.signature);
    if (asked === undefined || key === undefined || token === undefined || !isIdentity(asked.identity))
      return refused("fields are missing");
    if (this.#state.peer(asked.identity) !== undefined) return refused("that identity is registered already");
    const own = createPublicKey(this.#state.privateKey).export({ format: "pem", type: "spki" }) as string;
    if (!crypto.verifyPss(own, encodeText(key), token)) return refused("the token is not for that key");
    this.#state.addPeer(asked.identity, { key, type: "c2" });
    if (this.#state.defaultServer === undefined) this.#state.setDefaultServer(asked.identity);
    return { status: 201, body: "registered" };
  }

  #isSignedBy(identity: string, data: Uint8Array, signature: string): boolean {
    const key = this.#state.peer(identity)?.key;
    const bytes = fromBase64(signature);
    return key !== undefined && bytes !== undefined && crypto.verifyPss(readKeyText(key).rsa, data, bytes);
  }
}

/**
 * A server's token: proof that the key service knows its public keys, all of them. Base64 in one line. @param publicKey PEM
 * @throws {UsageError} when it is none
 */
export function serverToken(state: KeyServiceState, publicKey: string): string {
  const keys = publicKeysOf(publicKey);
  if (keys === undefined) throw new UsageError("that is no public key of a server");
  return Buffer.from(crypto.signPss(state.privateKey, encodeText(keys)) ?? []).toString("base64");
}

/** The standard PEM of an RSA key that was registered as its body, or of keys registered as base64 of whole PEMs. */
function registeredKeys(key: string): string | undefined {
  const decoded = fromBase64(key);
  const text = decoded === undefined ? "" : Buffer.from(decoded).toString("latin1");
  return publicKeysOf(text.startsWith("-----BEGIN") ? text : restoredPem(key.replace(/\s/g, "")));
}
