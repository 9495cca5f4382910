import { createHash } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { z } from "zod";
import { openPackage } from "../../gateway/package/open-package.ts";
import type { DetachedSignature, Inventory } from "../../gateway/source/update-source.ts";
import { readVehicle, type Vehicle } from "../bench/vehicle-file.ts";
import { inflate } from "../crypto/inflate.ts";
import { readKeys } from "../crypto/key-files.ts";
import { imagePublicKeys, type KeySet, makeKeys } from "../crypto/keys.ts";
import { nodeCrypto } from "../crypto/node-crypto.ts";
import { readIfThere, writeDurably } from "../record/durable-file.ts";
import { installFile, type VehicleMemory } from "../system/install.ts";
import type { TargetConfig } from "./device-config.ts";
import { DeviceError } from "./device-error.ts";
import { packageVersions, type Versions } from "./package-versions.ts";
import type { StateFolder } from "./state-folder.ts";
import type { ApplyResult, CheckedRelease, Target } from "./target.ts";

const FILE = "vehicle.state";
const MEMORY_MAX = 512 * 1024 * 1024;

const keptSchema = z.strictObject({
  format: z.literal(1),
  /** Digest of all that the vehicle is built from. */
  description: z.string(),
  versions: z.record(z.string(), z.string()),
  memory: z.custom<VehicleMemory>((value) => typeof value === "object" && value !== null),
});
type Kept = z.infer<typeof keptSchema>;

interface VehicleTargetOptions {
  readonly config: Extract<TargetConfig, { kind: "vehicle" }>;
  readonly folder: StateFolder;
  /** SubjectPublicKeyInfo, DER. */
  readonly signer: Uint8Array;
  readonly sizeMax: number;
}

/** A virtual vehicle, all of which is kept from one update to the next: flash, counters, trouble codes, clock. */
export class VehicleTarget implements Target {
  readonly text: string;
  readonly #options: VehicleTargetOptions;
  #built: { readonly vehicle: Vehicle; readonly keys: KeySet; readonly description: string } | undefined;

  constructor(options: VehicleTargetOptions) {
    this.#options = options;
    this.text = options.config.path;
  }

  async inventory(): Promise<Inventory> {
    const { vehicle } = await this.#build();
    return { vin: vehicle.vin, ecus: await this.#installed() };
  }

  async check(bytes: Uint8Array, signature: DetachedSignature | undefined): Promise<CheckedRelease> {
    const { config, signer, sizeMax } = this.#options;
    const { vehicle } = await this.#build();
    const policy = {
      trusted: [{ algorithm: "RSA-PKCS1-SHA256" as const, publicKey: signer }],
      ...(signature !== undefined && { signature }),
      vin: vehicle.vin,
      installed: await this.#installed(),
      ...(config.ecu !== undefined && { raw: { ecu: config.ecu } }),
      sizeMax,
    };
    const { images } = openPackage(bytes, policy, { crypto: nodeCrypto, inflate });
    return { versions: packageVersions(bytes), isNew: images.length > 0 };
  }

  async apply(bytes: Uint8Array, signature: DetachedSignature | undefined): Promise<ApplyResult> {
    const { config, signer } = this.#options;
    const { vehicle, keys, description } = await this.#build();
    const before = await this.#kept();
    const { result, memory } = await installFile({
      path: config.path,
      vehicle,
      seed: config.seed,
      keys,
      signer,
      file: bytes,
      signature,
      ...(config.ecu !== undefined && { rawEcu: config.ecu }),
      ...(before !== undefined && { memory: before.memory }),
    });
    const versions: Record<string, string> = { ...(await this.#versions()) };
    for (const { ecu, after } of result.ecus) if (after !== undefined) versions[ecu] = after;
    this.#keep({ format: 1, description, versions, memory });
    const { verdict, ecus, error } = result;
    return { verdict, ecus, ...(error !== undefined && { code: error.code, reason: error.message }) };
  }

  async #versions(): Promise<Versions> {
    const { vehicle } = await this.#build();
    const factory = vehicle.zones.flatMap((zone) => zone.ecus.map(({ id, software }) => [id, software.version]));
    return (await this.#kept())?.versions ?? (Object.fromEntries(factory) as Versions);
  }

  async #installed(): Promise<{ readonly id: string; readonly version: string }[]> {
    return Object.entries(await this.#versions()).map(([id, version]) => ({ id, version }));
  }

  async #build(): Promise<{ readonly vehicle: Vehicle; readonly keys: KeySet; readonly description: string }> {
    if (this.#built !== undefined) return this.#built;
    const { path, seed, keysDir } = this.#options.config;
    const vehicle = await readVehicle(path);
    const keys = keysDir === undefined ? makeKeys(seed) : readKeys(keysDir);
    const publicKeys = Object.values(imagePublicKeys(keys)).map((key) => Buffer.from(key).toString("hex"));
    const text = JSON.stringify([vehicle, seed, publicKeys]);
    this.#built = { vehicle, keys, description: createHash("sha256").update(text).digest("hex") };
    return this.#built;
  }

  async #kept(): Promise<Kept | undefined> {
    const { folder, config } = this.#options;
    const bytes = readIfThere(folder.file(FILE));
    if (bytes === undefined) return undefined;
    const kept = unpacked(folder.file(FILE), bytes);
    const { description } = await this.#build();
    if (kept.description !== description)
      throw new DeviceError("VEHICLE_CHANGED", `${config.path} is not the vehicle that ${folder.path} was set up for`);
    return kept;
  }

  #keep(kept: Kept): void {
    // the checksum finds what a disk did to it
    const params = { [constants.ZSTD_c_checksumFlag]: 1 };
    writeDurably(this.#options.folder.file(FILE), zstdCompressSync(serialize(kept), { params }));
  }
}

function unpacked(path: string, bytes: Uint8Array): Kept {
  try {
    return keptSchema.parse(deserialize(zstdDecompressSync(bytes, { maxOutputLength: MEMORY_MAX })));
  } catch (cause) {
    throw new DeviceError("STATE_DAMAGED", `${path} is not what it must be: ${(cause as Error).message}`, { cause });
  }
}
