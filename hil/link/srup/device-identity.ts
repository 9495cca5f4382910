import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { InvariantError, UsageError } from "../../../emulator/kernel/errors.ts";
import type { SrupSignatures } from "../../../gateway/source/srup/key-text.ts";
import { newPrivateKeys, publicKeysOf, signaturesOf } from "../../crypto/srup-keys.ts";
import { StateFile } from "../../record/state-file.ts";
import type { KeyClient, PartyKeys, Registration } from "./key-client.ts";

const schema = z.object({
  identity: z.string(),
  keys: z.object({ privateKey: z.string(), publicKey: z.string(), accessKey: z.string() }),
  registration: z.object({
    access: z.object({ broker: z.string(), certificate: z.string(), privateKey: z.string(), ca: z.string() }),
    server: z.string(),
    serverKey: z.string(),
  }),
});

/** Who a device is, once it has registered. */
export interface DeviceIdentity {
  readonly identity: string;
  readonly keys: PartyKeys;
  readonly registration: Registration;
}

/** The files of a device, or nothing but memory. */
export interface DeviceFiles {
  readonly identity: StateFile;
  readonly peer: StateFile;
}

/** @param folder where they are; memory if left out @throws {FileError} */
export const deviceFiles = (folder: string | undefined): DeviceFiles => ({
  identity: new StateFile(folder === undefined ? undefined : join(folder, "identity.json")),
  peer: new StateFile(folder === undefined ? undefined : join(folder, "peer.json")),
});

/** RSA-2048, exponent 65537. */
export const makeRsaKey = (): KeyObject => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

/** A new identity: the top 64 bits of a random UUID, version 4. */
export function newIdentity(): string {
  const bytes = randomBytes(8);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  return bytes.readBigUInt64BE().toString(16);
}

/** What kinds of keys a party is to have. */
export interface KeyWish {
  /** What it signs with; what it has already, or RSA, if left out. */
  readonly signatures?: SrupSignatures | undefined;
  /** RSA; random, if left out. */
  readonly makeKey?: (() => KeyObject) | undefined;
}

export function newKeys({ signatures = "rsa", makeKey = makeRsaKey }: KeyWish): PartyKeys {
  const privateKey = newPrivateKeys(makeKey(), signatures);
  const publicKey = publicKeysOf(privateKey);
  if (publicKey === undefined) throw new InvariantError("keys of our own that can't be read");
  return { privateKey, publicKey, accessKey: makeKey().export({ format: "pem", type: "pkcs1" }) as string };
}

/** @throws {UsageError} "SRUP_SIGNATURES" when the keys that a party has are not what it is told to sign with */
export function mustSignBy(signatures: SrupSignatures | undefined, { publicKey }: PartyKeys): void {
  const has = signaturesOf(publicKey);
  if (signatures === undefined || has === signatures) return;
  throw new SrupSignaturesError(`the keys that are kept there sign by ${has ?? "nothing"}, not by ${signatures}`);
}

class SrupSignaturesError extends UsageError {
  override readonly code = "SRUP_SIGNATURES";
}

/**
 * Who the device is: as it was registered in an earlier process, or newly. @param type what it registers as
 * @throws {LinkError} when the key service does not let it, or "SRUP_VERSION" @throws {UsageError} for files of something
 *   else, or "SRUP_SIGNATURES"
 */
export async function registeredDevice(
  file: StateFile,
  service: KeyClient,
  type: string,
  wish: KeyWish = {},
): Promise<DeviceIdentity> {
  const saved = file.read();
  if (saved !== undefined) {
    const { data } = schema.safeParse(saved);
    if (data === undefined) throw new UsageError("the state of the device is none");
    mustSignBy(wish.signatures, data.keys);
    return data;
  }
  const identity = newIdentity();
  const keys = newKeys(wish);
  const registration = await service.register(identity, type, keys);
  const device = { identity, keys, registration };
  file.write(device);
  return device;
}

/** One-time values and keys of envelopes come from the system. */
export const systemRandom = {
  bytes: (length: number): Uint8Array => new Uint8Array(randomBytes(length)),
  save: (): undefined => undefined,
  load: (): void => {},
};
