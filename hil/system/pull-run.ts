import { createPublicKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinkError, UsageError } from "../../emulator/kernel/errors.ts";
import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import type { DetachedSignature, Inventory } from "../../gateway/source/update-source.ts";
import { readVehicle, type Vehicle } from "../bench/vehicle-file.ts";
import { readKeys } from "../crypto/key-files.ts";
import { type KeySet, makeKeys } from "../crypto/keys.ts";
import { certificateText, identityTexts, type NamedText } from "../crypto/named-certificate.ts";
import { makeFolder } from "../record/claim.ts";
import { exclusively } from "../record/file-lock.ts";
import { FileError } from "../record/record-error.ts";
import { installFile } from "./install.ts";
import { type PullReport, pull } from "./pull.ts";
import { deviceSettings } from "./settings.ts";
import { updateSystem } from "./systems.ts";
import type { DeviceTrust } from "./update-system.ts";

/** What `otabench pull` was told. */
export interface PullRunOptions {
  readonly system: string;
  /** "scheme://host:port" or "host:port". */
  readonly server: string;
  /** Path, target or file, in the words of the system. */
  readonly name?: string | undefined;
  /** Path of a PEM file; that of the keys, if left out. */
  readonly ca?: string | undefined;
  /** Path of a PEM file with a public key; the package key of the keys, if left out. */
  readonly signer?: string | undefined;
  /** A file is taken whoever signed it, or nobody. */
  readonly unsigned: boolean;
  readonly keysDir?: string | undefined;
  readonly seed?: string | undefined;
  /** What the device shows if it is asked who it is: paths of PEM files. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** x.y.z that the device has; 0.0.0 if left out. */
  readonly current?: string | undefined;
  readonly tls12: boolean;
  /** How long the server may wait for something newer before it answers, seconds. */
  readonly wait?: number | undefined;
  /** srup: how to join, who confirms it, what to sign with, and the folder where the device's identity is kept. */
  readonly join?: string | undefined;
  readonly observer?: string | undefined;
  readonly signatures?: string | undefined;
  readonly state?: string | undefined;
  readonly sizeMax?: number | undefined;
  readonly out?: string | undefined;
  /** Path of a vehicle file: the file is installed there. */
  readonly vehicle?: string | undefined;
  /** The ECU that an image without a package is for. */
  readonly ecu?: string | undefined;
  readonly stop: AbortSignal;
  readonly onProgress: (received: number) => void;
  /** An exchange came to nothing, and is begun again in a while. */
  readonly onRetry: (code: string, reason: string) => void;
  /** What the device shows to whoever confirms its join. */
  readonly onShow: (value: string) => void;
}

export interface PullRunReport extends PullReport {
  readonly installed?: Pick<CampaignResult, "verdict" | "ecus"> & { readonly code?: string; readonly reason?: string };
}

/** @throws {BenchError} SOURCE_UNKNOWN for a name that the server does not know, and all that {@link pull} throws */
export type PullRun = (options: PullRunOptions) => Promise<PullRunReport>;

export const pullRun: PullRun = async (options) => {
  const keys = keysOf(options);
  const system = updateSystem(deviceSettings(options.system, options));
  const vehicle = options.vehicle === undefined ? undefined : await readVehicle(options.vehicle);
  const signer = signerOf(options, keys);
  const folder = options.out === undefined ? mkdtempSync(join(tmpdir(), "otabench-pull-")) : undefined;
  const out = options.out ?? join(folder as string, "file");
  try {
    const pulling = {
      trust: trustOf(options, keys),
      ...(options.unsigned ? {} : { signer }),
      inventory: inventoryOf(vehicle, options.current),
      out,
      stop: options.stop,
      onProgress: options.onProgress,
      onRetry: options.onRetry,
      onShow: options.onShow,
    };
    const report = await asDevice(options.state, () => pull(system, pulling));
    if (report.unknown !== undefined && options.name !== undefined)
      throw new LinkError("SOURCE_UNKNOWN", `the server has no "${options.name}": ${report.unknown}`);
    if (vehicle === undefined || report.verdict !== "pulled") return report;
    const { result } = await installFile({
      path: options.vehicle as string,
      vehicle,
      seed: options.seed ?? DEFAULT_SEED,
      keys: keys ?? makeKeys(DEFAULT_SEED),
      signer,
      file: new Uint8Array(readFileSync(out)),
      signature: signatureBeside(out),
      ...(options.ecu !== undefined && { rawEcu: options.ecu }),
    });
    const { verdict, ecus, error } = result;
    const why = error === undefined ? {} : { code: error.code, reason: error.message };
    return { ...report, installed: { verdict, ecus, ...why } };
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
};

/** One process at a time is the device whose identity is kept in that folder. @throws {FileError} FILE_LOCKED */
function asDevice<Result>(state: string | undefined, work: () => Promise<Result>): Promise<Result> {
  if (state === undefined) return work();
  makeFolder(state);
  return exclusively(join(state, "lock"), 0, work);
}

const DEFAULT_SEED = "1";

/** The keys that are named, if some are. */
export function keysOf({ keysDir, seed }: Pick<PullRunOptions, "keysDir" | "seed">): KeySet | undefined {
  if (keysDir !== undefined) return readKeys(keysDir);
  return seed === undefined ? undefined : makeKeys(seed);
}

/** SubjectPublicKeyInfo, DER. @throws {FileError} @throws {UsageError} for a file without a public key */
export function signerOf({ signer }: Pick<PullRunOptions, "signer">, keys: KeySet | undefined): Uint8Array {
  if (signer === undefined) return (keys ?? makeKeys(DEFAULT_SEED)).package.publicKey;
  const pem = readText(signer);
  try {
    return new Uint8Array(createPublicKey(pem).export({ format: "der", type: "spki" }));
  } catch (cause) {
    throw new UsageError(`${signer} holds no public key: ${(cause as Error).message}`, { cause });
  }
}

type TrustOptions = Pick<PullRunOptions, "ca" | "certificate" | "key" | "sizeMax">;

const named = (path: string): NamedText => ({ path, text: readText(path) });

/** @throws {FileError} @throws {UsageError} for a certificate that is none, or without its key */
export function trustOf(options: TrustOptions, keys: KeySet | undefined): DeviceTrust {
  const { ca, certificate, key, sizeMax } = options;
  if ((certificate === undefined) !== (key === undefined)) throw new UsageError("--cert and --key go together");
  return {
    ca: ca === undefined ? (keys ?? makeKeys(DEFAULT_SEED)).tls.ca : certificateText(named(ca)),
    ...(certificate !== undefined && key !== undefined && { identity: identityTexts(named(certificate), named(key)) }),
    ...(sizeMax !== undefined && { sizeMax }),
  };
}

/** A device that is no vehicle of ours is one ECU. */
function inventoryOf(vehicle: Vehicle | undefined, current: string | undefined): Inventory {
  if (vehicle === undefined) return { vin: "", ecus: [{ id: "device", version: current ?? "0.0.0" }] };
  const ecus = vehicle.zones.flatMap((zone) => zone.ecus);
  return { vin: vehicle.vin, ecus: ecus.map(({ id, software }) => ({ id, version: current ?? software.version })) };
}

function signatureBeside(file: string): DetachedSignature | undefined {
  try {
    return { algorithm: "RSA-PKCS1-SHA256", signature: new Uint8Array(readFileSync(`${file}.sig`)) };
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new FileError("FILE_UNREADABLE", `can't read ${path}: ${(cause as Error).message}`, { cause });
  }
}
