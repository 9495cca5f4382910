import { VirtualCanBus } from "../../emulator/bus/virtual-can-bus.ts";
import type { IsoTpConfig } from "../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../emulator/isotp/isotp-node.ts";
import { Prng } from "../../emulator/kernel/prng.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import { type Instant, s } from "../../emulator/kernel/time.ts";
import { Trace } from "../../emulator/kernel/trace.ts";
import { type BenchResult, type BenchRow, measure } from "./row.ts";

const MESSAGE = new Prng("1 MiB").bytes(1024 * 1024);
interface Job {
  readonly name: string;
  readonly fd: boolean;
  readonly blockSize: number;
  readonly traced: boolean;
  readonly comparedWith?: string;
}

/** 1 MiB as one message from a tester to an ECU, STmin 0. */
function transfer({ name, fd, blockSize, traced, comparedWith }: Job): BenchRow {
  const run = (): BenchResult => {
    const timeline = new Scheduler();
    const trace = new Trace();
    let counted = 0;
    const tracer = traced ? trace : { record: () => void counted++ };
    const rates = fd ? { bitRate: 500_000, dataBitRate: 2_000_000 } : { bitRate: 500_000 };
    const bus = new VirtualCanBus({ name: "can1", ...rates }, timeline, tracer);
    const open = (node: string, txId: number, rxId: number, heard: (data: Uint8Array) => void) => {
      const settings: Partial<IsoTpConfig> = { blockSize, messageSizeMax: MESSAGE.length };
      const address = { txId, rxId, extended: false };
      const config = fd ? fdIsoTp(address, settings) : classicIsoTp(address, settings);
      const listener = { message: heard, sent: () => undefined, failed: () => undefined };
      return new IsoTpNode(node, bus.join(node), timeline, tracer).open(config, listener);
    };
    let received = 0;
    const tester = open("tester", 0x7e0, 0x7e8, () => undefined);
    open("ecu", 0x7e8, 0x7e0, (data) => {
      received = data.length;
    });
    const wallNs = measure(() => {
      tester.send(MESSAGE);
      timeline.runToIdle(s(100_000) as unknown as Instant);
    });
    if (received !== MESSAGE.length) throw new Error(`${received} bytes received`);
    return { frames: counted + trace.count, wallNs, virtualNs: timeline.now };
  };
  return comparedWith === undefined ? { name, run } : { name, comparedWith, run };
}

const CLASSIC = "bus + ISO-TP, classic, 1 MiB, BS 0";

export const isoTpRows: readonly BenchRow[] = [
  transfer({ name: CLASSIC, fd: false, blockSize: 0, traced: false }),
  transfer({ name: "the same, BS 8", fd: false, blockSize: 8, traced: false, comparedWith: CLASSIC }),
  transfer({ name: "the same, BS 0, with trace", fd: false, blockSize: 0, traced: true, comparedWith: CLASSIC }),
  transfer({
    name: "bus + ISO-TP, CAN FD TX_DL 64, 1 MiB",
    fd: true,
    blockSize: 0,
    traced: false,
    comparedWith: CLASSIC,
  }),
];
