import { FaultyCanLink } from "../../emulator/bus/faulty-can-link.ts";
import { VirtualCanBus } from "../../emulator/bus/virtual-can-bus.ts";
import { defaultEcuConfig, FAMILY_BANKS } from "../../emulator/ecu/config.ts";
import { VirtualEcu } from "../../emulator/ecu/virtual-ecu.ts";
import type { IsoTpChannel } from "../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../emulator/isotp/isotp-node.ts";
import { Prng } from "../../emulator/kernel/prng.ts";
import { Pump } from "../../emulator/kernel/pump.ts";
import { type Instant, s } from "../../emulator/kernel/time.ts";
import { World } from "../../emulator/kernel/world.ts";
import { EcuUpdater, type UpdaterInput, type UpdaterOutput } from "../../gateway/tester/ecu-updater.ts";
import { makeKeys } from "../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../hil/crypto/node-crypto.ts";
import { buildImage } from "../../hil/release/build-image.ts";
import { type BenchResult, type BenchRow, measure } from "./row.ts";

const ECU = "ECU_011";
const keys = makeKeys("bench");
const image = (version: string, code: Uint8Array): Uint8Array =>
  buildImage({ ecu: ECU, version, hardwareVersion: "1.0.0", buildTime: 1_768_000_000, code }, keys.image);
const OLD = image("1.0.0", new Prng("old").bytes(4096));
const NEW = image("1.1.0", new Prng("1 MiB").bytes(1024 * 1024));

/** A tester programs 1 MiB into a virtual ECU: sessions, security, erase, download, check; trace and fault hooks on. */
function program(name: string, withFd: boolean): BenchRow {
  const run = (): BenchResult => {
    const { timeline, trace } = new World();
    const rates = withFd ? { bitRate: 500_000, dataBitRate: 2_000_000 } : { bitRate: 500_000 };
    const bus = new VirtualCanBus({ name: "can1", ...rates }, timeline, trace);
    const link = (node: string): FaultyCanLink =>
      new FaultyCanLink(bus.join(node), { name: "can1", node }, timeline, trace, 1);
    const isotp = withFd ? fdIsoTp : classicIsoTp;
    const config = defaultEcuConfig({
      name: ECU,
      isotp: isotp({ txId: 0x7e8, rxId: 0x7e0, extended: false }),
      imagePublicKey: keys.image.publicKey,
    });
    const ecuLink = link(ECU);
    const ecu = new VirtualEcu(config, {
      timeline,
      tracer: trace,
      crypto: nodeCrypto,
      prng: new Prng(1),
      link: ecuLink,
    });
    ecu.provision(OLD);
    ecu.powerOn();
    timeline.runUntil(s(1) as unknown as Instant);
    let ended: UpdaterOutput["type"] | undefined;
    const updater = new EcuUpdater({
      ecu: ECU,
      memory: { address: FAMILY_BANKS.window, size: FAMILY_BANKS.size },
      seedKey: "tc375Bootloader",
      fingerprint: new Uint8Array(9),
    });
    const pump: Pump<UpdaterInput, UpdaterOutput> = new Pump(updater, timeline, (output) => {
      if (output.type === "transmit") channel.send(output.data);
      else if (output.type === "programmed" || output.type === "failed") ended = output.type;
    });
    const node = new IsoTpNode("tester", link("tester"), timeline, trace);
    const channel: IsoTpChannel = node.open(isotp({ txId: 0x7e0, rxId: 0x7e8, extended: false }), {
      message: (data) => pump.push({ type: "received", data }),
      sent: () => pump.push({ type: "acknowledged" }),
      failed: () => undefined,
    });
    let frames = 0;
    trace.on("can.frame", () => frames++);
    const began = timeline.now;
    const wallNs = measure(() => {
      pump.push({ type: "program", image: NEW });
      while (ended === undefined && timeline.step());
    });
    if (ended !== "programmed") throw new Error(`${name}: ${ended ?? "did not end"}`);
    return { frames, wallNs, virtualNs: timeline.now - began };
  };
  return { name, comparedWith: "bus + ISO-TP, classic, 1 MiB, BS 0", run };
}

export const stackRows: readonly BenchRow[] = [
  program("full stack, classic, 1 MiB programmed, trace and fault hooks on", false),
  program("full stack, CAN FD TX_DL 64, 1 MiB programmed", true),
];
