import { packVersion } from "../../emulator/wire/version.ts";
import { FileInvalidError } from "../bench/read-yaml.ts";
import { readVehicle } from "../bench/vehicle-file.ts";
import { readKeys } from "../crypto/key-files.ts";
import { imageKey, makeKeys } from "../crypto/keys.ts";
import { writePieces } from "../record/pieces.ts";
import { buildImage } from "./build-image.ts";
import { readFirmwareFile } from "./firmware-file.ts";

interface EcuImageOptions {
  /** Vehicle file. */
  readonly vehicle: string;
  readonly ecu: string;
  /** x.y.z */
  readonly version: string;
  /** Intel HEX, S-record or raw binary. */
  readonly firmware: string;
  readonly out: string;
  readonly seed: string;
  readonly keysDir: string | undefined;
}

/** What a tester has to write, and where. */
interface EcuImage {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
}

/** Writes the signed image of one ECU of a vehicle. */
export type WriteEcuImage = (options: EcuImageOptions) => Promise<EcuImage>;

/** Unix time of images that nobody dates: the same input gives the same file. */
const BUILD_TIME = Date.UTC(2026, 0, 1) / 1000;

/** @throws {FileInvalidError} for an ECU that the vehicle does not have @throws {ReleaseError} for a version that is none */
export const writeEcuImage: WriteEcuImage = async ({ vehicle: path, ecu: id, version, firmware, out, ...options }) => {
  const vehicle = await readVehicle(path);
  const ecus = vehicle.zones.flatMap(({ ecus: inZone }) => inZone);
  const ecu = ecus.find((each) => each.id === id);
  if (ecu === undefined) {
    throw new FileInvalidError(`${path} has no ECU "${id}", only ${ecus.map((each) => each.id).join(", ")}`);
  }
  const keys = options.keysDir === undefined ? makeKeys(options.seed) : readKeys(options.keysDir);
  const image = buildImage(
    {
      ecu: id,
      version,
      hardwareVersion: ecu.hardwareVersion,
      securityCounter: packVersion(version) ?? 0,
      buildTime: BUILD_TIME,
      code: readFirmwareFile(firmware).data,
    },
    imageKey(keys, ecu.signature),
  );
  return { file: out, size: writePieces(out, [image]) };
};
