import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { PeerError } from "../../emulator/kernel/errors.ts";
import { compareVersions } from "../../emulator/wire/version.ts";
import type { DetachedSignature, Inventory } from "../../gateway/source/update-source.ts";
import { readIfThere } from "../record/durable-file.ts";
import { lookFor, pull } from "../system/pull.ts";
import { updateSystem } from "../system/systems.ts";
import type { DeviceTrust, UpdateSystem } from "../system/update-system.ts";
import { type DeviceConfig, readConfig, signerKey } from "./device-config.ts";
import { DeviceError, ReplayError } from "./device-error.ts";
import { type DeviceState, lastUpdated, readState, writeState } from "./device-state.ts";
import { FileTarget } from "./file-target.ts";
import type { StateFolder } from "./state-folder.ts";
import type { ApplyResult, CheckedRelease, Target } from "./target.ts";
import { VehicleTarget } from "./vehicle-target.ts";

const PACKAGE = "package.bin";

/** How one step ended. Plain data, for reports and the audit log. */
export type StepReport =
  | {
      readonly step: "check";
      readonly verdict: "offer" | "upToDate";
      readonly release?: string;
      readonly size?: number;
    }
  | {
      readonly step: "download";
      readonly verdict: "downloaded" | "alreadyDownloaded" | "upToDate";
      readonly size?: number;
      readonly sha256?: string;
      /** The byte that it began at: what an earlier download had brought. */
      readonly from?: number;
      /** Bytes that came this time. */
      readonly bytes?: number;
      readonly ms?: number;
      /** Of the transport; null where it does not tell. */
      readonly retransmissions?: number | null;
    }
  | {
      readonly step: "verify";
      readonly verdict: "verified" | "upToDate";
      readonly sha256: string;
      readonly versions: Readonly<Record<string, string>>;
    }
  | ({ readonly step: "apply"; readonly sha256: string } & ApplyResult);

export interface StepOptions {
  readonly stop?: AbortSignal | undefined;
  readonly onProgress?: ((received: number) => void) | undefined;
  /** An exchange came to nothing, and is begun again in a while. */
  readonly onRetry?: ((code: string, reason: string) => void) | undefined;
}

export interface DeviceStatus {
  readonly system: string;
  readonly peer: string;
  readonly target: string;
  readonly state: DeviceState;
  /** An update was under way when the device stopped. */
  readonly interrupted: boolean;
}

/**
 * One device before one server, step by step; every step can be repeated, and what a step has reached is on disk when it
 * resolves. Steps of two processes never run at once.
 */
export class Device {
  readonly config: DeviceConfig;
  readonly #folder: StateFolder;
  readonly #now: () => Date;
  readonly #system: UpdateSystem;
  readonly #target: Target;

  /** @throws {DeviceError} STATE_MISSING, STATE_DAMAGED */
  constructor(folder: StateFolder, now: () => Date) {
    this.#folder = folder;
    this.#now = now;
    this.config = readConfig(folder);
    this.#system = updateSystem(this.config.source);
    this.#target = makeTarget(this.config, folder);
  }

  status(): DeviceStatus {
    const state = readState(this.#folder);
    const { name: system, peer } = this.#system;
    return { system, peer, target: this.#target.text, state, interrupted: state.applying !== undefined };
  }

  /** @throws {BenchError} what the source says */
  check({ stop, onRetry }: StepOptions = {}): Promise<StepReport> {
    return this.#alone(async () => {
      const state = readState(this.#folder);
      const { offer: _, ...others } = state;
      const offer = await lookFor(this.#system, {
        trust: this.#trust(),
        inventory: await this.#inventory(state),
        ...(stop !== undefined && { stop }),
        ...(onRetry !== undefined && { onRetry }),
      });
      if (offer === undefined || isKnown(offer, lastUpdated(state))) {
        writeState(this.#folder, others);
        return { step: "check", verdict: "upToDate" };
      }
      writeState(this.#folder, { ...others, offer: { ...offer, at: this.#at() } });
      const { release, size } = offer;
      return { step: "check", verdict: "offer", release, ...(size !== undefined && { size }) };
    });
  }

  /** Goes on where an earlier download ended. @throws {BenchError} what the source says */
  download({ stop, onProgress, onRetry }: StepOptions = {}): Promise<StepReport> {
    return this.#alone(async () => {
      const before = readState(this.#folder);
      if (before.offer !== undefined && isKnown(before.offer, before.downloaded) && this.#isThere(before))
        return { step: "download", verdict: "alreadyDownloaded", ...shape(before.downloaded) };
      const report = await pull(this.#system, {
        trust: this.#trust(),
        inventory: await this.#inventory(before),
        out: this.#folder.file(PACKAGE),
        ...(stop !== undefined && { stop }),
        ...(onProgress !== undefined && { onProgress }),
        ...(onRetry !== undefined && { onRetry }),
      });
      const { verdict, release = "", validator, size = 0, sha256 = "", from, bytes, ms, retransmissions } = report;
      if (verdict === "upToDate") return { step: "download", verdict };
      const named = validator === undefined ? { release } : { release, validator };
      const downloaded = { ...named, size, sha256, at: this.#at() };
      const { verified: _, ...rest } = before;
      writeState(this.#folder, { ...rest, downloaded });
      return { step: "download", verdict: "downloaded", size, sha256, from, bytes, ms, retransmissions };
    });
  }

  /**
   * What is no good is thrown away, so that the next download begins anew.
   * @throws {DeviceError} STEP_MISSING @throws {PackageError} @throws {ReplayError}
   */
  verify(): Promise<StepReport> {
    return this.#alone(async () => {
      const state = readState(this.#folder);
      const { sha256, checked } = await this.#checked(state);
      const { versions, isNew } = checked;
      if (!isNew) return { step: "verify", verdict: "upToDate", sha256, versions };
      writeState(this.#folder, { ...state, verified: { sha256, at: this.#at() } });
      return { step: "verify", verdict: "verified", sha256, versions };
    });
  }

  /**
   * Everything is checked again before anything is touched.
   * @throws {DeviceError} STEP_MISSING @throws {PackageError} @throws {ReplayError}
   */
  apply(): Promise<StepReport> {
    return this.#alone(async () => {
      const state = readState(this.#folder);
      const { sha256, checked, bytes, signature } = await this.#checked(state);
      if (!checked.isNew && state.applying?.sha256 !== sha256) return { step: "apply", sha256, verdict: "upToDate" };
      if (state.verified?.sha256 !== sha256)
        throw new DeviceError("STEP_MISSING", "what was downloaded has not been verified");
      writeState(this.#folder, { ...state, applying: { sha256, at: this.#at() } });
      const result = await this.#target.apply(bytes, signature);
      // the power went when the target had it, and before that was noted
      const verdict = checked.isNew ? result.verdict : "updated";
      const after = this.#after(state, sha256, checked, verdict);
      if (verdict === "updated") this.#drop(after);
      else writeState(this.#folder, after);
      return { step: "apply", sha256, ...result, verdict };
    });
  }

  #after(state: DeviceState, sha256: string, { versions }: CheckedRelease, verdict: string): DeviceState {
    const { applying: _, downloaded, ...rest } = state;
    const { release = "", validator } = downloaded ?? {};
    const named = validator === undefined ? { release } : { release, validator };
    const applied = [...state.applied, { ...named, sha256, versions, verdict, at: this.#at() }];
    const after = { ...rest, ...(downloaded !== undefined && { downloaded }), applied };
    if (verdict !== "updated") return after;
    const old = lastUpdated(state);
    const floor = { ...state.floor };
    for (const [of, version] of Object.entries(versions))
      if (compareVersions(version, floor[of] ?? "") > 0) floor[of] = version;
    return { ...after, floor, left: old === undefined ? state.left : [...state.left, old.sha256] };
  }

  async #checked(state: DeviceState) {
    const { downloaded } = state;
    if (downloaded === undefined) throw new DeviceError("STEP_MISSING", "nothing has been downloaded");
    const bytes = readIfThere(this.#folder.file(PACKAGE));
    const signatureBytes = readIfThere(this.#folder.file(`${PACKAGE}.sig`));
    const sha256 = bytes === undefined ? "" : createHash("sha256").update(bytes).digest("hex");
    if (bytes === undefined || sha256 !== downloaded.sha256) {
      this.#drop(state);
      throw new DeviceError("STEP_MISSING", "what was downloaded is not there any more as it was");
    }
    const signature: DetachedSignature | undefined =
      signatureBytes === undefined ? undefined : { algorithm: "RSA-PKCS1-SHA256", signature: signatureBytes };
    try {
      const checked = await this.#target.check(bytes, signature, state.floor);
      if (state.left.includes(sha256) && lastUpdated(state)?.sha256 !== sha256)
        throw new ReplayError("this very release was installed and replaced before");
      // a file of no known format is known by nothing but its digest
      const isSame = Object.keys(checked.versions).length === 0 && lastUpdated(state)?.sha256 === sha256;
      return { sha256, bytes, signature, checked: isSame ? { ...checked, isNew: false } : checked };
    } catch (error) {
      if (error instanceof PeerError) this.#drop(state);
      throw error;
    }
  }

  #drop(state: DeviceState): void {
    const { downloaded: _, verified: __, applying: ___, ...rest } = state;
    writeState(this.#folder, rest);
    for (const name of [PACKAGE, `${PACKAGE}.sig`]) rmSync(this.#folder.file(name), { force: true });
  }

  #isThere({ downloaded }: DeviceState): boolean {
    const bytes = readIfThere(this.#folder.file(PACKAGE));
    return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === downloaded?.sha256;
  }

  #inventory(state: DeviceState): Promise<Inventory> {
    return this.#target.inventory(state.floor, lastUpdated(state)?.release);
  }

  #trust(): DeviceTrust {
    const { ca, identity, sizeMax } = this.config;
    return { ca, sizeMax, ...(identity !== undefined && { identity }) };
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#folder.alone("work", work);
  }

  #at(): string {
    return this.#now().toISOString();
  }
}

function makeTarget(config: DeviceConfig, folder: StateFolder): Target {
  const { target, current, sizeMax } = config;
  const signer = signerKey(config);
  switch (target.kind) {
    case "file":
      return new FileTarget({ path: target.path, ecu: target.ecu, current, signer });
    case "vehicle":
      return new VehicleTarget({ config: target, folder, signer, sizeMax });
  }
}

interface Named {
  readonly release: string;
  readonly validator?: string | undefined;
}

/** Only a name of the very content says that it is the same. */
const isKnown = (offer: Named, other: Named | undefined): boolean =>
  other !== undefined &&
  offer.validator !== undefined &&
  offer.validator === other.validator &&
  offer.release === other.release;

const shape = (downloaded: DeviceState["downloaded"]): { size?: number; sha256?: string } =>
  downloaded === undefined ? {} : { size: downloaded.size, sha256: downloaded.sha256 };
