import { describe, expect, it } from "vitest";
import { ServerBench } from "./support/server-bench.ts";

type Session = "default" | "extended" | "programming";
/** What is asked, in which session, with or without security access, and what comes back. */
type Row = readonly [title: string, session: Session, unlocked: boolean, request: string, response: string];

const check = (rows: readonly Row[]): void => {
  it.each(rows)("%s (%s, unlocked %s): %s -> %s", (_title, session, unlocked, request, response) => {
    expect(ServerBench.in(session, unlocked).ask(request)).toBe(response);
  });
};

describe("0x10 DiagnosticSessionControl", () => {
  check([
    ["tells P2 in ms and P2* in steps of 10 ms", "default", false, "10 03", "50 03 00 32 01 f4"],
    ["goes to the default session", "extended", false, "10 01", "50 01 00 32 01 f4"],
    ["goes from extended to programming", "extended", false, "10 02", "50 02 00 32 01 f4"],
    ["stays in programming when asked", "programming", false, "10 02", "50 02 00 32 01 f4"],
    ["refuses programming out of the default session", "default", false, "10 02", "7f 10 7e"],
    ["refuses a session it does not have", "default", false, "10 04", "7f 10 12"],
    ["refuses a session it does not have even when the length is wrong too", "default", false, "10 04 00", "7f 10 12"],
    ["wants the sub-function", "default", false, "10", "7f 10 13"],
    ["wants nothing more", "default", false, "10 03 00", "7f 10 13"],
    ["suppresses its positive response", "default", false, "10 83", ""],
    ["does not suppress a negative one", "default", false, "10 84", "7f 10 12"],
  ]);

  it("changes the session even when the response is suppressed", () => {
    const bench = new ServerBench();
    bench.ask("10 83");
    expect(bench.ask("22 f1 86")).toBe("62 f1 86 03");
  });

  it.each(["10 01", "10 02", "10 03"])("locks security with %s, also into the session that is active", (request) => {
    const bench = ServerBench.in("programming", true);
    bench.ask(request);
    bench.ask("10 03");
    bench.ask("10 02");
    expect(bench.ask("31 01 ff 00")).toBe("7f 31 33");
  });

  it("lets programming be entered from the default session where the ECU is configured so", () => {
    expect(new ServerBench({ programmingFromDefault: true }).ask("10 02")).toBe("50 02 00 32 01 f4");
  });
});

describe("0x11 ECUReset", () => {
  check([
    ["hard reset", "default", false, "11 01", "51 01"],
    ["key off on reset", "extended", false, "11 02", "51 02"],
    ["soft reset", "programming", false, "11 03", "51 03"],
    ["has no other", "default", false, "11 04", "7f 11 12"],
    ["wants the sub-function", "default", false, "11", "7f 11 13"],
    ["wants nothing more", "default", false, "11 01 00", "7f 11 13"],
  ]);

  it("resets only when the response is on the wire", () => {
    const bench = new ServerBench();
    bench.confirmsAtOnce = false;
    expect(bench.ask("11 01")).toBe("51 01");
    expect(bench.resets).toEqual([]);
    bench.push({ type: "sent" });
    expect(bench.resets).toEqual([1]);
  });

  it("resets at once when the response is suppressed", () => {
    const bench = new ServerBench();
    expect(bench.ask("11 81")).toBe("");
    expect(bench.resets).toEqual([1]);
  });

  it("takes no further request once the reset is due", () => {
    const bench = new ServerBench();
    bench.confirmsAtOnce = false;
    bench.ask("11 01");
    expect(bench.ask("3e 00")).toBe("");
  });
});

describe("0x22 ReadDataByIdentifier", () => {
  const VIN = "4b 4d 48 58 58 30 30 58 58 58 58 30 30 30 30 30 31";
  check([
    ["reads one", "default", false, "22 f1 90", `62 f1 90 ${VIN}`],
    ["reads several in the order asked", "default", false, "22 f1 95 f1 90", `62 f1 95 31 2e 30 2e 30 f1 90 ${VIN}`],
    ["reads one twice when asked twice", "default", false, "22 f1 86 f1 86", "62 f1 86 01 f1 86 01"],
    ["leaves out what it does not have", "default", false, "22 12 34 f1 86", "62 f1 86 01"],
    ["refuses when none of them is there", "default", false, "22 12 34 56 78", "7f 22 31"],
    ["leaves out what is of another session", "default", false, "22 f1 a0 f1 86", "62 f1 86 01"],
    ["refuses what is of another session", "default", false, "22 f1 a0", "7f 22 31"],
    ["reads what is of this session", "extended", false, "22 f1 a0", "62 f1 a0 a0"],
    ["refuses all when one of them is locked", "extended", false, "22 f1 86 f1 a1", "7f 22 33"],
    ["reads it when unlocked", "extended", true, "22 f1 86 f1 a1", "62 f1 86 03 f1 a1 a1"],
    ["has some that can only be written", "programming", true, "22 f1 5b", "7f 22 31"],
    ["wants an identifier", "default", false, "22", "7f 22 13"],
    ["wants whole identifiers", "default", false, "22 f1 90 f1", "7f 22 13"],
    ["takes no more than its limit", "default", false, `22 ${"f1 86 ".repeat(17)}`, "7f 22 13"],
    ["does not send more than fits", "default", false, "22 f1 a2 f1 a2", "7f 22 14"],
  ]);
});

describe("0x27 SecurityAccess", () => {
  check([
    ["is not there in the default session", "default", false, "27 01", "7f 27 7f"],
    ["gives a seed", "extended", false, "27 01", "67 01 12 34 56 78"],
    ["gives a seed in programming too", "programming", false, "27 01", "67 01 12 34 56 78"],
    ["gives zeros when it is open already", "extended", true, "27 01", "67 01 00 00 00 00"],
    ["has one level", "extended", false, "27 03", "7f 27 12"],
    ["wants the sub-function", "extended", false, "27", "7f 27 13"],
    ["wants no data with requestSeed", "extended", false, "27 01 00", "7f 27 13"],
    ["wants a key of four bytes", "extended", false, "27 02 00 00 00", "7f 27 13"],
    ["wants a seed to be asked for first", "extended", false, "27 02 00 00 00 00", "7f 27 24"],
    ["wants a seed to be asked for first even when open", "extended", true, "27 02 00 00 00 00", "7f 27 24"],
  ]);

  it("opens with the right key, and closes with the session", () => {
    const bench = ServerBench.in("extended");
    bench.ask("27 01");
    expect(bench.ask("27 02 1e 16 e3 a3")).toBe("67 02");
    expect(bench.ask("22 f1 a1")).toBe("62 f1 a1 a1");
    bench.ask("10 03");
    expect(bench.ask("22 f1 a1")).toBe("7f 22 33");
  });

  it("gives the same seed until a key was sent, and one key a seed", () => {
    const bench = ServerBench.in("extended");
    bench.host.seeds = [0x11111111, 0x22222222];
    expect(bench.ask("27 01")).toBe("67 01 11 11 11 11");
    expect(bench.ask("27 01")).toBe("67 01 11 11 11 11");
    expect(bench.ask("27 02 00 00 00 00")).toBe("7f 27 35");
    expect(bench.ask("27 02 00 00 00 00")).toBe("7f 27 24");
    expect(bench.ask("27 01")).toBe("67 01 22 22 22 22");
  });
});

describe("0x2E WriteDataByIdentifier", () => {
  check([
    ["is not there in the default session", "default", false, "2e f1 5b 01", "7f 2e 7f"],
    ["refuses an identifier of another session", "extended", false, "2e f1 5b 01", "7f 2e 31"],
    ["refuses an identifier that can only be read", "programming", true, "2e f1 90 01", "7f 2e 31"],
    ["refuses an identifier that is not there", "programming", true, "2e 12 34 01", "7f 2e 31"],
    ["wants security access", "programming", false, "2e f1 5b 01", "7f 2e 33"],
    ["looks at security before the length of the data", "programming", false, "2e f1 5b 01 02 03 04 05", "7f 2e 33"],
    ["writes", "programming", true, "2e f1 5b 01 02", "6e f1 5b"],
    ["wants data", "programming", true, "2e f1 5b", "7f 2e 13"],
    ["takes no more than the identifier has", "programming", true, "2e f1 5b 01 02 03 04 05", "7f 2e 13"],
  ]);
});

describe("0x31 RoutineControl", () => {
  check([
    ["is not there in the default session", "default", false, "31 01 02 03", "7f 31 7f"],
    ["starts", "extended", false, "31 01 02 03", "71 01 02 03"],
    ["refuses a routine of another session", "extended", true, "31 01 ff 00", "7f 31 31"],
    ["refuses a routine that is not there", "programming", true, "31 01 12 34", "7f 31 31"],
    ["wants security access", "programming", false, "31 01 ff 00", "7f 31 33"],
    ["looks at security before the sub-function", "programming", false, "31 02 ff 00", "7f 31 33"],
    ["refuses a sub-function that the routine does not have", "programming", true, "31 02 ff 00", "7f 31 12"],
    ["refuses results of a routine that leaves none", "programming", true, "31 03 ff 01", "7f 31 24"],
    ["wants the whole identifier", "programming", true, "31 01 ff", "7f 31 13"],
    ["suppresses its positive response", "extended", false, "31 81 02 03", ""],
  ]);
});

describe("0x34 RequestDownload", () => {
  check([
    ["is not there in the default session", "default", false, "34 00 44 800d2000 00001000", "7f 34 7f"],
    ["is not there in the extended session", "extended", true, "34 00 44 800d2000 00001000", "7f 34 7f"],
    ["wants security access", "programming", false, "34 00 44 800d2000 00001000", "7f 34 33"],
    ["looks at security before the length", "programming", false, "34", "7f 34 33"],
    ["tells how long a block may be", "programming", true, "34 00 44 800d2000 00001000", "74 20 0f e2"],
    ["takes shorter fields", "programming", true, "34 00 24 800d2000 1000", "74 20 0f e2"],
    ["refuses compression", "programming", true, "34 10 44 800d2000 00001000", "7f 34 31"],
    ["refuses encryption", "programming", true, "34 01 44 800d2000 00001000", "7f 34 31"],
    ["refuses an address of no bytes", "programming", true, "34 00 40 00001000", "7f 34 31"],
    ["refuses a size of five bytes", "programming", true, "34 00 54 800d2000 0000001000", "7f 34 31"],
    ["wants the whole size", "programming", true, "34 00 44 800d2000 000010", "7f 34 13"],
    ["wants nothing more", "programming", true, "34 00 44 800d2000 00001000 00", "7f 34 13"],
    ["wants the format", "programming", true, "34 00", "7f 34 13"],
  ]);

  it("reads the low nibble as the length of the address, the high nibble as that of the size", () => {
    const bench = ServerBench.in("programming", true);
    bench.ask("34 00 24 800d2000 1234");
    expect(bench.host.calls).toEqual(["download 800d2000 1234"]);
  });

  it("refuses a second one while the first is under way", () => {
    const bench = ServerBench.in("programming", true);
    bench.ask("34 00 44 800d2000 00001000");
    expect(bench.ask("34 00 44 800d2000 00001000")).toBe("7f 34 22");
  });
});

describe("0x36 TransferData and 0x37 RequestTransferExit", () => {
  const downloading = (size = "00000008"): ServerBench => {
    const bench = ServerBench.in("programming", true, { maxNumberOfBlockLength: 6 });
    bench.ask(`34 00 44 800d2000 ${size}`);
    bench.host.calls.length = 0;
    return bench;
  };

  check([
    ["36 is not there in the default session", "default", false, "36 01 00", "7f 36 7f"],
    ["36 wants security access", "programming", false, "36 01 00", "7f 36 33"],
    ["36 wants a download", "programming", true, "36 01 00", "7f 36 24"],
    ["36 wants a counter", "programming", true, "36", "7f 36 13"],
    ["37 is not there in the extended session", "extended", true, "37", "7f 37 7f"],
    ["37 wants a download", "programming", true, "37", "7f 37 24"],
    ["37 wants nothing more", "programming", true, "37 00", "7f 37 13"],
  ]);

  it("takes blocks in order and then the exit", () => {
    const bench = downloading();
    expect(bench.ask("36 01 01 02 03 04")).toBe("76 01");
    expect(bench.ask("36 02 05 06 07 08")).toBe("76 02");
    expect(bench.ask("37")).toBe("77");
    expect(bench.host.calls).toEqual(["data 0 01 02 03 04", "data 4 05 06 07 08", "exit"]);
    expect(bench.ask("37")).toBe("7f 37 24");
  });

  it("answers 0x24 to an exit with data missing, and goes on", () => {
    const bench = downloading();
    bench.ask("36 01 01 02 03 04");
    expect(bench.ask("37")).toBe("7f 37 24");
    expect(bench.ask("36 02 05 06 07 08")).toBe("76 02");
    expect(bench.ask("37")).toBe("77");
  });

  it("answers the repetition of the last block, as often as it comes, without writing it again", () => {
    const bench = downloading();
    bench.ask("36 01 01 02 03 04");
    expect(bench.ask("36 01 01 02 03 04")).toBe("76 01");
    expect(bench.host.calls).toEqual(["data 0 01 02 03 04"]);
    for (let times = 0; times < 5; times++) expect(bench.ask("36 02 05 06 07 08")).toBe("76 02");
    expect(bench.host.calls).toEqual(["data 0 01 02 03 04", "data 4 05 06 07 08"]);
    expect(bench.ask("36 01 01 02 03 04")).toBe("7f 36 73");
  });

  it.each(["36 00 01", "36 02 01", "36 ff 01"])(
    "answers 0x73 to %s as the first block and ends the download",
    (request) => {
      const bench = downloading();
      expect(bench.ask(request)).toBe("7f 36 73");
      expect(bench.ask("36 01 01")).toBe("7f 36 24");
      expect(bench.host.calls).toEqual([]);
    },
  );

  it("counts from FF to 00, and knows the repetition of 00", () => {
    const bench = downloading("00000200");
    for (let block = 1; block <= 0xff; block++) {
      const counter = block.toString(16).padStart(2, "0");
      expect(bench.ask(`36 ${counter} 01`)).toBe(`76 ${counter}`);
    }
    expect(bench.ask("36 00 01")).toBe("76 00");
    expect(bench.ask("36 00 01")).toBe("76 00");
    expect(bench.ask("36 01 01")).toBe("76 01");
    expect(bench.host.calls).toHaveLength(257);
  });

  it("answers 0x71 to more data than announced and ends the download", () => {
    const bench = downloading("00000006");
    bench.ask("36 01 01 02 03 04");
    expect(bench.ask("36 02 05 06 07")).toBe("7f 36 71");
    expect(bench.ask("36 02 05 06")).toBe("7f 36 24");
  });

  it("answers 0x13 to a block longer than it allowed, and to one without data", () => {
    const bench = downloading();
    expect(bench.ask("36 01 01 02 03 04 05")).toBe("7f 36 13");
    expect(bench.ask("36 01")).toBe("7f 36 13");
    expect(bench.ask("36 01 01 02 03 04")).toBe("76 01");
  });

  it("passes a failure to program on and ends the download", () => {
    const bench = downloading();
    bench.host.outcome = { type: "refused", nrc: 0x72 };
    expect(bench.ask("36 01 01")).toBe("7f 36 72");
    bench.host.outcome = { type: "done", record: new Uint8Array(0) };
    expect(bench.ask("36 01 01")).toBe("7f 36 24");
  });

  it.each(["10 02", "10 03"])("forgets the download with %s", (request) => {
    const bench = downloading();
    bench.ask(request);
    bench.ask("10 02");
    bench.unlock();
    expect(bench.ask("36 01 01")).toBe("7f 36 24");
  });

  it("ends the download when the memory is erased, and lets no other routine in between", () => {
    const bench = downloading();
    expect(bench.ask("31 01 ff 01")).toBe("7f 31 24");
    expect(bench.ask("31 01 ff 00")).toBe("71 01 ff 00");
    expect(bench.ask("36 01 01")).toBe("7f 36 24");
  });
});

describe("0x3E TesterPresent", () => {
  check([
    ["answers", "default", false, "3e 00", "7e 00"],
    ["suppresses", "default", false, "3e 80", ""],
    ["has no other sub-function", "default", false, "3e 01", "7f 3e 12"],
    ["wants the sub-function", "default", false, "3e", "7f 3e 13"],
    ["wants nothing more", "default", false, "3e 00 00", "7f 3e 13"],
  ]);
});

describe("a service that is not there", () => {
  it("is answered 0x11, whatever comes behind", () => {
    const bench = new ServerBench();
    for (const sid of ["00", "14", "19", "28", "85", "ba"]) {
      expect(bench.ask(sid)).toBe(`7f ${sid} 11`);
      expect(bench.ask(`${sid} 80 01`)).toBe(`7f ${sid} 11`);
    }
  });
});
