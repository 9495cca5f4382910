import { describe, expect, it } from "vitest";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, s } from "../../../emulator/kernel/time.ts";
import type { WorldSnapshot } from "../../../emulator/kernel/world.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { code, EcuBench, image, smallEcu, UPDATED } from "./support/ecu-bench.ts";

const BEFORE = image("1.0.0", { code: code("before", 9000), securityCounter: 1 });
const AFTER = image("1.1.0", { code: code("after", 12_000), securityCounter: 2 });
const NEXT = image("1.2.0", { code: code("next", 5000), securityCounter: 2 });
const KNOWN: ReadonlyMap<string, Uint8Array> = new Map([
  ["1.0.0", BEFORE],
  ["1.1.0", AFTER],
  ["1.2.0", NEXT],
]);

/** A moment of the update at which power may go: how the world was, and how long nothing happens after that. */
interface Moment {
  readonly snapshot: WorldSnapshot;
  readonly from: Instant;
  readonly next: Instant;
  readonly phase: string;
}

/** One update from the first request to the commit, with the world before each step of time. */
function wholeUpdate(): readonly Moment[] {
  const bench = new EcuBench();
  bench.core.provision(BEFORE);
  bench.powerOn();
  const moments: Moment[] = [];
  let phase = "session";
  bench.beforeStep = (next) => {
    moments.push({ snapshot: bench.world.snapshot(), from: bench.now, next, phase });
  };
  bench.enterProgramming();
  bench.ask("2e f1 5b 01 02 03");
  phase = "download";
  expect(bench.download(AFTER)).toBe("77");
  phase = "check";
  bench.ask("31 01 ff 02");
  bench.ask("31 01 ff 01");
  phase = "start";
  bench.ask("11 01");
  bench.untilRunning();
  expect(bench.version()).toBe("1.1.0");
  phase = "confirm";
  bench.after(s(3));
  bench.ask("10 03");
  bench.unlock();
  phase = "commit";
  expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
  expect(bench.core.metadata.rollbackFloor).toBe(2);
  return moments;
}

/** The world as it was at `moment`, then at `instant` without power. */
function cutAt(moment: Moment, instant: Instant): EcuBench {
  const bench = new EcuBench(smallEcu(), "other seed, not used");
  bench.world.restore(moment.snapshot);
  bench.world.timeline.runUntil(instant);
  bench.powerOff();
  expect(bench.world.timeline.next).toBeUndefined(); // nothing goes on without power
  bench.after(ms(100));
  return bench;
}

/** What must hold for every ECU at every time: it runs what it has checked, and that is one of the images, whole. */
function expectSound(bench: EcuBench): void {
  const running = bench.core.running;
  if (running === undefined || running.bank === "none") throw new Error("the ECU lost its application");
  const whole = KNOWN.get(running.version) as Uint8Array;
  const cells = bench.core.readFlash(bench.config.banks.address[running.bank], whole.length);
  expect(toHex(cells) === toHex(whole)).toBe(true);
  const checked = bench.events("boot.checked").filter(({ bank }) => bank === running.bank);
  expect(checked.at(-1)).toMatchObject({ result: "ok", version: running.version });
}

function expectUpdatable(bench: EcuBench): void {
  bench.after(s(4));
  expectSound(bench);
  expect(bench.update(NEXT)).toBe(`${UPDATED}, 1.2.0`);
  bench.after(s(3));
  expectSound(bench);
  const { bank } = bench.core.running as { bank: "A" | "B" };
  expect(bench.core.metadata.banks[bank]).toEqual({ status: "valid", starts: 0 });
}

describe("a power cut at any instant of an update", () => {
  const moments = wholeUpdate();
  const prng = new Prng("power cuts");
  const between = ({ from, next }: Moment): Instant => (from + prng.below(Math.max(1, next - from))) as Instant;
  const instants = (moment: Moment): readonly Instant[] => [
    moment.from,
    ...Array.from({ length: 5 }, () => between(moment)),
    Math.max(moment.from, moment.next - 1) as Instant,
    moment.next,
  ];

  it("is tried in all its phases, and at the boundaries of everything that happens", () => {
    expect(moments.length).toBeGreaterThan(30);
    expect(new Set(moments.map(({ phase }) => phase)).size).toBe(6);
  });

  it("leaves an ECU that runs a whole image that it has checked, and that takes the next update", () => {
    const versions = new Set<string>();
    let torn = 0;
    for (const moment of moments) {
      for (const instant of instants(moment)) {
        const bench = cutAt(moment, instant);
        bench.powerOn();
        expectSound(bench);
        const { version } = bench.core.running as { version: string };
        versions.add(version);
        torn += bench.events("flash.torn").length;
        if (moment.phase === "session" || moment.phase === "download") expect(version).toBe("1.0.0");
        if (moment.phase === "commit") expect(version).toBe("1.1.0");
        expectUpdatable(bench);
      }
    }
    expect([...versions].sort()).toEqual(["1.0.0", "1.1.0"]);
    expect(torn).toBeGreaterThan(50);
  });

  it("is survived a second and a third time during the starts that follow", () => {
    for (const moment of moments) {
      const bench = cutAt(moment, between(moment));
      for (let cut = 0; cut < 2; cut++) {
        bench.push({ type: "powerOn" });
        bench.after(ms(prng.below(400)));
        bench.powerOff();
      }
      bench.powerOn();
      expectSound(bench);
      expectUpdatable(bench);
    }
  });

  it("never lowers the anti-rollback counter, and raises it only with the commit", () => {
    for (const moment of moments) {
      const bench = cutAt(moment, between(moment));
      bench.powerOn();
      const floor = bench.core.metadata.rollbackFloor;
      if (moment.phase === "commit") expect([0, 2]).toContain(floor);
      else expect(floor).toBe(0);
    }
  });

  it("tears flash the same way in two runs with one seed", () => {
    const moment = moments.find(({ phase, next, from }) => phase === "download" && next - from > ms(100)) as Moment;
    const instant = (moment.from + ms(77)) as Instant;
    const [first, second] = [cutAt(moment, instant), cutAt(moment, instant)];
    expect(first.events("flash.torn")).toHaveLength(1);
    expect(first.world.trace.bytes()).toEqual(second.world.trace.bytes());
    const { codeFlash } = first.config;
    const cells = (bench: EcuBench) => toHex(bench.core.readFlash(codeFlash.address, codeFlash.size));
    expect(cells(first)).toBe(cells(second));
  });
});

describe("a power cut of an ECU that has only its bootloader", () => {
  it("at any instant of its programming leaves it programmable", () => {
    const base = new EcuBench();
    base.powerOn();
    const moments: Moment[] = [];
    base.beforeStep = (next) => {
      moments.push({ snapshot: base.world.snapshot(), from: base.now, next, phase: "any" });
    };
    expect(base.update(AFTER)).toBe(`${UPDATED}, 1.1.0`);
    base.after(s(3));
    for (const moment of moments) {
      const bench = cutAt(moment, (moment.next - 1) as Instant);
      bench.powerOn();
      bench.after(s(4));
      if (bench.core.running?.bank !== "none") expectSound(bench);
      expect(bench.update(NEXT)).toBe(`${UPDATED}, 1.2.0`);
      expectSound(bench);
    }
  });
});
