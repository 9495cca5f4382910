import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { code, EcuBench, image, smallEcu, uint32 } from "../ecu/support/ecu-bench.ts";
import { ServerBench } from "./support/server-bench.ts";

interface Step {
  readonly req: string;
  readonly rsp: string;
}

const steps = (file: string): readonly Step[] => {
  const path = new URL(`../../../fixtures/vectors/doip/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { steps: Step[] }).steps;
};
const plain = (answer: string): string => answer.replaceAll(" ", "");

function bootloader(): ServerBench {
  const bench = new ServerBench({ dialect: "familyBootloader" });
  bench.host.data.set(0xf190, new TextEncoder().encode("WBADT43452G296403"));
  return bench;
}

/** In programming, unlocked, with a download of `size` bytes. */
function downloading(size: string): ServerBench {
  const bench = bootloader();
  bench.ask("10 02");
  bench.unlock();
  bench.ask(`34 00 44 80000000 ${size}`);
  return bench;
}

describe("the family's bootloader", () => {
  it.each(["uds-01-bootloader-flash", "uds-03-bootloader-alfi"])("answers as the original does (%s)", (file) => {
    const bench = bootloader();
    const answers = steps(file).map(({ req }) => ({ req, rsp: plain(bench.ask(req)) }));
    expect(answers).toEqual(steps(file).map(({ req, rsp }) => ({ req, rsp })));
  });

  it.each([
    ["wants the session", "10", "7f 10 13"],
    ["has three sessions", "10 04", "7f 10 12"],
    ["does not know suppression", "10 83", "7f 10 12"],
    ["wants the type of reset", "11", "7f 11 13"],
    ["wants a whole identifier", "22 f1", "7f 22 13"],
    ["wants the type of access", "27", "7f 27 13"],
    ["has one level", "27 03", "7f 27 12"],
    ["wants a whole key", "27 02 00 00 00", "7f 27 13"],
    ["looks at the lock before the length", "2e f1", "7f 2e 33"],
    ["echoes any sub-function", "3e 7f", "7e 7f"],
    ["wants the sub-function of 3E", "3e", "7f 3e 13"],
    ["wants a download first", "36 01 00", "7f 36 24"],
    ["wants a download first, for its end too", "37", "7f 37 24"],
    ["has no routines", "31 01 ff 00", "7f 31 11"],
    ["has no other service", "28 00 01", "7f 28 11"],
  ])("%s: %s -> %s", (_title, request, response) => {
    expect(bootloader().ask(request)).toBe(response);
  });

  it("takes a key that nobody asked a seed for as one for seed 0", () => {
    expect(bootloader().ask("27 02 48 6e f1 97")).toBe("67 02");
  });

  it("refuses the third wrong key with 36, and everything with 37 for ten seconds", () => {
    const bench = bootloader();
    const wrong = "27 02 00 00 00 00";
    expect([bench.ask(wrong), bench.ask(wrong), bench.ask(wrong)]).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
    bench.after(ms(9_999));
    expect([bench.ask("27 01"), bench.ask("27 02 48 6e f1 97")]).toEqual(["7f 27 37", "7f 27 37"]);
    bench.after(ms(1));
    expect(bench.ask("27 02 48 6e f1 97")).toBe("67 02");
  });

  it("stays open in 03, and locks with 01 and 02", () => {
    const bench = bootloader();
    bench.unlock();
    bench.ask("10 03");
    expect(bench.ask("2e 12 34 00")).toBe("6e 12 34");
    bench.ask("10 02");
    expect(bench.ask("2e 12 34 00")).toBe("7f 2e 33");
  });

  it("counts blocks from 255 to 1", () => {
    const bench = downloading("00000200");
    for (let block = 1; block <= 255; block++) bench.ask(`36 ${block.toString(16).padStart(2, "0")} 00`);
    expect(bench.ask("36 00 00")).toBe("7f 36 73");
    expect(bench.ask("36 01 00")).toBe("76 01");
  });

  it("notices too much data only at the end, and never writes it", () => {
    const bench = downloading("00000002");
    expect([bench.ask("36 01 aa bb cc"), bench.ask("36 02 dd"), bench.ask("37")]).toEqual([
      "76 01",
      "76 02",
      "7f 37 72",
    ]);
    expect(bench.host.calls.filter((call) => call.startsWith("data"))).toEqual(["data 0 aa bb"]);
  });

  it("ends a download that can't be programmed with 72", () => {
    const bench = downloading("00000002");
    bench.host.outcome = { type: "refused", nrc: 0x72 };
    expect([bench.ask("36 01 aa"), bench.ask("36 02 bb")]).toEqual(["7f 36 72", "7f 36 24"]);
  });

  it("erases before it takes a download, and keeps the tester waiting with 0x78 meanwhile", () => {
    const bench = bootloader();
    bench.ask("10 02");
    bench.unlock();
    bench.responses.length = 0;
    bench.host.busyFor = ms(100);
    bench.ask("34 00 44 800d2000 00001000");
    bench.host.busyFor = ms(0);
    bench.after(s(1));
    expect(bench.responses).toEqual(["7f 34 78", "74 20 04 00"]);
    expect(bench.host.calls).toEqual(["routine ff00 44 80 0d 20 00 00 00 10 00", "download 800d2000 1000"]);
  });
});

describe("a virtual ECU with the family's bootloader", () => {
  const family = () => smallEcu({ uds: { dialect: "familyBootloader" } });

  function flash(bench: EcuBench, data: Uint8Array): string {
    bench.ask("10 02");
    bench.unlock();
    let answer = bench.ask(`34 00 44 800d2000 ${uint32(data.length)}`);
    for (let offset = 0, counter = 1; offset < data.length && !answer.startsWith("7f"); offset += 1024) {
      answer = bench.ask(`36 ${counter.toString(16).padStart(2, "0")} ${toHex(data.subarray(offset, offset + 1024))}`);
      counter = (counter % 255) + 1;
    }
    return answer.startsWith("7f") ? answer : bench.ask("37");
  }

  it("is flashed in the bootloader's own way and runs what it was given", () => {
    const bench = EcuBench.running(family());
    expect(flash(bench, image("1.1.0", { code: code("family", 9000) }))).toBe("77");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.core.running).toMatchObject({ bank: "B", version: "1.1.0" });
  });

  it("refuses at the end an image that fails its check, and goes on with the old one", () => {
    const bench = EcuBench.running(family());
    expect(flash(bench, code("no image", 2048))).toBe("7f 37 72");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.core.running).toMatchObject({ bank: "A", version: "1.0.0" });
  });
});
