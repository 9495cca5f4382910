import type { MessagesConfig } from "../../emulator/ecu/application-messages.ts";
import { defaultEcuConfig, type EcuConfig, FAMILY_BOOTLOADERS } from "../../emulator/ecu/config.ts";
import { Dtc } from "../../emulator/ecu/dtc-config.ts";
import { isoTpAddress } from "../../emulator/isotp/addressing.ts";
import type { IsoTpAddress, IsoTpConfig } from "../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../emulator/isotp/defaults.ts";
import { ms } from "../../emulator/kernel/time.ts";
import type { SecuredConfig } from "../../emulator/uds/secured/config.ts";
import type { ImageSignatureName } from "../../emulator/wire/image-header.ts";
import type { Vehicle, VehicleEcu, VehicleZone } from "./vehicle-file.ts";

/** The ECU's end of its pair of identifiers. */
function ecuIsoTp({ bus }: VehicleZone, { can }: VehicleEcu): IsoTpConfig {
  const { request, response, functional, blockSize, stMinMs, waitFrames } = can;
  return channel(bus, can, isoTpAddress(response, request, functional), {
    blockSize,
    stMin: ms(stMinMs),
    waitFrames: { count: waitFrames.count, interval: ms(waitFrames.intervalMs) },
  });
}

/** The zonal gateway's end of the same pair. */
export function gatewayIsoTp({ bus }: VehicleZone, { can }: VehicleEcu): IsoTpConfig {
  return channel(bus, can, isoTpAddress(can.request, can.response), {});
}

function channel(
  bus: VehicleZone["bus"],
  { padding, txDl }: VehicleEcu["can"],
  address: IsoTpAddress,
  overrides: Partial<IsoTpConfig>,
): IsoTpConfig {
  const given = txDl === undefined ? overrides : { ...overrides, txDl };
  const whole = bus.dataBitRate === undefined ? classicIsoTp(address, given) : fdIsoTp(address, given);
  if (padding !== null) return { ...whole, padding };
  const { padding: _, ...unpadded } = whole;
  return unpadded;
}

function messages({ cyclic, supervised }: NonNullable<VehicleEcu["messages"]>): MessagesConfig {
  return {
    cyclic: cyclic.map(({ id, extended, periodMs, data }) => ({
      id,
      extended,
      period: ms(periodMs),
      data: Uint8Array.from(data),
    })),
    supervised: supervised.map(({ id, extended, timeoutMs }) => ({
      id,
      extended,
      timeout: ms(timeoutMs),
      dtc: Dtc.GatewayLost,
    })),
  };
}

function secured({ services, hmacSha256Key, aes128GcmKey }: NonNullable<VehicleEcu["secured"]>): SecuredConfig {
  return {
    services,
    ...(hmacSha256Key === undefined ? {} : { hmacSha256Key }),
    ...(aes128GcmKey === undefined ? {} : { aes128GcmKey }),
  };
}

/** @param imageKeys whose images the ECU takes: SubjectPublicKeyInfo, DER */
export function ecuConfig(
  vehicle: Vehicle,
  zone: VehicleZone,
  ecu: VehicleEcu,
  imageKeys: Readonly<Record<ImageSignatureName, Uint8Array>>,
): EcuConfig {
  return defaultEcuConfig({
    name: ecu.id,
    isotp: ecuIsoTp(zone, ecu),
    imageSignature: ecu.signature,
    imagePublicKey: imageKeys[ecu.signature],
    uds: {
      seedKey: ecu.seedKey,
      dialect: ecu.dialect,
      ...(ecu.secured === undefined ? {} : { secured: secured(ecu.secured) }),
    },
    boot: { healthyRun: ms(ecu.healthyRunMs) },
    identity: {
      vin: vehicle.vin,
      partNumber: ecu.partNumber,
      supplier: ecu.supplier,
      manufacturingDate: ecu.manufacturingDate.replaceAll("-", ""),
      serialNumber: ecu.serialNumber,
      hardwareNumber: `${ecu.id}-HW`,
      hardwareVersion: ecu.hardwareVersion,
    },
    ...(ecu.messages === undefined ? {} : { messages: messages(ecu.messages) }),
    ...(ecu.watchdog === undefined
      ? {}
      : { watchdog: { period: ms(ecu.watchdog.periodMs), guards: ecu.watchdog.guards } }),
    ...(ecu.bootloader === undefined ? {} : { bootloader: FAMILY_BOOTLOADERS }),
    behaviours: ecu.behaviours,
    ...(ecu.eraseCyclesMax === undefined ? {} : { eraseCyclesMax: ecu.eraseCyclesMax }),
  });
}
