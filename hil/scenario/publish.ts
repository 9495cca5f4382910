import { packVersion } from "../../emulator/wire/version.ts";
import { FileInvalidError } from "../bench/read-yaml.ts";
import type { Vehicle } from "../bench/vehicle-file.ts";
import type { KeySet } from "../crypto/keys.ts";
import {
  buildImages,
  packRelease,
  type ReleaseContents,
  type ReleaseDescription,
  signRelease,
} from "../release/build-release.ts";
import type { Publication } from "../system/update-system.ts";
import type { Fault, FaultOf } from "./fault-schema.ts";
import type { ScenarioRelease } from "./scenario-file.ts";

export interface PublishParts {
  readonly vehicle: Vehicle;
  readonly keys: KeySet;
  /** Keys that neither vehicle gateway nor ECUs trust. */
  readonly strangerKeys: () => KeySet;
  /** Where relative paths of firmware files begin. */
  readonly folder: string;
}

type SignedPublication = Publication & Required<Pick<Publication, "signature">>;

/**
 * Builds, packs and signs a release, with what is to be wrong with it.
 * @throws {FileInvalidError} for an ECU that the vehicle does not have
 */
export function publish(release: ScenarioRelease, faults: readonly Fault[], parts: PublishParts): SignedPublication {
  const description = describe(release, parts.vehicle);
  let contents = buildImages(description, parts.keys, parts.folder);
  for (const fault of faults) contents = spoilContents(contents, description, fault, parts);
  const bytes = packRelease(contents);
  const stranger = faults.some(({ fault }) => fault === "wrongSignature");
  const { signature } = signRelease(bytes, stranger ? parts.strangerKeys().package : parts.keys.package);
  let file = bytes;
  for (const fault of faults) file = spoilFile(file, fault);
  return { file, signature, version: release.version, builtAt: new Date(release.builtAt) };
}

function describe(release: ScenarioRelease, vehicle: Vehicle): ReleaseDescription {
  const known = new Set(vehicle.zones.flatMap(({ ecus }) => ecus.map(({ id }) => id)));
  const foreign = Object.keys(release.ecus).find((id) => !known.has(id));
  if (foreign !== undefined)
    throw new FileInvalidError(`the release has software for ${foreign}, the vehicle has no such`);
  const zones = vehicle.zones.map(({ id, number, ecus }) => ({
    id,
    number,
    ecus: ecus.flatMap((ecu) => {
      const software = release.ecus[ecu.id];
      if (software === undefined) return [];
      const { version, firmware, dependencies } = software;
      return [
        {
          ecu: ecu.id,
          signature: ecu.signature,
          version,
          hardwareVersion: ecu.hardwareVersion,
          priority: ecu.priority,
          firmware,
          // The anti-rollback counter goes with the version: what is older can never be started again after a commit.
          securityCounter: packVersion(version) as number,
          dependencies: Object.entries(dependencies).map(([needed, versionMin]) => ({ ecu: needed, versionMin })),
        },
      ];
    }),
  }));
  return {
    format: "vehicle",
    vin: vehicle.vin,
    model: vehicle.model,
    modelYear: vehicle.modelYear,
    version: release.version,
    buildTime: Math.floor(Date.parse(release.builtAt) / 1000),
    zones: zones.filter(({ ecus }) => ecus.length > 0),
  };
}

function spoilContents(
  contents: ReleaseContents,
  description: ReleaseDescription,
  fault: Fault,
  parts: PublishParts,
): ReleaseContents {
  if (fault.fault === "wrongTarget") return withImage(contents, fault.ecu, imageOf(contents, fault.imageOf));
  if (fault.fault === "otherImageSignature") {
    const zones = description.zones.map((zone) => ({
      ...zone,
      ecus: zone.ecus.map((ecu) => ({ ...ecu, signature: fault.signature })),
    }));
    const other = buildImages({ ...description, zones }, parts.keys, parts.folder);
    return withImage(contents, fault.ecu, imageOf(other, fault.ecu));
  }
  if (fault.fault !== "wrongImageSignature") return contents;
  const forged = buildImages(description, parts.strangerKeys(), parts.folder);
  return withImage(contents, fault.ecu, imageOf(forged, fault.ecu));
}

function spoilFile(file: Uint8Array, fault: Fault): Uint8Array {
  if (fault.fault === "flippedByte") return flipped(file, fault);
  if (fault.fault !== "truncated") return file;
  if (fault.to >= file.length)
    throw new FileInvalidError(`truncated to ${fault.to}, the file has ${file.length} bytes`);
  return file.slice(0, fault.to);
}

function flipped(file: Uint8Array, { at }: FaultOf<"flippedByte">): Uint8Array {
  const byte = file[at];
  if (byte === undefined) throw new FileInvalidError(`flippedByte at ${at}, the file has ${file.length} bytes`);
  const copy = file.slice();
  copy[at] = byte ^ 0xff;
  return copy;
}

function imageOf(contents: ReleaseContents, ecu: string): Uint8Array {
  const image = contents.zones.flatMap(({ ecus }) => ecus).find((each) => each.ecu === ecu)?.image;
  if (image === undefined) throw new FileInvalidError(`a fault names ${ecu}, the release has no software for it`);
  return image;
}

function withImage(contents: ReleaseContents, ecu: string, image: Uint8Array): ReleaseContents {
  imageOf(contents, ecu); // there must be something to replace
  const zones = contents.zones.map((zone) => ({
    ...zone,
    ecus: zone.ecus.map((each) => (each.ecu === ecu ? { ...each, image } : each)),
  }));
  return { ...contents, zones };
}
