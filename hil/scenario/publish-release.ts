import { dirname, join, resolve } from "node:path";
import { FileInvalidError } from "../bench/read-yaml.ts";
import { readKeys } from "../crypto/key-files.ts";
import { makeKeys } from "../crypto/keys.ts";
import { writePieces } from "../record/pieces.ts";
import { publish } from "./publish.ts";
import { readScenario } from "./read-scenario.ts";

interface PublishOptions {
  /** Which release of the scenario; the first one if not given. */
  readonly release: string | undefined;
  readonly keysDir: string | undefined;
  readonly seed: string | undefined;
}

/** Builds one release of a scenario and writes package and signature. @returns the paths of both */
export type PublishRelease = (path: string, outDir: string, options: PublishOptions) => Promise<readonly string[]>;

/** @throws {FileInvalidError} for a release that the scenario does not have */
export const publishRelease: PublishRelease = async (path, outDir, options) => {
  const { scenario, vehicle } = await readScenario(path);
  const name = options.release ?? (Object.keys(scenario.releases)[0] as string);
  const release = scenario.releases[name];
  if (release === undefined) throw new FileInvalidError(`${path} has no release "${name}"`);
  const seed = options.seed ?? String(scenario.seed);
  const keys = options.keysDir === undefined ? makeKeys(seed) : readKeys(options.keysDir);
  const folder = dirname(resolve(path));
  const { file, signature } = publish(release, [], { vehicle, keys, strangerKeys: () => keys, folder });
  const target = join(outDir, "firmware_v2.bin");
  writePieces(target, [file]);
  writePieces(`${target}.sig`, [signature]);
  return [target, `${target}.sig`];
};
