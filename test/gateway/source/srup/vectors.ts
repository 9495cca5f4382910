import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";

const FOLDER = "fixtures/vectors/srup";

/** One row of fixtures/vectors/srup/vectors.json; see the README there. */
export interface SrupVector {
  readonly name: string;
  readonly type: string;
  readonly type_code?: number;
  readonly category: "message" | "live" | "legacy" | "negative" | "crypto" | "keyex" | "scenario";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly keyfiles: Readonly<Record<string, string>>;
  readonly hex: string;
  readonly signed_hex?: string;
  readonly valid: boolean;
  readonly recommended?: string;
  readonly note: string;
}

export const VECTORS = JSON.parse(readFileSync(`${FOLDER}/vectors.json`, "utf8")) as readonly SrupVector[];

type Jwk = Record<string, string>;
const JWKS = JSON.parse(readFileSync(`${FOLDER}/keys.json`, "utf8")) as Record<string, { private: Jwk; public: Jwk }>;

/** The PEM that a vector calls "keys/server.pem" (private) or "keys/server.pub.pem" (public). */
export function pemOf(path: string): string {
  const [, name = "", kind] = /^keys\/(\w+)(\.pub)?\.pem$/.exec(path) ?? [];
  const jwk = JWKS[name];
  if (jwk === undefined) throw new Error(`there is no key ${path}`);
  return kind === undefined
    ? (createPrivateKey({ key: jwk.private, format: "jwk" }).export({ format: "pem", type: "pkcs1" }) as string)
    : (createPublicKey({ key: jwk.public, format: "jwk" }).export({ format: "pem", type: "spki" }) as string);
}

export const bytesOf = (hex: unknown): Uint8Array => new Uint8Array(Buffer.from(String(hex), "hex"));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
