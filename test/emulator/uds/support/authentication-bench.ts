import { readFileSync } from "node:fs";
import type { AuthenticationConfig, CertificateExchange } from "../../../../emulator/uds/authentication/config.ts";
import { fromHex, toHex } from "../../../../emulator/wire/text.ts";
import { nodeCrypto } from "../../../../hil/crypto/node-crypto.ts";
import { ServerBench } from "./server-bench.ts";

type Name = "root" | "intermediate" | "client" | "below" | "stranger" | "revoked" | "server" | "otherKind" | "forged";

const path = new URL("../../../../fixtures/authentication/certificates.json", import.meta.url);
const FILES = JSON.parse(readFileSync(path, "utf8")) as Record<Name, { certificate: string; key: string }>;

export const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;
export const certificate = (name: Name): Uint8Array => bytes(FILES[name].certificate);
export const privateKey = (name: Name): Uint8Array => bytes(FILES[name].key);
export const sized = (data: Uint8Array): string => data.length.toString(16).padStart(4, "0") + toHex(data);

const ALGORITHM = "ECDSA-P256-SHA256";
/** 2030-01-01 */
export const DATE = 1_893_456_000;

export const EXCHANGE: CertificateExchange = {
  trusted: [certificate("root")],
  date: DATE,
  organization: "Otabench",
  revoked: ["1005"],
  own: { algorithm: ALGORITHM, key: privateKey("server"), certificate: certificate("server") },
};

export const CLIENT_CHALLENGE = new Uint8Array(16).fill(0xc1);
const NO_BYTES = new Uint8Array(0);

export const bench = (authentication: Partial<AuthenticationConfig> = { certificates: EXCHANGE }): ServerBench =>
  new ServerBench({ authentication: { services: [], ...authentication } });

export const showing = (name: Name, task = "01", challenge = NO_BYTES): string =>
  `29 ${task} 00 ${sized(certificate(name))} ${sized(challenge)}`;

export const text = (message: string): Uint8Array => new TextEncoder().encode(message);

export const joined = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** The sized fields of a response, behind `skip` bytes. */
export function fieldsOf(response: string, skip: number): readonly Uint8Array[] {
  const data = bytes(response);
  const fields: Uint8Array[] = [];
  for (let offset = skip; offset < data.length; ) {
    const length = (data[offset] as number) * 0x100 + (data[offset + 1] as number);
    fields.push(data.slice(offset + 2, offset + 2 + length));
    offset += 2 + length;
  }
  return fields;
}

/** The request with which a client proves that its certificate's key is its own. */
export function proof(key: Name, challengeServer: Uint8Array, challengeClient = NO_BYTES): string {
  const message = joined(text("otabench client"), challengeServer, challengeClient);
  return `29 03 ${sized(nodeCrypto.sign(ALGORITHM, privateKey(key), message) as Uint8Array)} 0000`;
}

/** The whole of unidirectional authentication; the last answer. */
export function authenticate(server: ServerBench, name: Name = "client"): string {
  const [challenge] = fieldsOf(server.ask(showing(name)), 3);
  return challenge === undefined ? "" : server.ask(proof(name, challenge));
}
