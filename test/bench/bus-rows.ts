import type { CanPort } from "../../emulator/bus/can-node.ts";
import type { CanListener } from "../../emulator/bus/link.ts";
import { VirtualCanBus } from "../../emulator/bus/virtual-can-bus.ts";
import { Prng } from "../../emulator/kernel/prng.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import { type Instant, s } from "../../emulator/kernel/time.ts";
import type { Tracer } from "../../emulator/kernel/trace.ts";
import type { CanFrame } from "../../emulator/wire/can-frame.ts";
import { type BenchResult, type BenchRow, measure } from "./row.ts";

const FRAMES = 200_000;
/** Different frames of one node. */
const POOL = 32;
const SILENT: Tracer = { record: () => undefined };

/** Frames of random bytes through a bus, the next one handed over at the confirmation of the one before. */
function busAlone(name: string, nodes: number, fd: boolean): BenchRow {
  const prng = new Prng(name);
  // identifiers of its own for each node: two that send the same frame at once have nobody to acknowledge it
  const frame = (id: number): CanFrame => ({ id, flags: fd ? 0b110 : 0, data: prng.bytes(fd ? 64 : 8) });
  const pools = Array.from({ length: nodes }, (_, node) =>
    Array.from({ length: POOL }, (_, index) => frame(0x100 + POOL * node + index)),
  );
  const run = (): BenchResult => {
    const timeline = new Scheduler();
    const rates = fd ? { bitRate: 500_000, dataBitRate: 2_000_000 } : { bitRate: 500_000 };
    const bus = new VirtualCanBus({ name: "can1", ...rates }, timeline, SILENT);
    let left = FRAMES;
    let delivered = 0;
    const go = (port: CanPort, pool: readonly CanFrame[]): void => {
      if (left-- > 0) port.transmit(pool[left % POOL] as CanFrame);
    };
    const ports = pools.map((pool, index) => ({ port: bus.join(`node${index}`), pool }));
    for (const { port, pool } of ports) {
      const listener: CanListener = {
        received: () => void delivered++,
        transmitted: () => go(port, pool),
        aborted: () => undefined,
      };
      port.attach(listener);
    }
    const wallNs = measure(() => {
      for (const { port, pool } of ports) go(port, pool);
      timeline.runToIdle(s(100_000) as unknown as Instant);
    });
    if (delivered !== FRAMES * (nodes - 1)) throw new Error(`${delivered} frames delivered`);
    return { frames: FRAMES, wallNs, virtualNs: timeline.now };
  };
  return { name, run };
}

export const busRows: readonly BenchRow[] = [
  busAlone("bus, classic, 2 nodes", 2, false),
  busAlone("bus, classic, 8 nodes that all send", 8, false),
  busAlone("bus, CAN FD, 2 nodes", 2, true),
];
