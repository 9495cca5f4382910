import { describe, expect, it } from "vitest";
import { FAMILY_DATA } from "../../../emulator/ecu/data-config.ts";
import { type Duration, ms, toMs } from "../../../emulator/kernel/time.ts";
import { checkRows, DataBench } from "./support/data-bench.ts";

describe("0x2C DynamicallyDefineDataIdentifier", () => {
  checkRows([
    ["defines by identifier", "default", false, "2c 01 f3 01 f1 90 01 03", "6c 01 f3 01"],
    ["defines by several", "default", false, "2c 01 f3 01 f1 90 01 03 02 00 04 01", "6c 01 f3 01"],
    ["defines a periodic one", "default", false, "2c 01 f2 80 f1 90 01 03", "6c 01 f2 80"],
    ["defines by memory address", "extended", false, "2c 02 f3 02 14 70 00 00 10 02", "6c 02 f3 02"],
    ["defines by several of them", "extended", false, "2c 02 f3 02 14 70 00 00 10 02 70 00 00 20 01", "6c 02 f3 02"],
    ["clears one", "default", false, "2c 03 f3 01", "6c 03 f3 01"],
    ["clears all", "default", false, "2c 03", "6c 03"],
    ["suppresses its positive response", "default", false, "2c 83", "no response"],
    ["has no other sub-function", "default", false, "2c 04", "7f 2c 12"],
    ["wants the sub-function", "default", false, "2c", "7f 2c 13"],
    ["wants a source", "default", false, "2c 01 f3 01", "7f 2c 13"],
    ["wants a whole source", "default", false, "2c 01 f3 01 f1 90 01", "7f 2c 13"],
    ["wants whole sources", "default", false, "2c 01 f3 01 f1 90 01 03 02 00 01", "7f 2c 13"],
    ["wants the identifier", "default", false, "2c 01 f3", "7f 2c 13"],
    ["wants a format", "extended", false, "2c 02 f3 02", "7f 2c 13"],
    ["wants a range", "extended", false, "2c 02 f3 02 14", "7f 2c 13"],
    ["wants whole ranges", "extended", false, "2c 02 f3 02 14 70 00 00 10 02 70 00", "7f 2c 13"],
    ["clears a whole identifier", "default", false, "2c 03 f3", "7f 2c 13"],
    ["clears one at a time", "default", false, "2c 03 f3 01 f3 02", "7f 2c 13"],
    ["refuses an identifier that is none of these", "default", false, "2c 01 f1 90 02 00 01 01", "7f 2c 31"],
    ["refuses to clear one that is none of these", "default", false, "2c 03 f1 90", "7f 2c 31"],
    ["refuses one that the ECU has itself", "default", false, "2c 01 f2 01 f1 90 01 03", "7f 2c 31"],
    ["refuses a source that is not there", "default", false, "2c 01 f3 01 12 34 01 01", "7f 2c 31"],
    ["refuses a position before the record", "default", false, "2c 01 f3 01 f1 90 00 01", "7f 2c 31"],
    ["refuses a piece beyond the record", "default", false, "2c 01 f3 01 f1 90 11 02", "7f 2c 31"],
    ["refuses a piece of no bytes", "default", false, "2c 01 f3 01 f1 90 01 00", "7f 2c 31"],
    ["refuses a dynamic source", "default", false, "2c 01 f3 01 f3 02 01 01", "7f 2c 31"],
    ["refuses a format it does not know", "extended", false, "2c 02 f3 02 50 00", "7f 2c 31"],
    ["refuses memory it does not have", "extended", false, "2c 02 f3 02 14 10 00 00 00 01", "7f 2c 31"],
    ["refuses memory of another session", "default", false, "2c 02 f3 02 14 70 00 00 00 01", "7f 2c 31"],
    ["refuses a source that is locked", "extended", false, "2c 01 f3 01 f2 02 01 01", "7f 2c 33"],
    ["refuses memory that is locked", "extended", false, "2c 02 f3 02 14 af 10 00 00 01", "7f 2c 33"],
  ]);

  it("is read with 22 like any other", () => {
    const bench = DataBench.in("default");
    bench.ask("2c 01 f3 01 f1 90 01 03 02 00 04 01");
    expect(bench.ask("22 f3 01")).toBe("62 f3 01 4b 4d 48 00");
  });

  it("adds to what is defined already", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("3d 14 70 00 00 10 02 ab cd");
    bench.ask("2c 01 f3 01 f1 90 01 01");
    bench.ask("2c 02 f3 01 14 70 00 00 10 02");
    expect(bench.ask("22 f3 01")).toBe("62 f3 01 4b ab cd");
  });

  it("is not there once it is cleared", () => {
    const bench = DataBench.in("default");
    bench.ask("2c 01 f3 01 f1 90 01 01");
    bench.ask("2c 01 f3 02 f1 90 02 01");
    bench.ask("2c 03 f3 01");
    expect(bench.ask("22 f3 01 f3 02")).toBe("62 f3 02 4d");
    bench.ask("2c 03");
    expect(bench.ask("22 f3 02")).toBe("7f 22 31");
  });

  it("outlives its session, and is not read where its sources are not", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("2c 01 f3 01 f2 02 01 02");
    bench.ask("2c 01 f3 02 f1 90 01 01");
    expect(bench.ask("22 f3 01 f3 02")).toBe("62 f3 01 12 34 f3 02 4b");
    bench.ask("10 03");
    expect(bench.ask("22 f3 01")).toBe("7f 22 33");
    bench.ask("10 01");
    expect(bench.ask("22 f3 01")).toBe("7f 22 31");
    expect(bench.ask("22 f3 02")).toBe("62 f3 02 4b");
  });

  it("is lost with a reset", () => {
    const bench = DataBench.in("default");
    bench.ask("2c 01 f3 01 f1 90 01 01");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.ask("22 f3 01")).toBe("7f 22 31");
  });

  it("is bounded in number, in pieces and in length", () => {
    const limits = { ...FAMILY_DATA.limits, dynamicIdentifiersMax: 2, dynamicSourcesMax: 3 };
    const bench = DataBench.in("default", false, { data: { limits }, uds: { responseSizeMax: 40 } });
    const piece = "f1 90 01 01";
    expect(bench.ask(`2c 01 f3 00 ${piece} ${piece} ${piece}`)).toBe("6c 01 f3 00");
    expect(bench.ask(`2c 01 f3 00 ${piece}`)).toBe("7f 2c 31");
    expect(bench.ask("2c 01 f3 01 f1 90 01 11 f1 90 01 11")).toBe("6c 01 f3 01");
    expect(bench.ask("2c 01 f3 01 f1 90 01 04")).toBe("7f 2c 31");
    expect(bench.ask(`2c 01 f3 02 ${piece}`)).toBe("7f 2c 31");
  });
});

describe("0x2A ReadDataByPeriodicIdentifier", () => {
  checkRows([
    ["begins", "extended", false, "2a 01 01", "6a"],
    ["leaves out what it does not have", "extended", false, "2a 02 01 77", "6a"],
    ["refuses when it has none of them", "extended", false, "2a 03 77 78", "7f 2a 31"],
    ["refuses a mode it does not know", "extended", false, "2a 05 01", "7f 2a 31"],
    ["refuses mode 0", "extended", false, "2a 00 01", "7f 2a 31"],
    ["is locked where the record is", "extended", false, "2a 01 01 02", "7f 2a 33"],
    ["begins that when unlocked", "extended", true, "2a 01 01 02", "6a"],
    ["refuses what is of another session", "programming", true, "2a 01 02", "7f 2a 31"],
    ["stops what is not sent", "extended", false, "2a 04 01", "6a"],
    ["stops all", "extended", false, "2a 04", "6a"],
    ["wants the mode", "extended", false, "2a", "7f 2a 13"],
    ["wants an identifier", "extended", false, "2a 01", "7f 2a 13"],
    ["takes no more than its limit", "extended", false, "2a 01 01 02 03 04 05 06 07 08 09", "7f 2a 13"],
    ["is not there in the default session", "default", false, "2a 01 01", "7f 2a 7f"],
  ]);

  /** What was sent since: ms from now, and the identifier. */
  const sentWithin = (bench: DataBench, span: number): readonly string[] => {
    const from = bench.periodic.length;
    const begin = bench.now;
    bench.stayFor(ms(span));
    return bench.periodic.slice(from).map((line) => {
      const [at, identifier] = line.split(" ");
      return `${toMs((Number(at) - begin) as Duration)} ${identifier}`;
    });
  };

  it.each([
    ["01", ["1000 01", "2000 01"]],
    ["02", ["200 01", "400 01", "600 01", "800 01", "1000 01"]],
    ["03", ["50 01", "100 01", "150 01", "200 01"]],
  ] as const)("sends at rate %s, the first after one period", (mode, expected) => {
    const bench = DataBench.in("extended");
    bench.ask(`2a ${mode} 01`);
    expect(sentWithin(bench, 2000).slice(0, expected.length)).toEqual(expected);
  });

  it("sends the low byte of the identifier and the record of that instant, with neither SID nor confirmation", () => {
    const bench = DataBench.in("extended");
    bench.ask("2a 02 01");
    bench.after(ms(400));
    const values = bench.periodic.map((line) => Number.parseInt(line.split(" ").slice(2).join(""), 16));
    expect(values).toHaveLength(2);
    expect((values[1] as number) - (values[0] as number)).toBe(20);
    expect(bench.periodic[0]).toMatch(/ 01 .. ..$/);
  });

  it("changes the rate of one that is sent already, and stops one of several", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("2a 02 01");
    bench.ask("2a 01 01 02");
    expect(sentWithin(bench, 1000)).toEqual(["1000 01", "1000 02"]);
    bench.ask("2a 04 01");
    expect(sentWithin(bench, 1000)).toEqual(["1000 02"]);
    bench.ask("2a 04");
    expect(sentWithin(bench, 1000)).toEqual([]);
  });

  it("sends one that was defined dynamically until it is cleared", () => {
    const bench = DataBench.in("extended");
    bench.ask("2c 01 f2 80 f1 90 01 02");
    bench.ask("2a 02 80");
    bench.after(ms(200));
    expect(bench.periodic.at(-1)).toMatch(/ 80 4b 4d$/);
    bench.ask("2c 03 f2 80");
    expect(sentWithin(bench, 1000)).toEqual([]);
  });

  it("answers 0x14 to a record that does not fit into one frame", () => {
    const bench = DataBench.in("extended");
    bench.ask("2c 01 f2 80 f1 90 01 07");
    expect(bench.ask("2a 01 80")).toBe("6a");
    bench.ask("2c 01 f2 81 f1 90 01 08");
    expect(bench.ask("2a 01 81")).toBe("7f 2a 14");
  });

  it("sends no more identifiers at a time than its limit", () => {
    const limits = { ...FAMILY_DATA.limits, periodicIdentifiersMax: 1 };
    const bench = DataBench.in("extended", true, { data: { limits } });
    expect(bench.ask("2a 01 01")).toBe("6a");
    expect(bench.ask("2a 02 01")).toBe("6a");
    expect(bench.ask("2a 01 02")).toBe("7f 2a 31");
  });

  it("does not keep the session alive, and ends with it", () => {
    const bench = DataBench.in("extended");
    bench.ask("2a 01 01");
    bench.after(ms(9000));
    expect(bench.periodic).toHaveLength(4); // at 5 s the session ends first
    expect(bench.ask("22 f1 86")).toBe("62 f1 86 01");
  });

  it("ends with the default session, and with a reset", () => {
    const bench = DataBench.in("extended");
    bench.ask("2a 03 01");
    bench.ask("10 01");
    expect(sentWithin(bench, 1000)).toEqual([]);
    bench.ask("10 03");
    bench.ask("2a 03 01");
    bench.ask("11 01");
    bench.untilRunning();
    expect(sentWithin(bench, 1000)).toEqual([]);
  });

  it("goes on in another session with what needs no security", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("2a 01 01 02");
    bench.ask("10 03");
    expect(sentWithin(bench, 1000)).toEqual(["1000 01"]);
  });

  it("goes on alike from a snapshot", () => {
    const first = DataBench.in("extended");
    first.ask("2c 01 f2 80 f1 90 01 02");
    first.ask("2a 02 01 80");
    first.after(ms(300));
    const second = DataBench.in("default");
    second.world.restore(first.world.snapshot());
    const from = first.periodic.length;
    first.after(ms(1000));
    second.after(ms(1000));
    expect(second.periodic).toEqual(first.periodic.slice(from));
    expect(second.periodic.length).toBeGreaterThan(5);
  });
});
