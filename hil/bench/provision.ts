import { resolve } from "node:path";
import { packVersion } from "../../emulator/wire/version.ts";
import { type ImageKeys, imageKey } from "../crypto/keys.ts";
import { buildImage } from "../release/build-image.ts";
import { readFirmwareFile } from "../release/firmware-file.ts";
import type { Bench } from "./build-bench.ts";

/** Unix time of the software that ECUs leave the factory with. */
const FACTORY_BUILD_TIME = Date.UTC(2024, 10, 21) / 1000;

/**
 * Writes the factory software into every ECU, before power on.
 * @param keys sign the images @param folder where relative paths of firmware files begin: that of the vehicle file
 */
export function provisionEcus(bench: Bench, keys: ImageKeys, folder: string): void {
  for (const { ecus } of bench.vehicle.zones) {
    for (const { id, hardwareVersion, signature, software } of ecus) {
      const { data } = readFirmwareFile(resolve(folder, software.firmware));
      const image = {
        ecu: id,
        version: software.version,
        hardwareVersion,
        securityCounter: packVersion(software.version) as number,
        buildTime: FACTORY_BUILD_TIME,
        code: data,
      };
      bench.ecus.get(id)?.provision(buildImage(image, imageKey(keys, signature)));
    }
  }
}
