import { describe, expect, it } from "vitest";
import { FAMILY_DATA } from "../../../emulator/ecu/data-config.ts";
import { ms } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { checkRows, DataBench } from "./support/data-bench.ts";
import { uint32 } from "./support/ecu-bench.ts";

const text = (characters: string): string => toHex(new TextEncoder().encode(characters));
const path = (characters: string): string => characters.length.toString(16).padStart(4, "0") + text(characters);
const sizes = (size: number): string => `00 04 ${uint32(size)} ${uint32(size)}`;
const add = (name: string, size: number, mode = "01"): string => `38 ${mode} ${path(name)} ${sizes(size)}`;
const ACCEPTED = (mode: string): string => `78 ${mode} 02 0f e2 00`;

describe("0x35 RequestUpload", () => {
  checkRows([
    ["tells how long a block may be", "programming", true, "35 00 14 70 00 00 00 10", "75 20 0f e2"],
    ["is not there in the default session", "default", false, "35 00 14 70 00 00 00 10", "7f 35 7f"],
    ["is not there in the extended session", "extended", true, "35 00 14 70 00 00 00 10", "7f 35 7f"],
    ["wants security access", "programming", false, "35 00 14 70 00 00 00 10", "7f 35 33"],
    ["refuses compression", "programming", true, "35 10 14 70 00 00 00 10", "7f 35 31"],
    ["refuses a format it does not know", "programming", true, "35 00 10 00", "7f 35 31"],
    ["refuses memory it does not have", "programming", true, "35 00 14 10 00 00 00 10", "7f 35 31"],
    ["refuses no bytes", "programming", true, "35 00 14 70 00 00 00 00", "7f 35 31"],
    ["wants the whole size", "programming", true, "35 00 14 70 00 00 00", "7f 35 13"],
    ["wants nothing more", "programming", true, "35 00 14 70 00 00 00 10 00", "7f 35 13"],
    ["wants the format", "programming", true, "35 00", "7f 35 13"],
  ]);

  const uploading = (): DataBench => {
    const bench = DataBench.in("extended", true, { uds: { maxNumberOfBlockLength: 4 } });
    bench.ask("3d 14 70 00 00 00 05 01 02 03 04 05");
    bench.ask("10 02");
    bench.unlock();
    bench.ask("35 00 14 70 00 00 00 05");
    return bench;
  };

  it("gives block after block, the last one shorter, and then the exit", () => {
    const bench = uploading();
    expect(["36 01", "36 02", "36 03", "37"].map((request) => bench.ask(request))).toEqual([
      "76 01 01 02",
      "76 02 03 04",
      "76 03 05",
      "77",
    ]);
    expect(bench.ask("37")).toBe("7f 37 24");
  });

  it("gives the last block again when it is asked for again", () => {
    const bench = uploading();
    bench.ask("36 01");
    expect(bench.ask("36 01")).toBe("76 01 01 02");
    expect(bench.ask("36 02")).toBe("76 02 03 04");
  });

  it("answers 0x24 to an exit with data left, and to a block behind the last", () => {
    const bench = uploading();
    bench.ask("36 01");
    expect(bench.ask("37")).toBe("7f 37 24");
    bench.ask("36 02");
    bench.ask("36 03");
    expect(bench.ask("36 04")).toBe("7f 36 24");
    expect(bench.ask("37")).toBe("77");
  });

  it("answers 0x73 to a wrong counter and ends the upload", () => {
    const bench = uploading();
    expect(bench.ask("36 02")).toBe("7f 36 73");
    expect(bench.ask("36 01")).toBe("7f 36 24");
  });

  it("answers 0x13 to a block with data", () => {
    expect(uploading().ask("36 01 00")).toBe("7f 36 13");
  });

  it("lets no other transfer in between, and ends with the session", () => {
    const bench = uploading();
    expect(bench.ask("35 00 14 70 00 00 00 05")).toBe("7f 35 22");
    expect(bench.ask("34 00 44 800d2000 00001000")).toBe("7f 34 22");
    expect(bench.ask(`38 05 ${path("/")}`)).toBe("7f 38 22");
    bench.ask("10 02");
    bench.unlock();
    expect(bench.ask("36 01")).toBe("7f 36 24");
  });
});

describe("0x38 RequestFileTransfer", () => {
  checkRows([
    ["adds a file", "programming", true, add("/a.txt", 5), ACCEPTED("01")],
    ["replaces one that is not there", "programming", true, add("/a.txt", 5, "03"), ACCEPTED("03")],
    ["takes sizes of one byte", "programming", true, `38 01 ${path("/a")} 00 01 05 05`, ACCEPTED("01")],
    ["is not there in the extended session", "extended", true, add("/a.txt", 5), "7f 38 7f"],
    ["wants security access", "programming", false, add("/a.txt", 5), "7f 38 33"],
    ["wants the path", "programming", true, "38 01 00 00", "7f 38 13"],
    ["wants the whole path", "programming", true, "38 02 00 05 2f 61", "7f 38 13"],
    ["wants nothing behind the path", "programming", true, `38 02 ${path("/a")} 00`, "7f 38 13"],
    ["wants the format", "programming", true, `38 04 ${path("/a")}`, "7f 38 13"],
    ["wants the sizes", "programming", true, `38 01 ${path("/a")} 00 02 00 05 00`, "7f 38 13"],
    ["wants the length of the sizes", "programming", true, `38 01 ${path("/a")} 00`, "7f 38 13"],
    ["refuses mode 0", "programming", true, `38 00 ${path("/a")}`, "7f 38 31"],
    ["refuses a mode it does not know", "programming", true, `38 07 ${path("/a")}`, "7f 38 31"],
    ["refuses compression", "programming", true, `38 04 ${path("/a")} 10`, "7f 38 31"],
    ["refuses two sizes", "programming", true, `38 01 ${path("/a")} 00 01 05 04`, "7f 38 31"],
    ["refuses an empty file", "programming", true, add("/a", 0), "7f 38 31"],
    ["refuses sizes of five bytes", "programming", true, `38 01 ${path("/a")} 00 05 0000000005 0000000005`, "7f 38 31"],
    ["refuses a path without a root", "programming", true, add("a", 5), "7f 38 31"],
    ["refuses a path that is a directory", "programming", true, add("/a/", 5), "7f 38 31"],
    ["refuses characters that a path has not", "programming", true, add("/a*", 5), "7f 38 31"],
    ["refuses a path that is too long", "programming", true, add(`/${"a".repeat(64)}`, 5), "7f 38 31"],
    ["can't delete what is not there", "programming", true, `38 02 ${path("/a")}`, "7f 38 31"],
    ["can't read what is not there", "programming", true, `38 04 ${path("/a")} 00`, "7f 38 31"],
    ["can't list what is not there", "programming", true, `38 05 ${path("/a")}`, "7f 38 31"],
    ["can't resume what was not begun", "programming", true, add("/a", 5, "06"), "7f 38 24"],
    ["lists an empty root", "programming", true, `38 05 ${path("/")}`, `${ACCEPTED("05")} 00 04 00 00 00 00`],
    ["refuses what is too large", "programming", true, add("/a", 64 * 1024 + 1), "7f 38 70"],
  ]);

  const put = (bench: DataBench, name: string, content: string, mode = "01"): readonly string[] =>
    [add(name, content.length, mode), `36 01 ${text(content)}`, "37"].map((request) => bench.ask(request));

  const get = (bench: DataBench, request: string): string => {
    bench.ask(request);
    const answer = bench.ask("36 01");
    bench.ask("37");
    const data = Uint8Array.from(answer.split(" ").slice(2), (octet) => Number.parseInt(octet, 16));
    return new TextDecoder().decode(data);
  };
  const read = (bench: DataBench, name: string): string => get(bench, `38 04 ${path(name)} 00`);
  const list = (bench: DataBench, name: string): string => get(bench, `38 05 ${path(name)}`);

  it("adds a file and gives it back", () => {
    const bench = DataBench.in("programming", true);
    expect(put(bench, "/log/a.txt", "hello")).toEqual([ACCEPTED("01"), "76 01", "77"]);
    expect(bench.ask(`38 04 ${path("/log/a.txt")} 00`)).toBe(`${ACCEPTED("04")} 00 04 00 00 00 05 00 00 00 05`);
    expect(bench.ask("36 01")).toBe("76 01 68 65 6c 6c 6f");
    expect(bench.ask("37")).toBe("77");
  });

  it("adds none that is there, replaces it whole, and deletes it", () => {
    const bench = DataBench.in("programming", true);
    put(bench, "/a.txt", "hello");
    expect(bench.ask(add("/a.txt", 5))).toBe("7f 38 31");
    bench.ask(add("/a.txt", 3, "03"));
    bench.ask(`36 01 ${text("bye")}`);
    bench.ask("10 02"); // before the exit
    bench.unlock();
    expect(read(bench, "/a.txt")).toBe("hello");
    put(bench, "/a.txt", "bye", "03");
    expect(read(bench, "/a.txt")).toBe("bye");
    expect(bench.ask(`38 02 ${path("/a.txt")}`)).toBe("78 02");
    expect(bench.ask(`38 04 ${path("/a.txt")} 00`)).toBe("7f 38 31");
  });

  it("lists files, directories and what is not whole", () => {
    const bench = DataBench.in("programming", true);
    put(bench, "/b.txt", "hello");
    put(bench, "/log/a.txt", "hi");
    put(bench, "/log/old/c.txt", "hi");
    bench.ask(add("/part", 9));
    bench.ask(`36 01 ${text("1234")}`);
    bench.ask("10 02");
    bench.unlock();
    expect(list(bench, "/")).toBe("b.txt 5\nlog/\npart 4/9\n");
    expect(list(bench, "/log")).toBe("a.txt 2\nold/\n");
  });

  it("resumes where a transfer broke off", () => {
    const bench = DataBench.in("programming", true);
    bench.ask(add("/a.txt", 9));
    bench.ask(`36 01 ${text("1234")}`);
    bench.after(ms(5001));
    bench.enterProgramming();
    expect(bench.ask(add("/a.txt", 8, "06"))).toBe("7f 38 31");
    expect(bench.ask(add("/a.txt", 9, "06"))).toBe(`${ACCEPTED("06")} 00 00 00 00 00 00 00 04`);
    expect(bench.ask(`36 01 ${text("56789")}`)).toBe("76 01");
    expect(bench.ask("37")).toBe("77");
    expect(read(bench, "/a.txt")).toBe("123456789");
  });

  it("resumes after a power cut behind the last block that was stored", () => {
    const bench = DataBench.in("programming", true);
    put(bench, "/whole", "w");
    bench.ask(add("/a.txt", 9));
    bench.ask(`36 01 ${text("1234")}`);
    bench.send(`36 02 ${text("567")}`); // being stored
    bench.powerOff();
    bench.powerOn();
    bench.enterProgramming();
    expect(bench.ask(add("/a.txt", 9, "06"))).toBe(`${ACCEPTED("06")} 00 00 00 00 00 00 00 04`);
    bench.ask(`36 01 ${text("56789")}`);
    bench.ask("37");
    expect(read(bench, "/a.txt")).toBe("123456789");
    expect(read(bench, "/whole")).toBe("w");
  });

  it("answers the repetition of the last block without storing it again", () => {
    const bench = DataBench.in("programming", true);
    bench.ask(add("/a", 4));
    expect(bench.ask("36 01 61 62")).toBe("76 01");
    expect(bench.ask("36 01 61 62")).toBe("76 01");
    expect(bench.ask("36 02 63 64")).toBe("76 02");
    bench.ask("37");
    expect(read(bench, "/a")).toBe("abcd");
  });

  it("ends the transfer with a wrong counter or too much data, and refuses a block without any", () => {
    const bench = DataBench.in("programming", true);
    bench.ask(add("/a", 2));
    expect(bench.ask("36 01")).toBe("7f 36 13");
    expect(bench.ask("37")).toBe("7f 37 24");
    expect(bench.ask("36 02 61")).toBe("7f 36 73");
    expect(bench.ask("36 01 61")).toBe("7f 36 24");
    bench.ask(add("/a", 2));
    expect(bench.ask("36 01 61 62 63")).toBe("7f 36 71");
    expect(bench.ask("37")).toBe("7f 37 24");
  });

  it("is bounded in bytes and in files, what is not whole included", () => {
    const files = { ...FAMILY_DATA.files, size: 10, filesMax: 2 };
    const bench = DataBench.in("programming", true, { data: { files } });
    put(bench, "/a", "12345");
    expect(bench.ask(add("/b", 6))).toBe("7f 38 70");
    expect(bench.ask(add("/b", 5))).toBe(ACCEPTED("01"));
    bench.ask("10 02");
    bench.unlock();
    expect(bench.ask(add("/c", 1))).toBe("7f 38 70");
    expect(bench.ask(add("/b", 1))).toBe(ACCEPTED("01"));
    bench.ask("10 02");
    bench.unlock();
    expect(bench.ask(add("/c", 1))).toBe("7f 38 70");
    bench.ask(`38 02 ${path("/b")}`);
    expect(bench.ask(add("/c", 5))).toBe(ACCEPTED("01"));
  });

  it("goes on alike from a snapshot", () => {
    const first = DataBench.in("programming", true);
    first.ask(add("/a", 4));
    first.ask("36 01 61 62");
    const second = DataBench.in("default");
    second.world.restore(first.world.snapshot());
    expect(second.ask("36 02 63 64")).toBe("76 02");
    expect(second.ask("37")).toBe("77");
    expect(read(second, "/a")).toBe("abcd");
  });
});
