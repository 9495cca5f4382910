import { statSync } from "node:fs";
import { compareVersions, packVersion } from "../../emulator/wire/version.ts";
import { PackageError } from "../../gateway/package/verified-package.ts";
import type { DetachedSignature, Inventory } from "../../gateway/source/update-source.ts";
import { writeDurably } from "../record/durable-file.ts";
import { checkSignature } from "../system/check-signature.ts";
import { packageVersions, type Versions } from "./package-versions.ts";
import type { ApplyResult, CheckedRelease, Target } from "./target.ts";

const EVERYONE_READS = 0o644;
const CLAUSE = "docs/protocols/https.md, the device";

interface FileTargetOptions {
  readonly path: string;
  readonly ecu: string | undefined;
  /** x.y.z of what was there at first. */
  readonly current: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly signer: Uint8Array;
}

/** A release is put in the place of one file, whatever is in it; the old one stays until the new one is whole. */
export class FileTarget implements Target {
  readonly text: string;
  readonly #options: FileTargetOptions;

  constructor(options: FileTargetOptions) {
    this.#options = options;
    this.text = options.path;
  }

  async inventory(floor: Versions, release = ""): Promise<Inventory> {
    const { ecu: id = "device", current } = this.#options;
    const without = packVersion(release) === undefined ? current : release;
    return { vin: "", ecus: [{ id, version: floor[id] ?? Object.values(floor)[0] ?? without }] };
  }

  async check(bytes: Uint8Array, signature: DetachedSignature | undefined, floor: Versions): Promise<CheckedRelease> {
    const { signer, ecu, current } = this.#options;
    checkSignature(bytes, signature, signer);
    const versions = packageVersions(bytes);
    const found = Object.entries(versions);
    if (ecu !== undefined && found.some(([of]) => of !== ecu)) {
      const whom = Object.keys(versions).join(", ");
      throw new PackageError("PACKAGE_TARGET_WRONG", `the release is for ${whom}, this is ${ecu}`, CLAUSE);
    }
    for (const [of, version] of found) {
      const least = floor[of] ?? current;
      if (compareVersions(version, least) < 0)
        throw new PackageError("PACKAGE_VERSION_OLDER", `${of}: ${version} is older than ${least}`, CLAUSE);
    }
    const isNew = found.length === 0 || found.some(([of, version]) => floor[of] !== version);
    return { versions, isNew };
  }

  async apply(bytes: Uint8Array): Promise<ApplyResult> {
    const { path } = this.#options;
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? EVERYONE_READS;
    writeDurably(path, bytes, mode & 0o777);
    return { verdict: "updated" };
  }
}
