import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { ms } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { DataBench } from "./support/data-bench.ts";

const SIDS = [0x10, 0x22, 0x23, 0x24, 0x2a, 0x2c, 0x2e, 0x2f, 0x35, 0x36, 0x37, 0x38, 0x3d];
/** Bytes that mean something somewhere, so that random requests get past the first checks. */
const TELLING = [0x00, 0x01, 0x02, 0x03, 0x04, 0x14, 0x2f, 0x61, 0x70, 0x9b, 0xaf, 0xf1, 0xf2, 0xf3, 0x90];

function randomRequest(prng: Prng): string {
  const data = prng.bytes(1 + prng.below(20));
  for (let index = 1; index < data.length; index++) {
    if (prng.below(4) > 0) data[index] = TELLING[prng.below(TELLING.length)] as number;
  }
  data[0] = SIDS[prng.below(SIDS.length)] as number;
  return toHex(data);
}

describe("random requests to the services of data", () => {
  it.each(["extended", "programming"] as const)(
    "are each answered, in the %s session, and the ECU goes on",
    (session) => {
      const prng = new Prng(`data ${session}`);
      const bench = DataBench.in(session, true);
      const answers = new Map<string, number>();
      for (let count = 0; count < 5000; count++) {
        const request = randomRequest(prng);
        const answer = bench.ask(request, ms(1000));
        const kind = answer.startsWith("7f") ? "negative" : answer.slice(0, 2);
        answers.set(kind, (answers.get(kind) ?? 0) + 1);
        if (request.startsWith("10")) {
          bench.ask("10 03");
          if (session === "programming") bench.ask("10 02");
          bench.unlock();
        }
      }
      expect(bench.ask("3e 00")).toBe("7e 00");
      expect(answers.size).toBeGreaterThan(8);
    },
  );

  it("leave no more behind than the limits allow", () => {
    const prng = new Prng("what is left");
    const bench = DataBench.in("extended", true);
    for (let count = 0; count < 3000; count++) {
      const identifier = `f${2 + prng.below(2)} ${prng.below(256).toString(16).padStart(2, "0")}`;
      bench.ask(`2c 01 ${identifier} f1 90 01 01`);
      bench.ask(`2a 03 ${identifier.slice(3)}`);
    }
    const { server } = bench.core.save();
    expect(server.memory.dynamic).toHaveLength(8);
    expect(server.memory.dynamic.every(({ sources }) => sources.length <= 16)).toBe(true);
    expect(server.memory.periodic.length).toBeLessThanOrEqual(8);
  });
});
