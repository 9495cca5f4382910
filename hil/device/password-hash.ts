import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { DeviceError } from "./device-error.ts";

/** Cost of scrypt. (RFC 7914, 2) */
export interface ScryptCost {
  /** Binary logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and three passes: a fraction of a second here, years for a list of words elsewhere. */
export const SCRYPT_COST: ScryptCost = { ln: 15, r: 8, p: 3 };

/** What a hash may ask of this machine at most: a file must not be able to take all memory or time. */
const MEMORY_MAX = 256 * 1024 * 1024;
const PASSES_MAX = 16;
const SALT_LENGTH = 16;
const HASH_LENGTH = 32;

const derive = promisify<string, Uint8Array, number, object, Buffer>(scrypt);

/** `$scrypt$ln=15,r=8,p=3$salt$hash`, salt and hash in base64 without padding. */
export async function hashPassword(password: string, cost: ScryptCost = SCRYPT_COST): Promise<string> {
  const salt = randomBytes(SALT_LENGTH);
  const hash = await derived(password, salt, HASH_LENGTH, cost);
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Takes as long for a wrong password as for the right one. @throws {DeviceError} STATE_DAMAGED for what is no hash */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
    stored,
  );
  if (parts === null) throw new DeviceError("STATE_DAMAGED", "a stored password is no scrypt hash");
  const [ln, r, p] = parts.slice(1, 4).map(Number) as [number, number, number];
  if (ln < 1 || r < 1 || p < 1 || memoryOf({ ln, r }) > MEMORY_MAX || p > PASSES_MAX)
    throw new DeviceError("STATE_DAMAGED", `a stored password asks for ln=${ln}, r=${r}, p=${p}`);
  const [salt, hash] = parts.slice(4).map((text) => Buffer.from(text, "base64")) as [Buffer, Buffer];
  return timingSafeEqual(await derived(password, salt, hash.length, { ln, r, p }), hash);
}

/** The same password typed on another keyboard is the same password. (RFC 8265, 4.2.1: NFC) */
const derived = (password: string, salt: Uint8Array, length: number, { ln, r, p }: ScryptCost): Promise<Buffer> =>
  derive(password.normalize("NFC"), salt, length, { N: 2 ** ln, r, p, maxmem: memoryOf({ ln, r }) + 1024 * 1024 });

const memoryOf = ({ ln, r }: Pick<ScryptCost, "ln" | "r">): number => 128 * 2 ** ln * r;

const unpadded = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
