import { createPrivateKey } from "node:crypto";
import { z } from "zod";
import { LinkError } from "../../../emulator/kernel/errors.ts";
import { parseIdentity } from "../../../gateway/source/srup/identity.ts";
import { fromBase64, registrationKey, toMimeBase64 } from "../../../gateway/source/srup/key-forms.ts";
import { readKeyText } from "../../../gateway/source/srup/key-text.ts";
import { encodeText } from "../../../gateway/source/srup/values.ts";
import { makeRequest } from "../../crypto/csr.ts";
import { nodeSrupCrypto } from "../../crypto/srup-crypto.ts";
import { HttpExchange } from "../http-exchange.ts";
import type { BrokerAccess } from "./mqtt-link.ts";

/** Keys of a party, PEM: for messages ({@link readKeyText}), and for its connection to the broker. */
export interface PartyKeys {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly accessKey: string;
}

/** What a party knows when it has registered. Plain data. */
export interface Registration {
  readonly access: BrokerAccess;
  /** The server that it is to join, and that one's public keys, PEM. */
  readonly server: string;
  readonly serverKey: string;
}

const crypto = nodeSrupCrypto();
const BODY_MAX = 64 * 1024;

const statusSchema = z.object({ active: z.boolean(), identity: z.string() });
const registered = z.object({ broker: z.string(), key: z.string(), default_c2: z.string() });
const accessSchema = z.object({ certificate: z.string(), CA_certificate: z.string() });

/** The client side of the key exchange. (docs/protocols/srup.md, Key exchange) */
export class KeyClient {
  readonly #base: string;
  readonly #ca: string;

  /** @param base "http://host:port" or "https://…" of the service @param ca for https, PEM */
  constructor(base: string, ca: string) {
    this.#base = base.replace(/\/$/, "");
    this.#ca = ca;
  }

  /**
   * Status, registration, validation, certificate.
   * @throws {LinkError} with the code of the host, "SRUP_KEY_SERVICE", or "SRUP_VERSION" when the server that we are to
   *   join speaks another protocol version than our keys are for
   */
  async register(identity: string, type: string, keys: PartyKeys): Promise<Registration> {
    const { active } = await this.#get("status", statusSchema);
    if (!active) throw refused("it takes no registrations");
    const asked = { identity, key: registrationKey(keys.publicKey), type };
    const { broker, key, default_c2: server } = await this.#post("register", asked, 201, registered);
    const serverKey = textOf(key);
    if (serverKey === undefined || parseIdentity(server) === undefined)
      throw refused("the server that it names is none");
    mustSpeakAlike(keys.publicKey, serverKey);
    const access = await this.access(identity, keys);
    return { access: { ...access, broker }, server, serverKey };
  }

  /** Shows that the key is ours, and has a certificate for the broker made. @throws {LinkError} */
  async access(identity: string, { privateKey, accessKey }: PartyKeys): Promise<Omit<BrokerAccess, "broker">> {
    const sign = (data: Uint8Array): string =>
      toMimeBase64(crypto.signPss(readKeyText(privateKey).rsa, data) ?? new Uint8Array(0));
    await this.#post("validate", { identity, signature: sign(encodeText(identity)) }, 200, z.unknown());
    const csr = encodeText(makeRequest(identity, createPrivateKey(accessKey)));
    const asked = { csr: toMimeBase64(csr), identity, signature: sign(csr) };
    const answer = await this.#post("access", asked, 200, accessSchema);
    const certificate = textOf(answer.certificate);
    const ca = textOf(answer.CA_certificate);
    if (certificate === undefined || ca === undefined) throw refused("the certificate that it gives is none");
    return { certificate, privateKey: accessKey, ca };
  }

  /** Whether a server is registered. @throws {LinkError} when the service can't be reached */
  async knows(identity: string): Promise<boolean> {
    return (await this.#call("GET", `c2_check/${identity}`)).status === 200;
  }

  /** Of a server; known already is as good. @param token what the service signed over the key, base64 @throws {LinkError} */
  async registerServer(identity: string, publicKey: string, token: string): Promise<void> {
    if (await this.knows(identity)) return;
    const asked = { identity, key: registrationKey(publicKey), signature: token };
    await this.#post("c2/", asked, 201, undefined);
  }

  /** @returns undefined when the service has none or can't be reached */
  async key(identity: string): Promise<string | undefined> {
    const answer = await this.#call("GET", `get_key/${identity}`).catch(() => undefined);
    return answer?.status === 200 ? textOf(answer.body) : undefined;
  }

  /** @returns undefined when the service has none or can't be reached */
  async type(identity: string): Promise<string | undefined> {
    const answer = await this.#call("GET", `get_type/${identity}`).catch(() => undefined);
    return answer?.status === 200 ? answer.body : undefined;
  }

  async #get<Value>(call: string, schema: z.ZodType<Value>): Promise<Value> {
    return parsed(call, await this.#call("GET", call), 200, schema);
  }

  async #post<Value>(
    call: string,
    body: unknown,
    status: number,
    schema: z.ZodType<Value> | undefined,
  ): Promise<Value> {
    const answer = await this.#call("POST", call, body);
    if (schema === undefined && answer.status === status) return undefined as Value;
    return parsed(call, answer, status, schema ?? (z.never() as z.ZodType<Value>));
  }

  async #call(method: "GET" | "POST", call: string, body?: unknown): Promise<{ status: number; body: string }> {
    const exchange = new HttpExchange(
      {
        kind: "http",
        method,
        url: `${this.#base}/KeyEx/register/${call}`,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        ...(body !== undefined && { body: encodeText(JSON.stringify(body)) }),
        ca: this.#ca,
        tlsMin: "1.2",
        bodyMax: BODY_MAX,
      },
      { headMs: 10_000, idleMs: 10_000 },
    );
    const parts: Uint8Array[] = [];
    let status = 0;
    for (let answer = await exchange.next(); answer.type !== "end"; answer = await exchange.next()) {
      if (answer.type === "failed") throw new LinkError(answer.code, `the key service: ${answer.reason}`);
      if (answer.type === "head") status = answer.status;
      else parts.push(answer.data);
    }
    return { status, body: Buffer.concat(parts).toString("utf8") };
  }
}

function parsed<Value>(
  call: string,
  answer: { status: number; body: string },
  status: number,
  schema: z.ZodType<Value>,
): Value {
  if (answer.status !== status) throw refused(`${call} is answered ${answer.status}: ${answer.body.slice(0, 200)}`);
  try {
    return schema.parse(JSON.parse(answer.body));
  } catch (cause) {
    throw new LinkError("SRUP_KEY_SERVICE", `the key service's answer to ${call} can't be understood`, { cause });
  }
}

const refused = (reason: string): LinkError => new LinkError("SRUP_KEY_SERVICE", `the key service: ${reason}`);

function mustSpeakAlike(ours: string, theirs: string): void {
  const [own, other] = [readKeyText(ours).version, readKeyText(theirs).version];
  if (own === other) return;
  throw new LinkError(
    "SRUP_VERSION",
    `the server speaks protocol version ${other}, and our keys are for version ${own}`,
  );
}

/** A PEM that came as base64. */
function textOf(base64: string): string | undefined {
  const bytes = fromBase64(base64.trim());
  const text = bytes === undefined ? "" : Buffer.from(bytes).toString("latin1");
  return text.startsWith("-----BEGIN") ? text : undefined;
}
