import { describe, expect, it } from "vitest";
import { Prng } from "../../emulator/kernel/prng.ts";
import { ms, s } from "../../emulator/kernel/time.ts";
import {
  BOOT_WINDOW,
  code,
  EcuBench,
  type ImageOptions,
  image,
  OTHER_KEY,
  smallEcuWithBootloader,
  UPDATED,
  uint32,
} from "../emulator/ecu/support/ecu-bench.ts";

const SEED = process.env.SEED ?? "boot chain";
const LIVES = Number(process.env.LIVES ?? 60);
const STEPS = 25;
const WINDOW = 0x800d2000;

const made = (kind: "application" | "bootloader", version: string, options: ImageOptions): Uint8Array =>
  image(version, { kind, code: code(`${kind} ${version}`, 700), ...options });

/** Images good and bad, for both places. The last number of a version is its security counter. */
const OFFERS = (["application", "bootloader"] as const).flatMap((kind) => [
  made(kind, "1.0.1", { securityCounter: 1 }),
  made(kind, "1.0.2", { securityCounter: 2 }),
  made(kind, "1.0.3", { securityCounter: 3 }),
  made(kind, "6.6.6", { securityCounter: 9, key: OTHER_KEY }),
  made(kind, "6.6.7", { securityCounter: 9, ecu: "ECU_012" }),
]);

/** One life of an ECU in the hands of a tester without sense, with a power that comes and goes. */
class Life {
  readonly bench = new EcuBench(smallEcuWithBootloader());
  readonly #prng: Prng;
  readonly #told: string[] = [];
  readonly #floors = [0, 0];

  constructor(seed: string) {
    this.#prng = new Prng(seed);
    this.#told.push(`SEED="${SEED}" ${seed}`);
    const bootloader = made("bootloader", "1.0.1", { securityCounter: 1 });
    this.bench.core.provision(made("application", "1.0.1", { securityCounter: 1 }), { bootloader });
    this.bench.powerOn();
  }

  step(): void {
    const { bench } = this;
    const steps: readonly (() => void)[] = [
      () => this.#program(),
      () => this.#update(),
      () => this.#update(),
      () => this.#update(),
      () => this.#ask("31 01 ff 02"),
      () => this.#ask("31 01 ff 01"),
      () => this.#ask("31 01 ff 01"),
      () => this.#ask("31 01 03 01"),
      () => this.#ask("31 01 03 01 01"),
      () => this.#ask("31 01 03 02"),
      () => this.#ask("11 01"),
      () => this.#after(ms(this.#prng.below(5000))),
      () => this.#after(s(3)),
      () => this.#powerCut(),
      () => bench.core.misbehave({ name: "crashOnTrial", times: 1 + this.#prng.below(4) }),
      () => bench.core.misbehave({ name: "bootloaderCrashOnTrial", times: 1 + this.#prng.below(4) }),
      () => bench.core.misbehave({ name: "resetInTheMiddle", sid: 0x31, after: ms(this.#prng.below(300)) }),
    ];
    steps[this.#prng.below(steps.length)]?.();
    this.#look();
  }

  /** Nothing disturbs it any more: it takes an update of both. */
  end(): void {
    const { bench } = this;
    for (let request = 0; request < 100; request++) bench.ask("22 f1 95"); // wears off what was armed against requests
    const next = { securityCounter: 4 };
    const told = this.#told.join(", ");
    for (let attempt = 0; attempt < 30 && bench.bootVersion() !== "1.0.4"; attempt++) {
      bench.after(s(10));
      bench.update(made("bootloader", "1.0.4", next), BOOT_WINDOW);
      this.#look();
    }
    for (let attempt = 0; attempt < 30 && bench.version() !== "1.0.4"; attempt++) {
      bench.after(s(10));
      bench.update(made("application", "1.0.4", next));
      this.#look();
    }
    bench.after(s(10));
    expect([bench.version(), bench.bootVersion()], told).toEqual(["1.0.4", "1.0.4"]);
    expect(bench.update(made("application", "1.0.5", { securityCounter: 5 })), told).toBe(`${UPDATED}, 1.0.5`);
  }

  /** What must hold at any time. */
  #look(): void {
    const { core, world } = this.bench;
    const told = this.#told.join(", ");
    this.#awake();
    expect(core.running?.version, told).toMatch(/^1\.0\./);
    expect(core.bootloader?.running.version, told).toMatch(/^1\.0\./);
    const floors = [core.metadata.rollbackFloor, core.bootloader?.metadata.rollbackFloor ?? 0];
    floors.forEach((floor, index) => {
      expect(floor, told).toBeGreaterThanOrEqual(this.#floors[index] as number);
      this.#floors[index] = floor;
    });
    expectOnlyChecked([...world.trace.events()], told);
  }

  #awake(): void {
    this.bench.after(ms(0));
    if (!this.bench.core.powered) this.bench.push({ type: "powerOn" });
    const limit = this.bench.now + s(60);
    while (this.bench.core.running === undefined && this.bench.now < limit) this.bench.after(ms(10));
  }

  #program(): void {
    const { bench } = this;
    const window = this.#prng.below(2) === 0 ? WINDOW : BOOT_WINDOW;
    const data = OFFERS[this.#prng.below(OFFERS.length)] as Uint8Array;
    this.#told.push(`program ${window.toString(16)}`);
    bench.enterProgramming();
    bench.download(data, 512, window);
    if (this.#prng.below(4) === 0) bench.ask(`31 01 ff 00 44 ${uint32(window)} ${uint32(0x1000)}`);
  }

  /** Up to the reset, and beyond; often both areas one after the other. */
  #update(): void {
    this.#program();
    this.bench.ask("31 01 ff 01");
    if (this.#prng.below(2) === 0) {
      this.#program();
      this.bench.ask("31 01 ff 01");
    }
    this.#ask("11 01");
    this.#awake();
    this.#after(ms(this.#prng.below(2500)));
  }

  #ask(request: string): void {
    this.#told.push(`${request} at ${this.bench.now}`);
    if (request.startsWith("31 01 03") && this.#prng.below(2) === 0) {
      this.bench.ask("10 03");
      this.bench.unlock();
    }
    if (this.#prng.below(3) > 0) {
      this.bench.ask(request);
      return;
    }
    this.bench.send(request);
    this.bench.after(ms(this.#prng.below(60)));
    this.#powerCut();
  }

  #after(span: ReturnType<typeof ms>): void {
    this.#told.push(`after ${span}`);
    this.bench.after(span);
  }

  #powerCut(): void {
    this.#told.push(`cut at ${this.bench.now}`);
    this.bench.powerOff();
    this.bench.after(ms(100));
    this.bench.push({ type: "powerOn" });
    this.bench.after(ms(this.#prng.below(500)));
    if (this.#prng.below(2) === 0) this.bench.powerOff();
  }
}

/** Bootloaders and applications that were started had passed a check of that very start. */
function expectOnlyChecked(events: Iterable<{ readonly type: string }>, told: string): void {
  const good = new Set<string>();
  for (const event of events) {
    const { type, bank, result } = event as { type: string; bank?: string; result?: string };
    if (type === "ecu.reset" || type === "ecu.power") good.clear();
    const kind = type.slice(0, type.indexOf("."));
    if (type.endsWith(".checked") && result === "ok") good.add(`${kind} ${bank}`);
    if (type.endsWith(".checked") && result !== "ok") good.delete(`${kind} ${bank}`);
    if (type === "bootloader.started" || (type === "boot.started" && bank !== "none")) {
      expect(good, told).toContain(`${kind} ${bank}`);
    }
  }
}

const HAPPENS = ["boot.confirmed", "bootloader.confirmed", "boot.reverted", "bootloader.reverted", "flash.torn"];
const count = (life: Life, type: string): number =>
  [...life.bench.world.trace.events()].filter((event) => event.type === type).length;

describe("the boot chain in the hands of a tester without sense", () => {
  it("never runs what it has not checked, never lowers a counter, and always comes up and takes an update", () => {
    const seen = new Map<string, number>();
    for (let life = 0; life < LIVES; life++) {
      const one = new Life(`${SEED} ${life}`);
      for (let step = 0; step < STEPS; step++) one.step();
      for (const type of HAPPENS) seen.set(type, (seen.get(type) ?? 0) + count(one, type));
      one.end();
    }
    for (const type of HAPPENS) expect(seen.get(type), type).toBeGreaterThan(LIVES / 10);
  }, 120_000);
});
