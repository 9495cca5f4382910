import { describe, expect, it } from "vitest";
import { fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { CanFlag } from "../../../emulator/wire/can-frame.ts";
import { hex, image } from "./support/ecu-bench.ts";
import { VehicleBench } from "./support/vehicle-bench.ts";

interface Seen {
  readonly id: number;
  readonly flags: number;
  readonly data: string;
}

function started(...given: ConstructorParameters<typeof VehicleBench>): VehicleBench {
  const bench = new VehicleBench(...given);
  bench.ecu.provision(image("1.0.0"));
  bench.ecu.powerOn();
  bench.after(s(1));
  return bench;
}

/** Frames that the ECU sent, of one identifier. */
function framesOf(bench: VehicleBench, id: number): readonly Seen[] {
  const seen: Seen[] = [];
  for (const event of bench.world.trace.events()) {
    if (event.type === "can.frame" && event.node === "ECU_011" && event.id === id) {
      seen.push({ id, flags: event.flags, data: hex(event.data) });
    }
  }
  return seen;
}

describe("periodic messages on the bus", () => {
  it("are single frames without N_PCI on an identifier of their own, while segmented answers go on", () => {
    const bench = started();
    const [session, accepted, vin] = bench.run(["10 03", "2a 03 01", "22 f1 90"]);
    expect([session, accepted]).toEqual(["50 03 00 32 01 f4", "6a"]);
    expect(vin).toMatch(/^62 f1 90 4b 4d/);
    bench.after(ms(200));
    const frames = framesOf(bench, 0x5e8);
    expect(frames.length).toBeGreaterThanOrEqual(3);
    for (const { flags, data } of frames) {
      expect(flags).toBe(0);
      expect(data).toMatch(/^01 .. .. cc cc cc cc cc$/);
    }
  });

  it("use 29-bit identifiers, and records up to 63 bytes, on CAN FD", () => {
    const address = { txId: 0x18daf115, rxId: 0x18da15f1, extended: true };
    const bench = started({ isotp: fdIsoTp(address) }, 2_000_000);
    const answers = bench.run(["10 03", "2c 01 f2 80 f1 90 01 11", "2a 03 80"]);
    expect(answers.slice(1)).toEqual(["6c 01 f2 80", "6a"]);
    bench.after(ms(60));
    const frames = framesOf(bench, 0x18ddf115);
    expect(frames).toHaveLength(1);
    expect(frames[0]?.flags).toBe(CanFlag.Extended | CanFlag.Fd | CanFlag.BitRateSwitch);
    expect(frames[0]?.data).toMatch(/^80 4b 4d 48 .* cc cc$/);
    expect(frames[0]?.data.split(" ")).toHaveLength(20);
  });

  it("stop with the power", () => {
    const bench = started();
    bench.run(["10 03", "2a 03 01"]);
    bench.after(ms(100));
    bench.ecu.powerOff();
    const before = framesOf(bench, 0x5e8).length;
    bench.after(s(1));
    bench.ecu.powerOn();
    bench.after(s(2));
    expect(framesOf(bench, 0x5e8)).toHaveLength(before);
  });

  it("go on alike from a snapshot taken while one waits for the bus", () => {
    const first = started();
    first.run(["10 03", "2a 03 01"]);
    first.after(ms(50));
    const second = new VehicleBench();
    second.world.restore(first.world.snapshot());
    first.after(ms(500));
    second.after(ms(500));
    expect(framesOf(second, 0x5e8)).toEqual(framesOf(first, 0x5e8));
    expect(framesOf(first, 0x5e8).length).toBeGreaterThan(8);
  });
});
