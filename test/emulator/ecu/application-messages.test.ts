import { describe, expect, it } from "vitest";
import { Dtc } from "../../../emulator/ecu/dtc-config.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { CanFlag } from "../../../emulator/wire/can-frame.ts";
import { EcuBench, image, smallEcu } from "./support/ecu-bench.ts";
import { VehicleBench } from "./support/vehicle-bench.ts";

const CYCLIC = { id: 0x120, extended: false, period: ms(100), data: Uint8Array.of(0xaa, 0x55) };
const SUPERVISED = { id: 0x220, extended: false, timeout: ms(500), dtc: Dtc.GatewayLost };

const ecu = (nodeIdentificationNumber = 0x000b): EcuBench =>
  EcuBench.running(smallEcu({ messages: { cyclic: [CYCLIC], supervised: [SUPERVISED], nodeIdentificationNumber } }));

/** How many messages the application sends in that second. */
function sentInASecond(bench: EcuBench): number {
  const before = bench.broadcasts.length;
  bench.after(s(1));
  return bench.broadcasts.length - before;
}

const frame = (bench: EcuBench, id: number, flags = 0): void =>
  bench.push({ type: "frame", frame: { id, flags, data: Uint8Array.of(1) } });

const gatewayLost = (bench: EcuBench): string => bench.ask("19 09 c1 46 87").slice(-2);

describe("a cyclic message", () => {
  it("comes every period while the application runs, with a counter", () => {
    const bench = ecu();
    const begin = bench.now / 1_000_000;
    bench.after(ms(320));
    expect(bench.broadcasts).toEqual([
      `${begin + 100} 120 00 aa 55`,
      `${begin + 200} 120 01 aa 55`,
      `${begin + 300} 120 02 aa 55`,
    ]);
    bench.after(s(30));
    expect(bench.broadcasts.at(255)).toMatch(/ 120 ff aa 55$/);
    expect(bench.broadcasts.at(256)).toMatch(/ 120 00 aa 55$/);
  });

  it("stops with a reset and begins again when the application runs", () => {
    const bench = ecu();
    bench.after(ms(150));
    bench.ask("11 01");
    const sent = bench.broadcasts.length;
    bench.untilRunning();
    expect(bench.broadcasts).toHaveLength(sent);
    bench.after(ms(100));
    expect(bench.broadcasts.at(-1)).toMatch(/ 120 00 aa 55$/);
  });

  it("does not come from a bootloader, nor from an application that hangs", () => {
    const empty = new EcuBench(smallEcu({ messages: { cyclic: [CYCLIC] } }));
    empty.powerOn();
    expect(empty.core.running).toMatchObject({ bank: "none" });
    expect(sentInASecond(empty)).toBe(0);
    const config = smallEcu({ messages: { cyclic: [CYCLIC] }, behaviours: [{ name: "crashOnTrial" }] });
    const bench = EcuBench.running(config);
    bench.enterProgramming();
    bench.download(image("1.1.0"));
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    bench.untilRunning();
    const before = bench.broadcasts.length;
    bench.after(ms(400));
    expect(bench.broadcasts).toHaveLength(before);
  });

  it("is not there unless it is configured", () => {
    expect(sentInASecond(EcuBench.running())).toBe(0);
  });
});

describe("a supervised message", () => {
  it("is missed when it does not come in time, twice in a row until that is a fault", () => {
    const bench = ecu();
    bench.after(ms(999));
    expect(bench.ask("19 14")).toBe("59 14 c1 46 87 40");
    bench.after(ms(1));
    expect(gatewayLost(bench)).toBe("2f");
  });

  it("is not missed while it comes, and heals the fault when it comes again", () => {
    const bench = ecu();
    for (let time = 0; time < 20; time++) {
      bench.after(ms(499));
      frame(bench, 0x220);
      frame(bench, 0x221);
    }
    expect(gatewayLost(bench)).toBe("00");
    bench.after(s(2));
    expect(gatewayLost(bench)).toBe("2f");
    frame(bench, 0x220);
    frame(bench, 0x220);
    expect(gatewayLost(bench)).toBe("2e");
  });

  it("is not one with the same number in 29 bits", () => {
    const bench = ecu();
    bench.after(ms(900));
    frame(bench, 0x220, CanFlag.Extended);
    bench.after(ms(100));
    expect(gatewayLost(bench)).toBe("2f");
  });
});

describe("0x28 CommunicationControl", () => {
  const started = (): EcuBench => {
    const bench = ecu();
    bench.ask("10 03");
    return bench;
  };

  it.each<readonly [string, number]>([
    ["28 01 01", 0],
    ["28 03 01", 0],
    ["28 03 03", 0],
    ["28 03 f1", 0],
    ["28 04 01 00 0b", 0],
    ["28 00 01", 10],
    ["28 02 01", 10],
    ["28 03 02", 10], // network management only
    ["28 05 03 00 0b", 10],
  ])("with %s the application sends %i messages a second", (request, count) => {
    const bench = started();
    expect(bench.ask(request)).toBe(`68 ${request.slice(3, 5)}`);
    expect(sentInASecond(bench)).toBe(count);
  });

  it("is taken back by 28 00 and 28 05", () => {
    const bench = started();
    bench.ask("28 03 01");
    expect(sentInASecond(bench)).toBe(0);
    bench.ask("28 00 01");
    expect(sentInASecond(bench)).toBe(10);
    bench.ask("28 04 01 00 0b");
    expect(sentInASecond(bench)).toBe(0);
    bench.ask("28 05 01 00 0b");
    expect(sentInASecond(bench)).toBe(10);
  });

  it("stops supervision with reception: what is not received is not missed", () => {
    const bench = started();
    bench.ask("28 02 01");
    for (let time = 0; time < 5; time++) {
      bench.after(s(1));
      bench.ask("3e 00");
    }
    expect(gatewayLost(bench)).toBe("50");
    bench.ask("28 00 01");
    bench.after(s(1));
    expect(gatewayLost(bench)).toBe("2f");
  });

  it("lasts from one non-default session to another, and ends with 10 01", () => {
    const bench = started();
    bench.ask("28 03 01");
    bench.ask("10 02");
    expect(sentInASecond(bench)).toBe(0);
    bench.ask("10 01");
    expect(sentInASecond(bench)).toBe(10);
  });

  it("ends with S3, and with a reset", () => {
    const bench = started();
    bench.ask("28 83 01");
    bench.after(s(5));
    expect(sentInASecond(bench)).toBe(10);
    bench.ask("10 03");
    bench.ask("28 03 01");
    bench.ask("11 01");
    bench.untilRunning();
    expect(sentInASecond(bench)).toBe(10);
  });

  it.each<readonly [string, string]>([
    ["28", "7f 28 13"],
    ["28 06 01", "7f 28 12"],
    ["28 00", "7f 28 13"],
    ["28 00 01 00", "7f 28 13"],
    ["28 04 01", "7f 28 13"],
    ["28 04 01 00 0b 00", "7f 28 13"],
    ["28 00 00", "7f 28 31"],
    ["28 00 05", "7f 28 31"],
    ["28 00 11", "7f 28 31"],
    ["28 04 01 00 0c", "7f 28 31"],
    ["28 05 01 00 00", "7f 28 31"],
  ])("answers %s with %s", (request, response) => {
    expect(started().ask(request)).toBe(response);
  });

  it("is not there in the default session, and comes by functional requests too", () => {
    const bench = ecu();
    expect(bench.ask("28 03 01")).toBe("7f 28 7f");
    bench.ask("10 03");
    expect(bench.send("28 83 01", true)).toEqual([]);
    expect(sentInASecond(bench)).toBe(0);
  });
});

describe("an application on a bus", () => {
  const messages = { cyclic: [CYCLIC, { ...CYCLIC, id: 0x121 }], supervised: [SUPERVISED] };

  it("shares the node with diagnostics: an update goes on beside its messages", () => {
    const bench = new VehicleBench({ messages });
    bench.ecu.provision(image("1.0.0"));
    bench.ecu.powerOn();
    bench.after(s(1));
    expect(bench.run(["22 f1 90", "10 03", "28 03 01", "3e 00"])).toEqual([
      "62 f1 90 4b 4d 48 58 58 30 30 58 58 58 58 30 30 30 30 30 31",
      "50 03 00 32 01 f4",
      "68 03",
      "7e 00",
    ]);
    const seen = () =>
      [...bench.world.trace.events()].filter((event) => event.type === "can.frame" && event.id < 0x200);
    const before = seen().length;
    expect(before).toBeGreaterThanOrEqual(14);
    bench.after(s(1));
    expect(seen()).toHaveLength(before);
    expect(bench.run(["28 00 01"])).toEqual(["68 00"]);
    bench.after(ms(1050));
    expect(seen()).toHaveLength(before + 20);
  });

  it("sends nothing without power, and begins again with it", () => {
    const bench = new VehicleBench({ messages });
    bench.ecu.provision(image("1.0.0"));
    bench.ecu.powerOn();
    bench.after(s(1));
    bench.ecu.powerOff();
    const frames = () => [...bench.world.trace.events()].filter((event) => event.type === "can.frame").length;
    const before = frames();
    bench.after(s(1));
    expect(frames()).toBe(before);
    bench.ecu.powerOn();
    bench.after(s(1));
    expect(frames()).toBeGreaterThan(before);
  });

  it("leaves a message out while the one before it waits for the bus", () => {
    const bench = new VehicleBench({ messages: { cyclic: [{ ...CYCLIC, id: 0x7ff, period: ms(1) }] } });
    bench.ecu.provision(image("1.0.0"));
    bench.ecu.powerOn();
    const busy = bench.bus.join("busy");
    const again = (): void => busy.transmit({ id: 1, flags: 0, data: new Uint8Array(8) });
    busy.attach({ received: () => undefined, transmitted: again, aborted: () => undefined });
    again();
    bench.after(s(1));
    expect(bench.ecu.save().shared).toMatchObject({ inFlight: { frame: { id: 0x7ff } }, waiting: [] });
  });

  it("goes on alike after it was forked", () => {
    const make = (): VehicleBench => new VehicleBench({ messages });
    const [one, other] = [make(), make()];
    one.ecu.provision(image("1.0.0"));
    one.ecu.powerOn();
    one.after(ms(1050.1)); // a message is on the bus
    other.world.restore(one.world.snapshot());
    for (const bench of [one, other]) bench.after(s(2));
    expect([...other.world.trace.events()]).toEqual([...one.world.trace.events()]);
  });
});
