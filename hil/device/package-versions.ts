import { decodeImageHeader, IMAGE_MAGIC } from "../../emulator/wire/image-header.ts";
import { versionText } from "../../emulator/wire/version.ts";
import { readSwpg, SWPG_MAGIC, swpgEcu } from "../../gateway/package/swpg.ts";
import { readVehiclePackage, VEHICLE_PACKAGE_MAGIC } from "../../gateway/package/vehicle-package.ts";
import { PackageError } from "../../gateway/package/verified-package.ts";

/** Versions by the ECU they are for. */
export type Versions = Readonly<Record<string, string>>;

/**
 * What a file says of itself. Empty for a file of no known format: whoever takes such files has no versions to compare.
 * @throws {PackageError} for a file of a known format that is broken
 */
export function packageVersions(bytes: Uint8Array): Versions {
  if (bytes.length < 4) return {};
  switch (new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)) {
    case VEHICLE_PACKAGE_MAGIC: {
      const read = readVehiclePackage(bytes);
      if (read.type === "malformed") throw new PackageError(read.code, read.reason, read.clause);
      const ecus = read.package.zones.flatMap((zone) => zone.ecus);
      return Object.fromEntries(ecus.map((entry) => [entry.package.ecu, versionText(entry.package.version)]));
    }
    case SWPG_MAGIC: {
      const read = readSwpg(bytes);
      if (read.type === "malformed") throw new PackageError(read.code, read.reason, read.clause);
      const { targetId, version } = read.package;
      return { [swpgEcu(targetId) ?? `id ${targetId}`]: version.slice(0, 3).join(".") };
    }
    case IMAGE_MAGIC: {
      const decoded = decodeImageHeader(bytes);
      if (decoded.type === "malformed") throw new PackageError("PACKAGE_TRUNCATED", decoded.reason, "raw image");
      return { [decoded.header.ecu]: versionText(decoded.header.version) };
    }
    default:
      return {};
  }
}
