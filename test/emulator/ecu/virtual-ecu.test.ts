import { describe, expect, it } from "vitest";
import { normalFixed } from "../../../emulator/isotp/addressing.ts";
import { fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, s, toSeconds } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { ADDRESS, code, image } from "./support/ecu-bench.ts";
import { updateScript, VehicleBench } from "./support/vehicle-bench.ts";

const BEFORE = image("1.0.0");
const AFTER = image("1.1.0", { code: code("a real size", 60_000) });
const F195 = (version: string): string =>
  `62 f1 95 ${toHex(new TextEncoder().encode(version)).replaceAll(/(..)(?!$)/g, "$1 ")}`;

function started(...given: ConstructorParameters<typeof VehicleBench>): VehicleBench {
  const bench = new VehicleBench(...given);
  bench.ecu.provision(BEFORE);
  bench.ecu.powerOn();
  bench.after(s(1));
  return bench;
}

describe("a virtual ECU on a bus", () => {
  it("takes a whole update on classic CAN and confirms it", () => {
    const bench = started();
    const begin = bench.now;
    const answers = bench.run(updateScript(AFTER));
    expect(answers.filter((answer) => answer.startsWith("7f"))).toEqual([]);
    expect(answers.slice(-4)).toEqual(["77", "71 01 ff 02 00", "71 01 ff 01 00", "51 01"]);
    // 64,096 bytes: erase 8 sectors (2 s), program 0.6 s, bus 2.2 s
    expect(toSeconds((bench.now - begin) as Instant)).toBeGreaterThan(4.5);
    expect(toSeconds((bench.now - begin) as Instant)).toBeLessThan(5.5);
    bench.after(s(3));
    expect(bench.run(["22 f1 95", "22 f1 5b"])).toEqual([F195("1.1.0"), "62 f1 5b 20 26 11 21"]);
    expect(bench.ecu.running).toMatchObject({ bank: "B", version: "1.1.0" });
    expect(bench.ecu.metadata.banks.B.status).toBe("valid");
  });

  it("takes it on CAN FD with 29-bit identifiers as well", () => {
    const address = {
      txId: normalFixed(0xf1, 0x15),
      rxId: normalFixed(0x15, 0xf1),
      extended: true,
      functionalRxId: normalFixed(0x33, 0xf1, true),
    };
    const bench = started({ isotp: fdIsoTp(address) }, 2_000_000);
    const answers = bench.run(updateScript(AFTER));
    expect(answers.at(-1)).toBe("51 01");
    bench.after(s(1));
    expect(bench.run(["22 f1 95"])).toEqual([F195("1.1.0")]);
  });

  it("answers a reset first and is then silent until it has started", () => {
    const bench = started();
    expect(bench.run(["10 03", "11 01"])).toEqual(["50 03 00 32 01 f4", "51 01"]);
    expect(bench.ecu.running).toBeUndefined();
    expect(bench.run(["22 f1 86"], ms(200))).toEqual([]);
    bench.after(s(1));
    expect(bench.run(["22 f1 86"])).toEqual(["62 f1 86 01"]);
  });

  it("neither answers nor acknowledges without power, and answers again when it is back", () => {
    const bench = started();
    bench.ecu.powerOff();
    expect(bench.ecu.powered).toBe(false);
    expect(bench.run(["3e 00"], s(2))).toEqual([]);
    bench.ecu.powerOn();
    bench.ecu.powerOn();
    bench.after(s(1));
    expect(bench.run(["3e 00"])).toEqual(["7e 00"]);
  });

  it("keeps its session while a request longer than S3 comes in, and loses it after one that broke off", () => {
    const bench = started({ isotp: { ...ADDRESS, stMin: ms(127) } });
    const sessions = () =>
      [...bench.world.trace.events()].flatMap((event) =>
        event.type === "uds.session" ? [[event.from, event.to]] : [],
      );
    bench.run(["10 03"]);
    const begin = bench.now;
    expect(bench.run([`2e f1 90 ${"00".repeat(400)}`, "22 f1 86"])).toEqual(["7f 2e 31", "62 f1 86 03"]);
    expect(toSeconds((bench.now - begin) as Instant)).toBeGreaterThan(5);
    bench.tester.begin([`2e f1 90 ${"00".repeat(400)}`]);
    bench.after(s(4));
    bench.testerNode.reset();
    bench.after(s(5));
    expect(sessions()).toEqual([[1, 3]]);
    bench.after(s(1.2)); // N_Cr, then S3
    expect(sessions()).toEqual([
      [1, 3],
      [3, 1],
    ]);
  });

  it("loses power in the middle of a response without finishing it", () => {
    const bench = started();
    bench.tester.begin(["22 f1 90"]);
    bench.after(ms(0.7)); // request, first frame, flow control
    bench.ecu.powerOff();
    bench.after(s(3));
    expect(bench.tester.answers).toEqual(["receiving failed: N_TIMEOUT_Cr"]);
  });

  it("misbehaves as it is told: a block that can't be programmed, a request without answer", () => {
    const bench = started({ behaviours: [{ name: "negativeResponse", sid: 0x36, nrc: 0x72, atBlock: 3 }] });
    bench.ecu.misbehave({ name: "noResponse", sid: 0x3e, occurrence: 2 });
    const answers = bench.run(updateScript(AFTER));
    expect(answers.filter((answer) => answer.startsWith("7f"))[0]).toBe("7f 36 72");
    expect(answers.filter((answer) => answer.startsWith("76"))).toEqual(["76 01", "76 02"]);
    bench.after(s(1));
    expect(bench.run(["3e 00", "3e 00", "3e 00"], s(1))).toEqual(["7e 00"]);
    expect(bench.run(["3e 00"])).toEqual(["7e 00"]);
    expect(bench.run(updateScript(AFTER)).at(-1)).toBe("51 01"); // once only
  });
});

describe("a fork", () => {
  it("in the middle of a transfer goes the same way as the run it was taken of, byte for byte", () => {
    const original = started();
    original.tester.begin(updateScript(AFTER));
    original.after(s(3.3)); // after the erase
    const answered = original.tester.answers.filter((answer) => answer.startsWith("76")).length;
    expect(answered).toBeGreaterThan(2);
    expect(answered).toBeLessThan(14);
    const snapshot = original.world.snapshot();
    const fork = new VehicleBench();
    fork.world.restore(snapshot);
    for (const bench of [original, fork]) {
      bench.finish();
      bench.after(s(4));
      expect(bench.ecu.running).toMatchObject({ bank: "B", version: "1.1.0" });
    }
    expect(fork.world.trace.bytes()).toEqual(original.world.trace.bytes());
    expect(fork.ecu.save().core).toEqual(original.ecu.save().core);
    const again = new VehicleBench();
    again.world.restore(snapshot);
    again.ecu.powerOff();
    again.ecu.powerOn();
    again.after(s(1));
    expect(again.ecu.running?.version).toBe("1.0.0");
    expect(original.ecu.running?.version).toBe("1.1.0");
  });

  it("can be taken at any moment of an update", () => {
    const prng = new Prng("forks");
    const original = started();
    original.tester.begin(updateScript(AFTER));
    for (let count = 0; count < 12; count++) {
      original.after(ms(prng.below(600)));
      const fork = new VehicleBench();
      fork.world.restore(original.world.snapshot());
      fork.finish();
      fork.after(s(4));
      expect(fork.ecu.running).toMatchObject({ bank: "B", version: "1.1.0" });
    }
  });

  it("shares the flash with the run it was taken of", () => {
    const bench = started();
    const first = bench.ecu.save().core.areas.application.flash.memory.pieces;
    const second = bench.ecu.save().core.areas.application.flash.memory.pieces;
    for (const [index, piece] of first.entries()) expect(second[index]).toBe(piece);
  });
});
