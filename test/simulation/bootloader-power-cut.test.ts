import { describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { type Instant, ms, s } from "../../emulator/kernel/time.ts";
import type { WorldSnapshot } from "../../emulator/kernel/world.ts";
import { toHex } from "../../emulator/wire/text.ts";
import {
  BOOT_WINDOW,
  code,
  EcuBench,
  image,
  smallEcuWithBootloader,
  UPDATED,
} from "../emulator/ecu/support/ecu-bench.ts";

const SEED = process.env.SEED ?? "bootloader power cuts";
/** Cuts at each step of time, beside those at its edges. */
const CUTS = Number(process.env.CUTS ?? 3);

const loader = (version: string, securityCounter: number): Uint8Array =>
  image(version, { kind: "bootloader", securityCounter, code: code(`loader ${version}`, 6000) });
const LOADERS: ReadonlyMap<string, Uint8Array> = new Map([
  ["1.0.0", loader("1.0.0", 1)],
  ["1.1.0", loader("1.1.0", 2)],
  ["1.2.0", loader("1.2.0", 2)],
]);
const known = (version: string): Uint8Array => LOADERS.get(version) as Uint8Array;

/** A moment at which power may go: how the world was, and how long nothing happens after that. */
interface Moment {
  readonly snapshot: WorldSnapshot;
  readonly from: Instant;
  readonly next: Instant;
  readonly phase: string;
}

/** One update of the bootloader from the first request to the commit, with the world before each step of time. */
function wholeUpdate(): readonly Moment[] {
  const bench = new EcuBench(smallEcuWithBootloader());
  bench.core.provision(image("1.0.0"), { bootloader: known("1.0.0") });
  bench.powerOn();
  const moments: Moment[] = [];
  let phase = "download";
  bench.beforeStep = (next) => {
    moments.push({ snapshot: bench.world.snapshot(), from: bench.now, next, phase });
  };
  bench.enterProgramming();
  expect(bench.download(known("1.1.0"), 1024, BOOT_WINDOW)).toBe("77");
  phase = "trial";
  bench.ask("31 01 ff 02");
  bench.ask("31 01 ff 01");
  phase = "start";
  bench.ask("11 01");
  bench.untilRunning();
  expect(bench.bootVersion()).toBe("1.1.0");
  phase = "confirm";
  bench.after(s(3));
  phase = "commit";
  bench.ask("10 03");
  bench.unlock();
  expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
  return moments;
}

function cutAt(moment: Moment, instant: Instant): EcuBench {
  const bench = new EcuBench(smallEcuWithBootloader(), "other seed, not used");
  bench.world.restore(moment.snapshot);
  bench.world.timeline.runUntil(instant);
  bench.powerOff();
  bench.after(ms(100));
  return bench;
}

/** The bootloader that runs is one of those that are known, whole, and the ROM has found it good at that very start. */
function expectSound(bench: EcuBench, told: string): void {
  const running = bench.core.bootloader?.running;
  if (running === undefined || running.bank === "none") throw new Error(`${told}: the ECU lost its bootloader`);
  const whole = known(running.version);
  const { address } = (bench.config.bootloader as NonNullable<typeof bench.config.bootloader>).banks;
  const cells = bench.core.readFlash(address[running.bank], whole.length);
  expect(toHex(cells) === toHex(whole), told).toBe(true);
  expect(bench.core.running, told).toMatchObject({ bank: "A", version: "1.0.0" });
  expectOnlyChecked(bench, told);
}

/** No bootloader has been started without a check that it passed after the start before. */
function expectOnlyChecked(bench: EcuBench, told: string): void {
  const good = new Set<string>();
  for (const event of bench.world.trace.events()) {
    if (event.type === "bootloader.checked") {
      if (event.result === "ok") good.add(event.bank);
      else good.delete(event.bank);
    } else if (event.type === "bootloader.started") {
      expect(good, told).toContain(event.bank);
      good.clear();
    }
  }
}

function expectUpdatable(bench: EcuBench, told: string): void {
  bench.after(s(4));
  expectSound(bench, told);
  expect(bench.update(known("1.2.0"), BOOT_WINDOW), told).toBe(`${UPDATED}, 1.0.0`);
  bench.after(s(3));
  expectSound(bench, told);
  expect(bench.bootVersion(), told).toBe("1.2.0");
}

describe("a power cut at any instant of the update of a bootloader", () => {
  const moments = wholeUpdate();
  const prng = new Prng(SEED);
  const between = ({ from, next }: Moment): Instant => (from + prng.below(Math.max(1, next - from))) as Instant;
  const instants = (moment: Moment): readonly Instant[] => [
    moment.from,
    ...Array.from({ length: CUTS }, () => between(moment)),
    Math.max(moment.from, moment.next - 1) as Instant,
    moment.next,
  ];

  it("leaves one that runs, whole and checked, and that can be updated", () => {
    const versions = new Set<string>();
    let torn = 0;
    for (const moment of moments) {
      for (const instant of instants(moment)) {
        const told = `SEED="${SEED}": ${moment.phase} at ${instant} ns`;
        const bench = cutAt(moment, instant);
        bench.powerOn();
        expectSound(bench, told);
        const version = bench.bootVersion();
        versions.add(version);
        torn += bench.events("flash.torn").length;
        if (moment.phase === "download") expect(version, told).toBe("1.0.0");
        if (moment.phase === "commit") expect(version, told).toBe("1.1.0");
        expectUpdatable(bench, told);
      }
    }
    expect([...versions].sort()).toEqual(["1.0.0", "1.1.0"]);
    expect(torn).toBeGreaterThan(20);
  });

  it("is survived again and again during the starts that follow", () => {
    for (const moment of moments) {
      const bench = cutAt(moment, between(moment));
      for (let cut = 0; cut < 3; cut++) {
        bench.push({ type: "powerOn" });
        bench.after(ms(prng.below(400)));
        bench.powerOff();
      }
      bench.powerOn();
      expectSound(bench, moment.phase);
      expectUpdatable(bench, moment.phase);
    }
  });

  it("never lowers its anti-rollback counter, and raises it only with the commit", () => {
    for (const moment of moments) {
      const bench = cutAt(moment, between(moment));
      bench.powerOn();
      const floor = bench.core.bootloader?.metadata.rollbackFloor;
      if (moment.phase === "commit") expect([0, 2]).toContain(floor);
      else expect(floor).toBe(0);
    }
  });
});
