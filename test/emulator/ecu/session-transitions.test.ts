import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { EcuBench, hex, smallEcu } from "./support/ecu-bench.ts";

const CONFIG = smallEcu({
  data: { ...smallEcu().data, periodicTxId: 0x5e8 },
  messages: { cyclic: [{ id: 0x123, extended: false, period: ms(10), data: new Uint8Array(0) }], supervised: [] },
  uds: {
    authentication: { services: [], challengeResponse: { type: "symmetric", key: new Uint8Array(32) } },
  },
});

/** All that may be under way in a session. */
interface Standing {
  readonly session: number;
  readonly unlocked: boolean;
  readonly periodic: readonly string[];
  readonly defined: number;
  readonly bitRate: number | undefined;
  readonly events: number;
  readonly sends: boolean;
  readonly dtcSetting: boolean;
  readonly controlled: boolean;
}

/** In the extended session, with all of that. */
function busy(): EcuBench {
  const bench = EcuBench.running(CONFIG);
  bench.ask("10 03");
  const asked = [
    bench.unlock(),
    bench.ask("2a 01 01 02"),
    bench.ask("2c 01 f3 01 f1 90 01 03"),
    bench.ask("87 01 11"),
    bench.ask("87 03"),
    bench.ask("86 02 02 01 22 f1 86"),
    bench.ask("86 05 02"),
    bench.ask("28 03 01"),
    bench.ask("85 02"),
    bench.ask("2f 9b 00 03 3c"),
  ];
  expect(asked.filter((answer) => answer.startsWith("7f"))).toEqual([]);
  return bench;
}

function standing(bench: EcuBench): Standing {
  const { memory } = bench.core.save().server;
  const { session, unlocked } = memory;
  const heard = bench.broadcasts.length;
  for (let missed = 0; missed < 2; missed++) bench.push({ type: "tested", dtc: DTC, failed: true });
  const dtcSetting = bench.ask(`19 02 01`).includes(DTC_TEXT);
  bench.after(ms(30));
  return {
    session,
    unlocked,
    periodic: memory.periodic.map(({ did }) => did.toString(16)),
    defined: memory.dynamic.length,
    bitRate: memory.link.bitRate,
    events: memory.events.filter(({ active }) => active !== undefined).length,
    sends: bench.broadcasts.length > heard,
    dtcSetting,
    controlled: bench.ask("22 9b 00") === "62 9b 00 3c",
  };
}

const DTC = 0xc14687;
const DTC_TEXT = hex(Uint8Array.of(0xc1, 0x46, 0x87));

const ALL: Standing = {
  session: 3,
  unlocked: true,
  periodic: ["f201", "f202"],
  defined: 1,
  bitRate: 250_000,
  events: 1,
  sends: false,
  dtcSetting: false,
  controlled: true,
};
/** What every transition ends, also one into the session that is active. */
const RELOCKED: Standing = { ...ALL, unlocked: false, periodic: ["f201"], events: 0 };
const DEFAULT: Standing = {
  ...RELOCKED,
  session: 1,
  periodic: [],
  bitRate: undefined,
  sends: true,
  dtcSetting: true,
  controlled: false,
};

describe("what a session leaves behind", () => {
  it.each<readonly [string, (bench: EcuBench) => void, Standing]>([
    ["nothing happens", () => undefined, ALL],
    ["10 03, the session that is active", (bench) => bench.ask("10 03"), RELOCKED],
    [
      "10 02, another one, where nothing can be controlled",
      (bench) => bench.ask("10 02"),
      { ...RELOCKED, session: 2, controlled: false },
    ],
    ["10 01", (bench) => bench.ask("10 01"), DEFAULT],
    ["S3 runs out", (bench) => bench.after(s(5)), DEFAULT],
    ["a refused 10 04", (bench) => bench.ask("10 04"), ALL],
    [
      "a reset, which also forgets definitions",
      (bench) => {
        bench.ask("11 01");
        bench.untilRunning();
      },
      { ...DEFAULT, defined: 0 },
    ],
    [
      "a power cut, which also forgets definitions",
      (bench) => {
        bench.powerOff();
        bench.powerOn();
      },
      { ...DEFAULT, defined: 0 },
    ],
  ])("when %s", (_, happens, expected) => {
    const bench = busy();
    happens(bench);
    expect(standing(bench)).toEqual(expected);
  });

  it("is not changed by a functional keep-alive, which holds S3", () => {
    const bench = busy();
    for (let second = 0; second < 20; second++) {
      bench.send("3e 80", true);
      bench.after(s(1));
    }
    expect(standing(bench)).toEqual(ALL);
  });
});

describe("a transition", () => {
  const TABLE = [
    ["01", "01", "50 01"],
    ["01", "02", "7f 10 7e"],
    ["01", "03", "50 03"],
    ["02", "01", "50 01"],
    ["02", "02", "50 02"],
    ["02", "03", "50 03"],
    ["03", "01", "50 01"],
    ["03", "02", "50 02"],
    ["03", "03", "50 03"],
  ] as const;

  it.each(TABLE)("from session %s to session %s is answered %s", (from, to, answer) => {
    const bench = EcuBench.running();
    if (from !== "01") bench.ask("10 03");
    if (from === "02") bench.ask("10 02");
    expect(bench.ask(`10 ${to}`).startsWith(answer)).toBe(true);
    const session = answer.startsWith("50") ? to : from;
    expect(bench.ask("22 f1 86")).toBe(`62 f1 86 ${session}`);
  });

  it.each(["10 01", "10 02", "10 03"])("of %s ends a download, an upload and a file", (request) => {
    for (const begin of ["34 00 44 800d2000 00001000", "35 00 14 70 00 00 00 10", "38 01 00 02 2f 61 00 01 02 02"]) {
      const bench = EcuBench.running();
      bench.enterProgramming();
      bench.ask("31 01 ff 00");
      expect(bench.ask(begin)).not.toMatch(/^7f/);
      bench.ask(request);
      bench.ask("10 03");
      bench.ask("10 02");
      bench.unlock();
      expect(bench.ask("36 01 00")).toBe("7f 36 24");
      expect(bench.ask("37")).toBe("7f 37 24");
    }
  });

  it("of S3 ends a download as well", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.ask("31 01 ff 00");
    bench.ask("34 00 44 800d2000 00001000");
    bench.after(s(5));
    bench.enterProgramming();
    expect(bench.ask("36 01 00")).toBe("7f 36 24");
  });
});

describe("a tester that never goes on", () => {
  it("leaves nothing behind with 10 000 downloads that are begun and not carried out", () => {
    const bench = EcuBench.running();
    bench.enterProgramming();
    bench.ask("31 01 ff 00");
    const sizeOf = () =>
      JSON.stringify({ server: bench.core.save().server, programming: bench.core.save().programming }).length;
    let first = 0;
    for (let count = 0; count < 10_000; count++) {
      const again = count % 100 === 0;
      if (again) bench.enterProgramming();
      expect(bench.send("34 00 44 800d2000 00001000")).toEqual([again ? "74 20 0f e2" : "7f 34 22"]);
      if (count === 0) first = sizeOf();
      if (again) bench.world.trace.load({ bytes: new Uint8Array(0), count: 0 });
    }
    expect(sizeOf()).toBeLessThanOrEqual(first);
    expect(bench.ask("36 01 00")).toBe("76 01");
  });
});
