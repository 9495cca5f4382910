import { createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { z } from "zod";
import { packVersion } from "../../emulator/wire/version.ts";
import { sourceSchema } from "../bench/source-schema.ts";
import { DeviceError } from "./device-error.ts";
import type { StateFolder } from "./state-folder.ts";

const FILE = "device.json";

const pem = (check: (text: string) => unknown, what: string) =>
  z.string().refine((text) => succeeds(() => check(text)), `holds no ${what}`);

const target = z.discriminatedUnion("kind", [
  /** The release as it is, put in the place of a file. */
  z.strictObject({
    kind: z.literal("file"),
    path: z.string().min(1),
    /** Refuses packages for others, where a package says whom it is for. */
    ecu: z.string().optional(),
  }),
  /** A virtual vehicle, kept from one update to the next. */
  z.strictObject({
    kind: z.literal("vehicle"),
    path: z.string().min(1),
    seed: z.string(),
    /** Of the keys that sign its factory software; those of the seed, if left out. */
    keysDir: z.string().optional(),
    /** The ECU that an image without a package is for. */
    ecu: z.string().optional(),
  }),
]);

const schema = z.strictObject({
  format: z.literal(1),
  /** What makes the jitter of this device its own. */
  id: z.string().min(1).max(64),
  source: sourceSchema,
  /** What the server's certificate must lead to. */
  ca: pem((text) => new X509Certificate(text), "certificate"),
  /** Who signs releases. */
  signer: pem((text) => createPublicKey(text), "public key"),
  /** What the device shows if it is asked who it is. */
  identity: z.strictObject({ certificate: z.string(), privateKey: z.string() }).optional(),
  target,
  /** Of what a file target holds when nothing has been applied yet. */
  current: z.string().refine((text) => packVersion(text) !== undefined, "is no version x.y.z"),
  /** The longest file that is taken, bytes. */
  sizeMax: z
    .int()
    .min(1)
    .max(1 << 30),
});

/** How a device was set up. */
export type DeviceConfig = z.infer<typeof schema>;
export type TargetConfig = DeviceConfig["target"];

export const newDeviceId = (): string => randomBytes(8).toString("hex");

/** @throws {DeviceError} STATE_MISSING, STATE_DAMAGED */
export function readConfig(folder: StateFolder): DeviceConfig {
  const config = folder.read(FILE, schema);
  if (config === undefined)
    throw new DeviceError("STATE_MISSING", `${folder.path} is no folder of a device; see otabench device init`);
  return config;
}

/** @throws {DeviceError} STATE_EXISTS, STATE_DAMAGED for what can't be read back */
export function writeConfig(folder: StateFolder, config: DeviceConfig): void {
  if (folder.has(FILE)) throw new DeviceError("STATE_EXISTS", `${folder.path} is the folder of a device already`);
  const parsed = schema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DeviceError("STATE_DAMAGED", `${issue?.path.join(".")} ${issue?.message}`);
  }
  folder.make();
  folder.write(FILE, parsed.data);
}

/** SubjectPublicKeyInfo, DER. */
export const signerKey = ({ signer }: DeviceConfig): Uint8Array =>
  new Uint8Array(createPublicKey(signer).export({ format: "der", type: "spki" }));

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
