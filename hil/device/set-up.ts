import { createPublicKey } from "node:crypto";
import { resolve } from "node:path";
import { UsageError } from "../../emulator/kernel/errors.ts";
import { keysOf, type PullRunOptions, signerOf, trustOf } from "../system/pull-run.ts";
import { deviceSettings } from "../system/settings.ts";
import { updateSystem } from "../system/systems.ts";
import { type DeviceConfig, newDeviceId, type TargetConfig } from "./device-config.ts";

const SIZE_MAX = 64 * 1024 * 1024;

/** What `otabench device init` was told. */
export interface SetUpOptions
  extends Pick<
    PullRunOptions,
    | "system"
    | "server"
    | "name"
    | "ca"
    | "signer"
    | "certificate"
    | "key"
    | "keysDir"
    | "seed"
    | "tls12"
    | "wait"
    | "sizeMax"
    | "current"
    | "vehicle"
    | "ecu"
  > {
  /** Path of the file that releases are put in the place of. */
  readonly target?: string | undefined;
  /** Random, if left out. */
  readonly id?: string | undefined;
}

/** @throws {UsageError} @throws {FileError} */
export function deviceConfig(options: SetUpOptions): DeviceConfig {
  const keys = keysOf(options);
  if (keys === undefined && (options.ca === undefined || options.signer === undefined))
    throw new UsageError("whoever is trusted must be named: --ca and --signer, or --keys, or --seed");
  const source = deviceSettings(options.system, options);
  updateSystem(source); // refuses a server that can't be
  const { ca, identity } = trustOf(options, keys);
  const signer = createPublicKey({ key: Buffer.from(signerOf(options, keys)), format: "der", type: "spki" });
  return {
    format: 1,
    id: options.id ?? newDeviceId(),
    source,
    ca,
    signer: signer.export({ format: "pem", type: "spki" }) as string,
    ...(identity !== undefined && { identity }),
    target: targetOf(options),
    current: options.current ?? "0.0.0",
    sizeMax: options.sizeMax ?? SIZE_MAX,
  };
}

/** The folder may be used from anywhere: paths in it are whole ones. */
function targetOf({ target, vehicle, ecu, seed, keysDir }: SetUpOptions): TargetConfig {
  if ((target === undefined) === (vehicle === undefined))
    throw new UsageError("one of --target FILE and --vehicle VEHICLE has to be given");
  const forEcu = ecu === undefined ? {} : { ecu };
  if (target !== undefined) return { kind: "file", path: resolve(target), ...forEcu };
  const ofKeys = keysDir === undefined ? {} : { keysDir: resolve(keysDir) };
  return { kind: "vehicle", path: resolve(vehicle as string), seed: seed ?? "1", ...ofKeys, ...forEcu };
}
