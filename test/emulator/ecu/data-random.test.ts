import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { ms } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { DataBench } from "./support/data-bench.ts";
import { bytes } from "./support/ecu-bench.ts";

/** Good requests, which are then spoilt. */
const REQUESTS = [
  "22 02 00 f3 01",
  "23 14 70 00 00 00 04",
  "24 01 05",
  "2a 01 01",
  "2a 04",
  "2c 01 f3 01 f1 90 01 03",
  "2c 01 f2 80 f1 90 01 03",
  "2c 02 f3 02 14 70 00 00 10 02",
  "2c 03 f3 01",
  "2e 02 00 01 02 03 04",
  "2f 9b 00 03 3c",
  "2f 01 55 03 01 1f 40 64 a0",
  "35 00 14 70 00 00 00 10",
  "36 01",
  "36 02 61",
  "37",
  "38 01 00 02 2f 61 00 01 02 02",
  "38 02 00 02 2f 61",
  "38 04 00 02 2f 61 00",
  "38 05 00 01 2f",
  "38 06 00 02 2f 61 00 01 02 02",
  "3d 14 70 00 00 10 02 ab cd",
  "3d 14 af 10 00 10 02 ab cd",
].map(bytes);

function spoilt(prng: Prng): string {
  const request = (REQUESTS[prng.below(REQUESTS.length)] as Uint8Array).slice();
  const at = prng.below(request.length);
  switch (prng.below(5)) {
    case 0:
      return toHex(request.subarray(0, 1 + at));
    case 1:
      return toHex(request) + toHex(prng.bytes(1 + prng.below(5)));
    case 2:
      if (at > 0) request[at] = prng.below(256);
      return toHex(request);
    case 3:
      return toHex(Uint8Array.of(request[0] as number, ...prng.bytes(prng.below(20))));
    default:
      return toHex(request);
  }
}

describe("random requests to the services of data", () => {
  it.each([
    ["extended", 8],
    ["programming", 10],
  ] as const)("are each answered in the %s session, and the ECU goes on", (session, kinds) => {
    const prng = new Prng(`data ${session}`);
    const bench = DataBench.in(session, true);
    const answers = new Set<string>();
    for (let count = 0; count < 5000; count++) {
      const answer = bench.ask(spoilt(prng), ms(1000));
      answers.add(answer.slice(0, answer.startsWith("7f") ? 8 : 2));
    }
    expect(bench.ask("3e 00")).toBe("7e 00");
    expect([...answers].filter((answer) => answer.length === 2).length).toBeGreaterThanOrEqual(kinds);
  });

  it("leave no more behind than the limits allow", () => {
    const prng = new Prng("what is left");
    const bench = DataBench.in("extended", true);
    for (let count = 0; count < 3000; count++) {
      const low = prng.below(256).toString(16).padStart(2, "0");
      bench.ask(`2c 01 f${2 + prng.below(2)} ${low} f1 90 01 01`);
      bench.ask(`2a 03 ${low}`);
    }
    const { memory } = bench.core.save().server;
    expect(memory.dynamic).toHaveLength(8);
    expect(memory.dynamic.every(({ sources }) => sources.length <= 16)).toBe(true);
    expect(memory.periodic.length).toBeLessThanOrEqual(8);
  });
});
