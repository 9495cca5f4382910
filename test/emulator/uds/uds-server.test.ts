import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Duration, ms, ns, s } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { randomRequest, ServerBench } from "./support/server-bench.ts";

const less = (span: Duration): Duration => (span - ns(1)) as Duration;

describe("S3", () => {
  it("ends the session and locks security exactly five seconds after the last response", () => {
    const bench = ServerBench.in("extended", true);
    bench.after(less(s(5)));
    expect(bench.server.session).toBe(3);
    bench.after(ns(1));
    expect(bench.server.session).toBe(1);
    bench.ask("10 03");
    expect(bench.ask("22 f1 a1")).toBe("7f 22 33");
  });

  it.each([
    ["3e 00", false],
    ["3e 80", false],
    ["3e 80", true],
    ["22 12 34", false],
    ["ba", true],
  ])("starts again with %s, functional %s", (request, functional) => {
    const bench = ServerBench.in("extended");
    bench.after(s(4));
    bench.ask(request, functional);
    bench.after(less(s(5)));
    expect(bench.server.session).toBe(3);
    bench.after(ns(1));
    expect(bench.server.session).toBe(1);
  });

  it("runs from the confirmation of the response, not from the request", () => {
    const bench = ServerBench.in("extended");
    bench.confirmsAtOnce = false;
    bench.ask("22 f1 a2");
    bench.after(s(20));
    expect(bench.server.session).toBe(3);
    bench.push({ type: "sent" });
    bench.after(less(s(5)));
    expect(bench.server.session).toBe(3);
    bench.after(ns(1));
    expect(bench.server.session).toBe(1);
  });

  it("is held while a long request is coming in, and runs again when that breaks off", () => {
    const bench = ServerBench.in("extended");
    bench.after(s(4));
    bench.push({ type: "receiving" });
    bench.after(s(20));
    expect(bench.server.session).toBe(3);
    bench.push({ type: "receptionFailed" });
    bench.after(s(5));
    expect(bench.server.session).toBe(1);
  });

  it("is held while a request is in progress, however long", () => {
    const bench = ServerBench.in("programming", true);
    bench.host.busyFor = s(60);
    bench.ask("31 01 ff 00");
    bench.after(less(s(60)));
    expect(bench.server.session).toBe(2);
    bench.after(ns(1));
    expect(bench.responses.at(-1)).toBe("71 01 ff 00");
    bench.after(less(s(5)));
    expect(bench.server.session).toBe(2);
    bench.after(ns(1));
    expect(bench.server.session).toBe(1);
  });

  it("runs from the end of a work whose answer is suppressed", () => {
    const bench = ServerBench.in("extended");
    bench.host.busyFor = ms(20);
    bench.ask("31 81 02 03");
    bench.after(ms(20));
    expect(bench.responses).toEqual(["50 03 00 32 01 f4"]);
    bench.after(less(s(5)));
    expect(bench.server.session).toBe(3);
    bench.after(ns(1));
    expect(bench.server.session).toBe(1);
  });

  it("does not run in the default session", () => {
    const bench = new ServerBench();
    bench.ask("3e 00");
    expect(bench.world.timeline.next).toBeUndefined();
  });

  it("takes the download with it", () => {
    const bench = ServerBench.in("programming", true);
    bench.ask("34 00 44 800d2000 00001000");
    bench.after(s(5));
    expect(bench.ask("36 01 00")).toBe("7f 36 7f");
  });
});

describe("0x78", () => {
  const busy = (span: Duration): ServerBench => {
    const bench = ServerBench.in("programming", true);
    bench.host.busyFor = span;
    bench.responses.length = 0;
    bench.responseTimes.length = 0;
    return bench;
  };

  it("is not sent for work that is done within P2", () => {
    const bench = busy(ms(20));
    bench.ask("31 01 ff 00");
    bench.after(ms(20));
    expect(bench.responses).toEqual(["71 01 ff 00"]);
  });

  it("comes within P2, then within every P2*, until the answer", () => {
    const bench = busy(s(12));
    const asked = bench.now;
    bench.ask("31 01 ff 00");
    bench.after(s(12));
    expect(bench.responses).toEqual(["7f 31 78", "7f 31 78", "7f 31 78", "71 01 ff 00"]);
    const gaps = bench.responseTimes.map((at, index) => at - (bench.responseTimes[index - 1] ?? asked));
    expect(gaps[0]).toBeLessThan(ms(50));
    for (const gap of gaps.slice(1)) expect(gap).toBeLessThan(s(5));
    for (const gap of gaps.slice(1, -1)) expect(gap).toBeGreaterThan(s(4)); // and no flood of them
  });

  it("makes the server ignore that the positive response should be suppressed", () => {
    const quick = busy(ms(20));
    quick.ask("31 81 ff 00");
    quick.after(s(1));
    expect(quick.responses).toEqual([]);
    const slow = busy(ms(200));
    slow.ask("31 81 ff 00");
    slow.after(s(1));
    expect(slow.responses).toEqual(["7f 31 78", "71 01 ff 00"]);
  });

  it("is followed by the negative response when the work fails", () => {
    const bench = busy(ms(200));
    bench.host.outcome = { type: "refused", nrc: 0x72 };
    bench.ask("31 01 ff 00");
    bench.after(s(1));
    expect(bench.responses).toEqual(["7f 31 78", "7f 31 72"]);
  });

  it("is followed by a negative response to a functional request that would be silent otherwise", () => {
    const bench = busy(ms(200));
    bench.host.outcome = { type: "refused", nrc: 0x31 };
    bench.ask("11 01", true);
    bench.after(s(1));
    expect(bench.responses).toEqual(["7f 11 78", "7f 11 31"]);
  });
});

describe("0x21", () => {
  it("answers what comes while a request is in progress, and does not disturb that", () => {
    const bench = ServerBench.in("programming", true);
    bench.host.busyFor = s(1);
    bench.ask("31 01 ff 00");
    expect(bench.ask("31 01 ff 00")).toBe("7f 31 21");
    expect(bench.ask("10 01")).toBe("7f 10 21");
    expect(bench.ask("3e 00", true)).toBe("7f 3e 21");
    expect(bench.host.calls).toEqual(["routine ff00"]);
    bench.after(s(1));
    expect(bench.responses.at(-1)).toBe("71 01 ff 00");
  });

  it("is not sent to a keep-alive without response", () => {
    const bench = ServerBench.in("programming", true);
    bench.host.busyFor = s(1);
    bench.ask("31 01 ff 00");
    expect(bench.ask("3e 80", true)).toBe("");
    expect(bench.ask("3e 80")).toBe("");
  });
});

describe("functional addressing", () => {
  it.each([
    ["0x11", "ba 01"],
    ["0x11 for a service that is physical only", "36 01 00"],
    ["0x12", "3e 01"],
    ["0x31", "22 12 34"],
    ["0x7E", "10 02"],
  ])("keeps silent about NRC %s", (_nrc, request) => {
    expect(new ServerBench().ask(request, true)).toBe("");
  });

  it("keeps silent about 11, 12, 31, 7E and 7F, and about no other of the 256 NRCs", () => {
    const bench = new ServerBench();
    const silent = Array.from({ length: 256 }, (_, nrc) => nrc).filter((nrc) => {
      bench.host.misbehaviour = { type: "refuse", nrc };
      expect(bench.ask("22 f1 86")).toMatch(/^7f 22 ..$/);
      return bench.ask("22 f1 86", true) === "";
    });
    expect(silent).toEqual([0x11, 0x12, 0x31, 0x7e, 0x7f]);
  });

  it("answers other negative responses and all positive ones", () => {
    const bench = new ServerBench();
    expect(bench.ask("3e", true)).toBe("7f 3e 13");
    expect(bench.ask("3e 00", true)).toBe("7e 00");
    expect(bench.ask("22 f1 86", true)).toBe("62 f1 86 01");
    expect(bench.ask("10 03", true)).toBe("50 03 00 32 01 f4");
  });
});

describe("the security delay", () => {
  const wrongKey = (bench: ServerBench): string => {
    bench.ask("27 01");
    return bench.ask("27 02 00 00 00 00");
  };

  it("begins with the third wrong key and ends after ten seconds", () => {
    const bench = ServerBench.in("extended", false, { s3Server: s(60) });
    expect([wrongKey(bench), wrongKey(bench), wrongKey(bench)]).toEqual(["7f 27 35", "7f 27 35", "7f 27 36"]);
    expect(bench.ask("27 01")).toBe("7f 27 37");
    expect(bench.ask("27 02 1e 16 e3 a3")).toBe("7f 27 24");
    bench.after(less(s(10)));
    expect(bench.ask("27 01")).toBe("7f 27 37");
    bench.after(ns(1));
    expect(bench.unlock()).toBe("67 02");
  });

  it("counts over sessions, and begins anew after a right key", () => {
    const bench = ServerBench.in("extended");
    wrongKey(bench);
    wrongKey(bench);
    bench.ask("10 02");
    expect(bench.unlock()).toBe("67 02");
    bench.ask("10 03");
    wrongKey(bench);
    bench.ask("10 01");
    bench.ask("10 03");
    wrongKey(bench);
    expect(wrongKey(bench)).toBe("7f 27 36");
  });
});

describe("the server", () => {
  it("sends one response at a time and drops requests when too many wait", () => {
    const bench = new ServerBench();
    bench.confirmsAtOnce = false;
    for (let count = 0; count < 10; count++) bench.ask("3e 00");
    expect(bench.responses).toEqual(["7e 00"]);
    bench.confirmsAtOnce = true;
    bench.push({ type: "sent" });
    expect(bench.responses).toEqual(["7e 00", "7e 00", "7e 00", "7e 00"]);
    expect(bench.ask("3e 00")).toBe("7e 00");
  });

  it("ignores an empty message", () => {
    expect(new ServerBench().ask("")).toBe("");
  });

  it("records requests, responses and sessions in the trace", () => {
    const bench = new ServerBench();
    bench.ask("10 03", true);
    bench.after(s(5));
    const events = [...bench.world.trace.events()].map(({ type }) => type);
    expect(events).toEqual(["uds.request", "uds.response", "uds.session", "uds.session"]);
  });

  it("answers or keeps silent, whatever comes, and goes the same way when forked", () => {
    const prng = new Prng("uds noise");
    const bench = ServerBench.in("programming", true);
    bench.host.busyFor = ms(3);
    for (let round = 0; round < 3000; round++) {
      const request = toHex(randomRequest(prng));
      const fork = new ServerBench();
      fork.host.busyFor = ms(3);
      fork.host.seeds = [];
      bench.host.seeds = [];
      fork.world.restore(bench.world.snapshot());
      const functional = prng.below(4) === 0;
      const answer = bench.ask(request, functional);
      expect(fork.ask(request, functional)).toBe(answer);
      expect(answer).toMatch(/^$|^7f .. ..$|^[4-7]/);
      if (prng.below(20) === 0) bench.after(ms(prng.below(3000)));
      if (round % 100 === 0) {
        bench.world.trace.load({ bytes: new Uint8Array(0), count: 0 });
        bench.ask("10 03");
        bench.ask("10 02");
        bench.unlock();
      }
    }
  });
});
