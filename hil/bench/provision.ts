import { resolve } from "node:path";
import type { ImageKind } from "../../emulator/ecu/image-check.ts";
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
    for (const { id, hardwareVersion, signature, software, bootloader } of ecus) {
      const made = (kind: ImageKind, { version, firmware }: typeof software): Uint8Array => {
        const { data: code } = readFirmwareFile(resolve(folder, firmware));
        const securityCounter = packVersion(version) as number;
        const image = { ecu: id, kind, version, hardwareVersion, securityCounter, buildTime: FACTORY_BUILD_TIME, code };
        return buildImage(image, imageKey(keys, signature));
      };
      const settings = bootloader === undefined ? {} : { bootloader: made("bootloader", bootloader) };
      bench.ecus.get(id)?.provision(made("application", software), settings);
    }
  }
}
