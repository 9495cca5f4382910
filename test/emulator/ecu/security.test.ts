import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { bytes, EcuBench } from "./support/ecu-bench.ts";

const WRONG = "27 02 00 00 00 00";

/** One wrong key in the extended session. */
function guess(bench: EcuBench): string {
  bench.ask("10 03");
  const seed = bench.ask("27 01");
  return seed.startsWith("67") ? bench.ask(WRONG) : seed;
}

function powerCycle(bench: EcuBench): void {
  bench.powerOff();
  bench.powerOn();
}

describe("the count of wrong keys", () => {
  it.each([
    [
      "a reset",
      (bench: EcuBench) => {
        bench.ask("11 01");
        bench.untilRunning();
      },
    ],
    ["a power cut", powerCycle],
  ])("is kept over %s", (_, between) => {
    const bench = EcuBench.running();
    const answers = [0, 1, 2].map(() => {
      const answer = guess(bench);
      between(bench);
      return answer;
    });
    expect(answers).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
  });

  it("begins anew with the right key", () => {
    const bench = EcuBench.running();
    guess(bench);
    guess(bench);
    bench.ask("10 03");
    expect(bench.unlock()).toBe("67 02");
    powerCycle(bench);
    expect([guess(bench), guess(bench), guess(bench)]).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
  });

  it("goes up even when the power is cut before the answer to the key", () => {
    const bench = EcuBench.running();
    for (let round = 0; round < 3; round++) {
      bench.ask("10 03");
      bench.ask("27 01");
      expect(bench.send(WRONG)).toEqual([]);
      bench.after(ms(1.5));
      powerCycle(bench);
    }
    bench.ask("10 03");
    expect(bench.ask("27 01")).toBe("7f 27 37");
  });

  it("tells nothing about the key before it is stored", () => {
    const answersIn = (key: (bench: EcuBench) => unknown): readonly string[] => {
      const bench = EcuBench.running();
      bench.ask("10 03");
      key(bench);
      return bench.responses;
    };
    const right = answersIn((bench) => {
      const seed = bytes(bench.ask("27 01")).subarray(2);
      const mixed = (new DataView(seed.buffer, seed.byteOffset).getUint32(0) ^ 0xabcd1234) >>> 0;
      const key = (((mixed << 16) | (mixed >>> 16)) ^ 0x5a5a5a5a) >>> 0;
      bench.send(`27 02 ${key.toString(16).padStart(8, "0")}`);
      bench.after(ms(0.9));
    });
    const wrong = answersIn((bench) => {
      bench.ask("27 01");
      bench.send(WRONG);
      bench.after(ms(0.9));
    });
    expect(right.length).toBe(2);
    expect(wrong.length).toBe(2);
  });
});

describe("the delay after too many wrong keys", () => {
  const locked = (): EcuBench => {
    const bench = EcuBench.running();
    expect([guess(bench), guess(bench), guess(bench)]).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
    return bench;
  };

  it("begins anew at each start while it has not run out", () => {
    const bench = locked();
    bench.after(s(9));
    powerCycle(bench);
    bench.ask("10 03");
    expect(bench.ask("27 01")).toBe("7f 27 37");
    bench.after(s(9));
    bench.ask("10 03");
    expect(bench.ask("27 01")).toBe("7f 27 37");
    bench.after(s(2));
    bench.ask("10 03");
    expect(bench.unlock()).toBe("67 02");
  });

  it("does not come back once it has run out", () => {
    const bench = locked();
    bench.after(s(11));
    powerCycle(bench);
    expect([guess(bench), guess(bench), guess(bench)]).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
  });

  it("goes on in a fork", () => {
    const bench = locked();
    bench.after(s(4));
    const fork = new EcuBench(bench.config, "not used");
    fork.world.restore(bench.world.snapshot());
    for (const each of [bench, fork]) {
      each.after(s(5));
      each.ask("10 03");
      expect(each.ask("27 01")).toBe("7f 27 37");
      each.after(s(2));
      expect(guess(each)).toBe("7f 27 35");
    }
  });
});
