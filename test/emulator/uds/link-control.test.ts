import { describe, expect, it } from "vitest";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { ServerBench } from "./support/server-bench.ts";

const rates = (bench: ServerBench): readonly number[] => {
  const found: number[] = [];
  for (const event of bench.world.trace.events()) if (event.type === "uds.link") found.push(event.bitRate);
  return found;
};

describe("0x87 LinkControl", () => {
  it.each([
    ["verifies a fixed rate", "extended", "87 01 13", "c7 01"],
    ["verifies a rate by number: 250,000 bit/s", "extended", "87 02 03 d0 90", "c7 02"],
    ["is there in programming too", "programming", "87 01 12", "c7 01"],
    ["suppresses its positive response", "extended", "87 81 13", ""],
    ["is not there in the default session", "default", "87 01 13", "7f 87 7f"],
    ["has no other sub-function", "extended", "87 04", "7f 87 12"],
    ["wants the sub-function", "extended", "87", "7f 87 13"],
    ["wants the identifier of the rate", "extended", "87 01", "7f 87 13"],
    ["wants nothing behind it", "extended", "87 01 13 00", "7f 87 13"],
    ["wants a rate of three bytes", "extended", "87 02 03 d0", "7f 87 13"],
    ["wants nothing with the transition", "extended", "87 03 00", "7f 87 13"],
    ["refuses an identifier that is reserved", "extended", "87 01 14", "7f 87 31"],
    ["refuses a rate of a serial line", "extended", "87 01 05", "7f 87 31"],
    ["refuses a rate that it can't do: 333,333 bit/s", "extended", "87 02 05 16 15", "7f 87 31"],
    ["refuses a transition that was not verified", "extended", "87 03", "7f 87 24"],
  ] as const)("%s (%s): %s -> %s", (_title, session, request, response) => {
    expect(ServerBench.in(session).ask(request)).toBe(response);
  });

  it("goes over to what was verified last, once", () => {
    const bench = ServerBench.in("extended");
    bench.ask("87 01 13");
    bench.ask("87 01 11");
    expect(rates(bench)).toEqual([]);
    expect(bench.ask("87 03")).toBe("c7 03");
    expect(rates(bench)).toEqual([250_000]);
    expect(bench.ask("87 03")).toBe("7f 87 24");
  });

  it("keeps what was verified when the next one is refused", () => {
    const bench = ServerBench.in("extended");
    bench.ask("87 01 13");
    bench.ask("87 01 05");
    expect(bench.ask("87 83")).toBe("");
    expect(rates(bench)).toEqual([1_000_000]);
  });

  it.each([
    ["10 01", (bench: ServerBench) => bench.ask("10 01")],
    ["S3", (bench: ServerBench) => bench.after(s(5))],
  ])("goes back with %s", (_, end) => {
    const bench = ServerBench.in("extended");
    bench.ask("87 01 13");
    bench.ask("87 03");
    end(bench);
    expect(rates(bench)).toEqual([1_000_000, 0]);
  });

  it("stays over in the other sessions", () => {
    const bench = ServerBench.in("extended");
    bench.ask("87 01 13");
    bench.ask("87 03");
    bench.ask("10 02");
    expect(rates(bench)).toEqual([1_000_000]);
  });

  it("is remembered in a fork", () => {
    const bench = ServerBench.in("extended");
    bench.ask("87 01 13");
    const fork = new ServerBench();
    fork.world.restore(bench.world.snapshot());
    expect(fork.ask("87 03")).toBe("c7 03");
    expect(fork.ask("87 03")).toBe("7f 87 24");
  });
});

describe("0x11 rapid power shut-down", () => {
  const powerDown = { afterRun: s(30), rapidSeconds: 2 };

  it.each([
    ["tells powerDownTime", "11 04", "51 04 02"],
    ["is taken back without it", "11 05", "51 05"],
    ["suppresses its positive response", "11 84", ""],
    ["wants nothing more", "11 04 00", "7f 11 13"],
  ])("%s: %s -> %s", (_title, request, response) => {
    const bench = new ServerBench({ powerDown });
    expect(bench.ask(request)).toBe(response);
    expect(bench.resets).toEqual([]);
  });

  it("is a sub-function that an ECU without it does not have", () => {
    expect(new ServerBench().ask("11 04")).toBe("7f 11 12");
    expect(new ServerBench().ask("11 05")).toBe("7f 11 12");
  });

  it.each([
    ["11 02", [], s(30)],
    ["11 02", ["11 04"], s(2)],
    ["11 02", ["11 04", "11 05"], s(30)],
    ["11 01", ["11 04"], ms(0)],
    ["11 03", ["11 04"], ms(0)],
  ] as const)("%s after %j keeps the ECU down for %i ns", (reset, before, span) => {
    const bench = new ServerBench({ powerDown });
    for (const request of before) bench.ask(request);
    bench.ask(reset);
    expect(bench.downTimes).toEqual([span]);
  });
});
