import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import type { TraceEvent } from "../../../emulator/kernel/trace.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { image, ZoneBench, type ZoneOptions } from "./support/zone-bench.ts";

const NEW = image("ECU_011", "2.0.0");

function powered(options: ZoneOptions = {}): ZoneBench {
  const bench = new ZoneBench(options);
  for (const { ecu } of bench.seats) ecu.powerOn();
  bench.run(ms(400));
  return bench;
}

/** The requests that ECU_011 saw, cut to their first bytes. */
const requests = (bench: ZoneBench, length = 4): string[] =>
  [...bench.world.trace.events()]
    .filter((event): event is TraceEvent & { type: "uds.request" } => event.type === "uds.request")
    .filter(({ source }) => source === "ECU_011")
    .map(({ data }) => toHex(data.subarray(0, length)));

function expectUpdatable(bench: ZoneBench): void {
  expect(bench.do("ECU_011", { type: "program", image: NEW })).toEqual({ type: "programmed" });
  expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
}

describe("an update through a zonal gateway", () => {
  it.each([{ fd: false }, { fd: true }])("brings new software into a virtual ECU (CAN FD: $fd)", ({ fd }) => {
    const bench = powered({ fd });
    expect(bench.do("ECU_011", { type: "identify" })).toEqual({
      type: "identified",
      version: "1.0.0",
      serial: "ECU_011-0001",
      hardwareVersion: "1.0.0",
    });
    expect(bench.do("ECU_011", { type: "program", image: NEW })).toEqual({ type: "programmed" });
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0" });
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(bench.do("ECU_011", { type: "commit" })).toEqual({ type: "committed" });
    expect(bench.do("ECU_011", { type: "release" })).toEqual({ type: "released" });
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "2.0.0", bank: "B" });
    expect(bench.said.filter(({ output }) => output.type === "noted")).toEqual([]);
    expect(bench.lost).toEqual([]);
  });

  it("asks in the order of the programming sequence", () => {
    const bench = powered();
    bench.do("ECU_011", { type: "program", image: NEW });
    bench.do("ECU_011", { type: "activate" });
    const seen = requests(bench).filter((request, index, all) => request !== all[index - 1]);
    expect(seen).toEqual([
      "22f193",
      "1003",
      "8502",
      "280301",
      "2701",
      expect.stringMatching(/^2702/),
      "1002",
      "2701",
      expect.stringMatching(/^2702/),
      "2ef15b26",
      "3101ff00",
      "34004480",
      expect.stringMatching(/^3601/),
      expect.stringMatching(/^3602/),
      expect.stringMatching(/^3603/),
      expect.stringMatching(/^3604/),
      expect.stringMatching(/^3605/),
      expect.stringMatching(/^3606/),
      expect.stringMatching(/^3607/),
      "37",
      "3101ff02",
      "22f195",
      "3101ff01",
      "1101",
      "22f195",
    ]);
  });

  it("programs two ECUs of one bus at the same time over one connection", () => {
    const bench = powered();
    bench.tell("ECU_011", { type: "program", image: NEW });
    bench.tell("ECU_012", { type: "program", image: image("ECU_012", "3.1.4") });
    expect(bench.ending("ECU_011", 0)).toEqual({ type: "programmed" });
    expect(bench.ending("ECU_012", 0)).toEqual({ type: "programmed" });
    expect(bench.do("ECU_012", { type: "activate" })).toEqual({ type: "activated", version: "3.1.4" });
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("keeps the session of a programmed ECU alive for as long as it has to wait", () => {
    const bench = powered();
    bench.do("ECU_011", { type: "program", image: NEW });
    bench.run(s(60));
    expect(requests(bench).filter((request) => request === "3e80")).toHaveLength(29);
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(requests(bench).filter((request) => request === "1002")).toHaveLength(1);
  });

  it("enters the programming session again when the ECU has left it before activation", () => {
    const bench = powered();
    bench.do("ECU_011", { type: "program", image: NEW });
    bench.seat("ECU_011").ecu.powerOff();
    bench.run(s(1));
    bench.seat("ECU_011").ecu.powerOn();
    bench.run(s(1));
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("activates after all when the first try met an ECU that was starting", () => {
    const bench = powered();
    bench.do("ECU_011", { type: "program", image: NEW });
    bench.seat("ECU_011").ecu.powerOff();
    bench.run(s(1));
    bench.seat("ECU_011").ecu.powerOn();
    bench.run(ms(50));
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("activates after all when the ECU lost power between the question and the answer", () => {
    const bench = powered();
    bench.do("ECU_011", { type: "program", image: NEW });
    bench.tell("ECU_011", { type: "activate" });
    bench.runToRequest("ECU_011", "3101ff01");
    bench.seat("ECU_011").ecu.powerOff();
    bench.run(ms(100));
    bench.seat("ECU_011").ecu.powerOn();
    expect(bench.ending("ECU_011", 1)).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("goes back to the old software when it is told to", () => {
    const bench = powered();
    expectUpdatable(bench);
    expect(bench.do("ECU_011", { type: "revert" })).toEqual({ type: "reverted", version: "1.0.0" });
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0", bank: "A" });
  });

  it("answers a revert with what runs when there is nothing to go back to", () => {
    const bench = powered();
    expect(bench.do("ECU_011", { type: "revert" })).toEqual({ type: "reverted", version: "1.0.0" });
  });

  it("is the same when it goes on from a snapshot taken in the middle of the transfer", () => {
    const bench = powered();
    bench.tell("ECU_011", { type: "program", image: NEW });
    bench.runToRequest("ECU_011", "3604");
    const fork = new ZoneBench();
    fork.world.restore(bench.world.snapshot());
    for (const each of [bench, fork]) {
      expect(each.ending("ECU_011", 0)).toEqual({ type: "programmed" });
      expect(each.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    }
    expect(toHex(fork.world.trace.bytes())).toBe(toHex(bench.world.trace.bytes()));
  });
});

describe("an update through a zonal gateway when something fails", () => {
  it("sends a block again, with its counter, when a consecutive frame of it was lost", () => {
    const bench = powered();
    bench.link.arm({ fault: "drop", direction: "transmit", nPdu: "CF", occurrence: 700 });
    expectUpdatable(bench);
    const blocks = requests(bench, 2).filter((request) => request.startsWith("36"));
    expect(blocks).toEqual(["3601", "3602", "3603", "3604", "3605", "3606", "3607"]); // the broken one was never whole
    expect(bench.said.filter(({ output }) => output.type === "failed")).toEqual([]);
  });

  it("sends a block again when its answer was lost, and the ECU takes it once only", () => {
    const bench = powered({ behaviours: [] });
    bench.seat("ECU_011").ecu.misbehave({ name: "noResponse", sid: 0x36, atBlock: 3 });
    expectUpdatable(bench);
    const blocks = requests(bench, 2).filter((request) => request.startsWith("36"));
    expect(blocks).toEqual(["3601", "3602", "3603", "3603", "3604", "3605", "3606", "3607"]);
  });

  it("starts over after a programming failure and never sends the next block", () => {
    const bench = powered({ behaviours: [{ name: "negativeResponse", sid: 0x36, nrc: 0x72, atBlock: 2 }] });
    expectUpdatable(bench);
    const sequence = requests(bench, 2).filter((request) => /^(36|1003|1002)/.test(request));
    expect(sequence.slice(0, 6)).toEqual(["1003", "1002", "3601", "3602", "1003", "1002"]);
  });

  it("gives up a block that can't be programmed, with the ECU's own reason, and the ECU still runs its old software", () => {
    const behaviours = [{ name: "negativeResponse", sid: 0x36, nrc: 0x72, atBlock: 2, times: 3 }] as const;
    const bench = powered({ behaviours });
    expect(bench.do("ECU_011", { type: "program", image: NEW })).toMatchObject({
      type: "failed",
      phase: "transfer",
      error: { code: "NRC_GENERAL_PROGRAMMING_FAILURE", sid: 0x36, nrc: 0x72 },
    });
    expect(requests(bench, 2)).not.toContain("3603");
    bench.do("ECU_011", { type: "release" });
    expect(bench.do("ECU_011", { type: "identify" })).toMatchObject({ version: "1.0.0" });
    expectUpdatable(bench);
  });

  it("starts over when the ECU lost power in the middle of the transfer", () => {
    const bench = powered();
    bench.tell("ECU_011", { type: "program", image: NEW });
    bench.runToRequest("ECU_011", "3604");
    bench.run(ms(40));
    bench.seat("ECU_011").ecu.powerOff();
    bench.run(s(1));
    bench.seat("ECU_011").ecu.powerOn();
    expect(bench.ending("ECU_011", 0)).toEqual({ type: "programmed" });
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("starts over when the gateway lost power in the middle of the transfer", () => {
    const bench = powered();
    bench.tell("ECU_011", { type: "program", image: NEW });
    bench.runToRequest("ECU_011", "3604");
    bench.run(ms(40));
    bench.gateway.powerOff();
    bench.run(s(1));
    bench.gateway.powerOn();
    expect(bench.ending("ECU_011", 0)).toEqual({ type: "programmed" });
    expect(bench.lost).toEqual(["DOIP_ACKNOWLEDGE_TIMEOUT"]);
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("gives up an ECU that never comes back", () => {
    const bench = powered();
    bench.tell("ECU_011", { type: "program", image: NEW });
    bench.runToRequest("ECU_011", "3604");
    bench.run(ms(40));
    bench.seat("ECU_011").ecu.powerOff();
    expect(bench.ending("ECU_011", 0)).toMatchObject({ type: "failed", phase: "session" });
    expect(bench.now).toBeLessThan(s(60));
  });

  it("reports the software that really runs when the new one crashes", () => {
    const bench = powered({ behaviours: [{ name: "crashOnTrial" }] });
    expect(bench.do("ECU_011", { type: "program", image: NEW })).toEqual({ type: "programmed" });
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "1.0.0" });
  });

  it("does not let an image through whose code was changed, and says what the ECU said", () => {
    const bench = powered();
    const broken = NEW.slice();
    broken[5000] = (broken[5000] as number) ^ 1;
    expect(bench.do("ECU_011", { type: "program", image: broken })).toMatchObject({
      type: "failed",
      phase: "check",
      error: { code: "UPDATE_CHECK_FAILED" },
    });
    bench.do("ECU_011", { type: "release" });
    expectUpdatable(bench);
  });

  it("refuses an image for another ECU before it asks the ECU anything", () => {
    const bench = powered();
    expect(bench.do("ECU_011", { type: "program", image: image("ECU_012", "2.0.0") })).toMatchObject({
      type: "failed",
      error: { code: "UPDATE_IMAGE_FOR_OTHER_ECU" },
    });
    expect(requests(bench)).toEqual([]);
  });

  it("makes blocks shorter when the ECU has no room for a whole one", () => {
    const bench = powered({ updater: { messageMax: 1026 } });
    expectUpdatable(bench);
    const blocks = requests(bench, 2).filter((request) => request.startsWith("36"));
    expect(blocks).toHaveLength(Math.ceil(NEW.length / 1024));
  });
});
