import { type Duration, ms } from "../../emulator/kernel/time.ts";
import { consecutiveFrameDataLength } from "../../emulator/wire/n-pci.ts";
import { MESSAGE_MAX } from "../../gateway/tester/updater-config.ts";
import { gatewayIsoTp } from "./ecu-config.ts";
import type { VehicleEcu, VehicleZone } from "./vehicle-file.ts";

/** At least that much is allowed for the way, whatever the ECU asks for. */
const PATH_MIN_MS = 2_000;
/** N_Bs, after which the gateway says that a transfer has failed. */
const FLOW_CONTROL_MS = 1_000;
/** With all stuff bits that there can be, and the intermission: 29 bits identifier; CAN FD without its data. */
const CLASSIC_FRAME_BITS = 163;
const FD_OVERHEAD_BITS = 110;
const FD_BITS_PER_BYTE = 10;
/** Each frame waits for one of somebody else. */
const SHARE = 2;

/**
 * Delta P2 of a tester behind the zonal gateway: how long the longest request may be on its way when the ECU asks for
 * every pause that the vehicle file gives it. The gateway acknowledges a request as soon as it has it (ISO 13400-2:2019,
 * 7.7), while P2 begins when it is all on the bus (ISO 14229-2:2021, 7.2).
 */
export function pathTime(zone: VehicleZone, ecu: VehicleEcu): Duration {
  const { blockSize, stMinMs, waitFrames } = ecu.can;
  const { txDl, fd, waitFramesMax } = gatewayIsoTp(zone, ecu);
  const frames = Math.ceil(MESSAGE_MAX / consecutiveFrameDataLength(txDl, 1));
  const blocks = blockSize === 0 ? 1 : Math.ceil(frames / blockSize);
  const waits = Math.min(waitFrames.count, waitFramesMax);
  const bits = fd ? FD_OVERHEAD_BITS + FD_BITS_PER_BYTE * txDl : CLASSIC_FRAME_BITS;
  const onTheBus = ((frames + blocks * (waits + 1) + 1) * SHARE * bits * 1000) / zone.bus.bitRate;
  const pauses = frames * stMinMs + blocks * waits * waitFrames.intervalMs;
  return ms(Math.max(PATH_MIN_MS, FLOW_CONTROL_MS + Math.ceil(onTheBus + pauses)));
}
