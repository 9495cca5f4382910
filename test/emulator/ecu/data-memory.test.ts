import { describe, expect, it } from "vitest";
import { ms } from "../../../emulator/kernel/time.ts";
import { ServerBench } from "../uds/support/server-bench.ts";
import { checkRows, DataBench } from "./support/data-bench.ts";

describe("0x23 ReadMemoryByAddress", () => {
  checkRows([
    ["reads", "extended", false, "23 14 70 00 00 00 04", "63 00 00 00 00"],
    ["takes other lengths of the fields", "extended", false, "23 24 70 00 00 00 00 02", "63 00 00"],
    ["reads up to the end of a range", "extended", false, "23 14 70 00 03 fe 02", "63 00 00"],
    ["refuses what goes beyond the end", "extended", false, "23 14 70 00 03 fe 03", "7f 23 31"],
    ["refuses what begins before the range", "extended", false, "23 14 6f ff ff ff 02", "7f 23 31"],
    ["refuses what wraps around", "extended", false, "23 44 ff ff ff ff ff ff ff ff", "7f 23 31"],
    ["refuses no bytes", "extended", false, "23 14 70 00 00 00 00", "7f 23 31"],
    ["refuses memory that it does not have", "extended", false, "23 14 10 00 00 00 04", "7f 23 31"],
    ["refuses an address of no bytes", "extended", false, "23 10 04 00", "7f 23 31"],
    ["refuses an address of five bytes", "extended", false, "23 15 00 70 00 00 00 04", "7f 23 31"],
    ["refuses a size of five bytes", "extended", false, "23 54 70 00 00 00 00 00 00 00 04", "7f 23 31"],
    ["wants the whole address", "extended", false, "23 14 70 00 00 00", "7f 23 13"],
    ["wants nothing more", "extended", false, "23 14 70 00 00 00 04 00", "7f 23 13"],
    ["wants the format", "extended", false, "23", "7f 23 13"],
    ["looks at the least length before the format", "extended", false, "23 00 00", "7f 23 13"],
    ["has ranges of other sessions", "default", false, "23 14 70 00 00 00 04", "7f 23 31"],
    ["has ranges that are locked", "extended", false, "23 14 af 10 00 00 01", "7f 23 33"],
    ["reads them when unlocked", "extended", true, "23 14 af 10 00 00 01", "63 00"],
    ["looks at the session before security", "default", false, "23 14 af 10 00 00 01", "7f 23 31"],
  ]);

  it("answers 0x14 to more than fits into a response", () => {
    const bench = DataBench.in("extended", false, { uds: { responseSizeMax: 5 } });
    expect(bench.ask("23 14 70 00 00 00 04")).toBe("63 00 00 00 00");
    expect(bench.ask("23 14 70 00 00 00 05")).toBe("7f 23 14");
  });

  it("is not there for functional requests", () => {
    expect(DataBench.in("extended").send("23 14 70 00 00 00 04", true)).toEqual([]);
  });
});

describe("0x3D WriteMemoryByAddress", () => {
  checkRows([
    ["echoes format, address and size", "extended", true, "3d 14 70 00 00 10 02 ab cd", "7d 14 70 00 00 10 02"],
    ["wants as many bytes as it says", "extended", true, "3d 14 70 00 00 10 02 ab", "7f 3d 13"],
    ["wants no more bytes than it says", "extended", true, "3d 14 70 00 00 10 02 ab cd ef", "7f 3d 13"],
    ["wants the format", "extended", true, "3d", "7f 3d 13"],
    ["refuses a format it does not know", "extended", true, "3d 05 00 00 00 00", "7f 3d 31"],
    ["refuses no bytes", "extended", true, "3d 14 70 00 00 10 00", "7f 3d 31"],
    ["refuses memory that it does not have", "extended", true, "3d 14 10 00 00 00 01 ff", "7f 3d 31"],
    ["refuses what goes beyond the end", "extended", true, "3d 14 70 00 03 ff 02 ab cd", "7f 3d 31"],
    ["refuses what is of another session", "programming", true, "3d 14 70 00 00 10 01 ab", "7f 3d 31"],
    ["is locked", "extended", false, "3d 14 70 00 00 10 01 ab", "7f 3d 33"],
    ["looks at the length before security", "extended", false, "3d 14 70 00 00 10 02 ab", "7f 3d 13"],
  ]);

  it("is read back", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("3d 14 70 00 00 10 02 ab cd");
    expect(bench.ask("23 14 70 00 00 0f 04")).toBe("63 00 ab cd 00");
  });

  it("takes its time where the memory is kept, and says so when that is long", () => {
    const bench = DataBench.in("extended", true, { data: { storeTimePerKib: ms(60) } });
    expect(bench.send("3d 14 af 10 00 00 01 ab")).toEqual([]);
    bench.after(ms(44));
    expect(bench.send("23 14 af 10 00 00 01")).toEqual(["7f 23 21"]);
    const from = bench.responses.length;
    bench.after(ms(16));
    expect(bench.responses.slice(from)).toEqual(["7f 3d 78", "7d 14 af 10 00 00 01"]);
    expect(bench.ask("23 14 af 10 00 00 01")).toBe("63 ab");
  });

  it("loses RAM with a reset and keeps what is kept", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("3d 14 70 00 00 10 01 ab");
    bench.ask("3d 14 af 10 00 00 01 cd");
    bench.ask("11 01");
    bench.untilRunning();
    bench.ask("10 03");
    bench.unlock();
    expect(bench.ask("23 14 70 00 00 10 01")).toBe("63 00");
    expect(bench.ask("23 14 af 10 00 00 01")).toBe("63 cd");
  });

  it("leaves what was there when the power goes while it is stored", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("3d 14 af 10 00 00 01 cd");
    bench.send("3d 14 af 10 00 00 01 ef");
    bench.powerOff();
    bench.powerOn();
    bench.ask("10 03");
    bench.unlock();
    expect(bench.ask("23 14 af 10 00 00 01")).toBe("63 cd");
  });
});

describe("0x24 ReadScalingDataByIdentifier", () => {
  checkRows([
    ["tells 17 characters", "default", false, "24 f1 90", "64 f1 90 6f 62"],
    ["tells a formula and a unit", "default", false, "24 01 05", "64 01 05 01 95 00 e0 4b 00 1e a1 30"],
    ["refuses what has no scaling", "default", false, "24 f1 87", "7f 24 31"],
    ["refuses what is not there", "default", false, "24 12 34", "7f 24 31"],
    ["wants an identifier", "default", false, "24", "7f 24 13"],
    ["wants a whole one", "default", false, "24 f1", "7f 24 13"],
    ["takes one only", "default", false, "24 f1 90 f1 90", "7f 24 13"],
    ["is locked where the record is", "extended", false, "24 f2 02", "7f 24 33"],
    ["tells it when unlocked", "extended", true, "24 f2 02", "64 f2 02 04"],
    ["refuses what is of another session", "default", false, "24 f2 02", "7f 24 31"],
  ]);

  it("may be asked for functionally, and is silent then where it has nothing", () => {
    const bench = DataBench.in("default");
    expect(bench.send("24 f1 90", true)).toEqual(["64 f1 90 6f 62"]);
    expect(bench.send("24 12 34", true)).toEqual([]);
  });
});

describe("0x22 and 0x2E with the ECU's own records", () => {
  checkRows([
    ["reads several", "default", false, "22 02 00 f1 86", "62 02 00 00 00 00 00 f1 86 01"],
    ["is locked", "extended", false, "2e 02 00 01 02 03 04", "7f 2e 33"],
    ["wants the whole record", "extended", true, "2e 02 00 01 02 03", "7f 2e 13"],
    ["refuses what is of another session", "programming", true, "2e 02 00 01 02 03 04", "7f 2e 31"],
    ["refuses what can only be read", "extended", true, "2e 01 05 01", "7f 2e 31"],
  ]);

  it("keeps a record that was written over a reset", () => {
    const bench = DataBench.in("extended", true);
    expect(bench.ask("2e 02 00 01 02 03 04")).toBe("6e 02 00");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.ask("22 02 00")).toBe("62 02 00 01 02 03 04");
  });

  it("answers 0x14 when the records together are too long", () => {
    const bench = DataBench.in("default", false, { uds: { responseSizeMax: 13 } });
    expect(bench.ask("22 02 00 02 00")).toBe("62 02 00 00 00 00 00 02 00 00 00 00 00");
    expect(bench.ask("22 02 00 02 00 f1 86")).toBe("7f 22 14");
  });
});

describe("0x2F InputOutputControlByIdentifier", () => {
  checkRows([
    ["adjusts", "extended", false, "2f 9b 00 03 3c", "6f 9b 00 03 3c"],
    ["resets to the default", "extended", false, "2f 9b 00 01", "6f 9b 00 01 0a"],
    ["refuses a value that is too large", "extended", false, "2f 9b 00 03 65", "7f 2f 31"],
    ["refuses a parameter it does not know", "extended", false, "2f 9b 00 04", "7f 2f 31"],
    ["refuses what can't be controlled", "extended", false, "2f 01 05 00", "7f 2f 31"],
    ["refuses what is not there", "extended", false, "2f 12 34 00", "7f 2f 31"],
    ["wants the parameter", "extended", false, "2f 9b 00", "7f 2f 13"],
    ["wants the state", "extended", false, "2f 9b 00 03", "7f 2f 13"],
    ["wants nothing more", "extended", false, "2f 9b 00 00 00", "7f 2f 13"],
    ["is not there in the default session", "default", false, "2f 9b 00 03 3c", "7f 2f 7f"],
    ["has identifiers of other sessions", "programming", false, "2f 9b 00 03 3c", "7f 2f 31"],
    ["has identifiers that are locked", "extended", false, "2f 01 55 01 80", "7f 2f 33"],
    ["looks at security before the parameter", "extended", false, "2f 01 55 09", "7f 2f 33"],
    ["wants the mask", "extended", true, "2f 01 55 03 01 02 03 04", "7f 2f 13"],
    ["adjusts what the mask names", "extended", true, "2f 01 55 03 01 1f 40 64 a0", "6f 01 55 03 01 02 ee 64"],
    ["bounds only what the mask names", "extended", true, "2f 01 55 03 ff ff ff ff 80", "6f 01 55 03 ff 02 ee 00"],
  ]);

  it("holds a value until control is given back, and meanwhile it is read like that", () => {
    const bench = DataBench.in("extended");
    expect(bench.ask("2f 9b 00 03 3c")).toBe("6f 9b 00 03 3c");
    bench.stayFor(ms(3000));
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 3c");
    expect(bench.ask("2f 9b 00 00")).toBe("6f 9b 00 00 0d");
    bench.stayFor(ms(1000));
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 0e");
  });

  it("freezes what is there", () => {
    const bench = DataBench.in("extended");
    bench.stayFor(ms(2000));
    expect(bench.ask("2f 9b 00 02")).toBe("6f 9b 00 02 0c");
    bench.stayFor(ms(2000));
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 0c");
  });

  it("gives control back at the end of the session", () => {
    const bench = DataBench.in("extended");
    bench.ask("2f 9b 00 03 3c");
    bench.ask("10 01");
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 0a");
  });

  it("gives back with a change into the same session what needs security, and only that", () => {
    const bench = DataBench.in("extended", true);
    bench.ask("2f 9b 00 03 3c");
    bench.ask("2f 01 55 03 11 00 00 22 a0");
    bench.ask("10 03");
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 3c");
    expect(bench.ask("22 01 55").slice(0, 11)).toBe("62 01 55 07");
  });

  it("gives control back when the session times out, and at a reset", () => {
    const bench = DataBench.in("extended");
    bench.ask("2f 9b 00 03 3c");
    bench.after(ms(5001));
    expect(bench.ask("22 9b 00")).toBe("62 9b 00 0f");
    bench.ask("10 03");
    bench.ask("2f 9b 00 03 3c");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.ask("22 9b 00")).not.toBe("62 9b 00 3c");
  });
});

describe("what the services of data keep", () => {
  it("goes on alike from a snapshot", () => {
    const first = DataBench.in("extended", true);
    for (const request of ["3d 14 70 00 00 10 02 ab cd", "2e 02 00 01 02 03 04", "2f 9b 00 03 3c"]) first.ask(request);
    const second = DataBench.in("default");
    second.world.restore(first.world.snapshot());
    expect(second.ask("23 14 70 00 00 10 02")).toBe("63 ab cd");
    expect(second.ask("22 02 00 9b 00")).toBe("62 02 00 01 02 03 04 9b 00 3c");
  });

  it("answers 0x11 where there is nothing of it", () => {
    const bench = new ServerBench();
    for (const sid of ["23", "24", "2a", "2c", "2f", "35", "38", "3d"]) expect(bench.ask(sid)).toBe(`7f ${sid} 11`);
  });
});
