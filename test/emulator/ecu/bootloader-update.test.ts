import { describe, expect, it } from "vitest";
import type { Behaviour } from "../../../emulator/ecu/behaviours.ts";
import type { EcuConfig } from "../../../emulator/ecu/config.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import {
  BOOT_WINDOW,
  code,
  EcuBench,
  type ImageOptions,
  image,
  OTHER_KEY,
  smallEcu,
  smallEcuWithBootloader,
  UPDATED,
  uint32,
} from "./support/ecu-bench.ts";

const loader = (version: string, options: ImageOptions = {}): Uint8Array =>
  image(version, { kind: "bootloader", code: code(`loader ${version}`, 2500), ...options });

function running(config: EcuConfig = smallEcuWithBootloader(), securityCounter = 1): EcuBench {
  const bench = new EcuBench(config);
  bench.core.provision(image("1.0.0"), { bootloader: loader("1.0.0", { securityCounter }) });
  bench.powerOn();
  return bench;
}
const misbehaving = (...behaviours: readonly Behaviour[]): EcuBench => running(smallEcuWithBootloader({ behaviours }));

const starts = (bench: EcuBench): string[] =>
  bench.events("bootloader.started").map(({ bank, version, trial }) => `${bank} ${version} ${trial}`);
const boot = (bench: EcuBench) => bench.core.bootloader as NonNullable<EcuBench["core"]["bootloader"]>;
const updateLoader = (bench: EcuBench, data: Uint8Array): string => bench.update(data, BOOT_WINDOW);

describe("the update of a bootloader", () => {
  it("goes by the same services to its own window; the new one runs, on trial", () => {
    const bench = running();
    expect(bench.bootVersion()).toBe("1.0.0");
    expect(updateLoader(bench, loader("1.1.0"))).toBe(`${UPDATED}, 1.0.0`); // of the application, which stays
    expect(bench.bootVersion()).toBe("1.1.0");
    expect(starts(bench)).toEqual(["A 1.0.0 0", "B 1.1.0 1"]);
    expect(boot(bench).metadata.banks.B).toEqual({ status: "trial", starts: 1 });
  });

  it("is confirmed by the application, and by nothing else", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0"));
    bench.after(ms(1900));
    expect(boot(bench).metadata.banks.B.status).toBe("trial");
    bench.after(ms(200));
    expect(boot(bench).metadata.banks.B).toEqual({ status: "valid", starts: 0 });
    expect(bench.events("bootloader.confirmed")).toMatchObject([{ bank: "B", version: "1.1.0" }]);
    expect(bench.events("boot.confirmed")).toEqual([]);
    bench.ask("11 01");
    bench.untilRunning();
    expect(starts(bench).at(-1)).toBe("B 1.1.0 0");
  });

  it("without an application stays on trial, and is taken back after three starts", () => {
    const bench = new EcuBench(smallEcuWithBootloader());
    bench.core.provision(image("1.0.0", { key: OTHER_KEY }), { bootloader: loader("1.0.0") });
    bench.powerOn();
    expect(bench.core.running?.bank).toBe("none");
    updateLoader(bench, loader("1.1.0"));
    for (let start = 1; start <= 3; start++) {
      expect(bench.bootVersion()).toBe("1.1.0");
      bench.after(s(60));
      bench.powerOff();
      bench.powerOn();
    }
    expect(bench.bootVersion()).toBe("1.0.0");
    expect(bench.events("bootloader.reverted")).toMatchObject([{ from: "B", to: "A", why: "startsExceeded" }]);
  });

  it("that hangs at its start is ended by the watchdog; after three starts the old one is back", () => {
    const bench = misbehaving({ name: "bootloaderCrashOnTrial" });
    updateLoader(bench, loader("1.1.0"));
    expect(starts(bench)).toEqual(["A 1.0.0 0", "B 1.1.0 1", "B 1.1.0 1", "B 1.1.0 1", "A 1.0.0 0"]);
    expect(bench.events("ecu.reset").map(({ cause }) => cause)).toEqual(["hardReset", ...Array(3).fill("watchdog")]);
    expect(bench.bootVersion()).toBe("1.0.0");
    expect(bench.ask("19 02 01")).toMatch(/ f0 00 52 /);
    expect(updateLoader(bench, loader("1.2.0"))).toBe(`${UPDATED}, 1.0.0`);
  });

  it("that hangs where nothing watches it is ended by the power", () => {
    const behaviours: readonly Behaviour[] = [{ name: "bootloaderCrashOnTrial", times: 3 }];
    const bench = running(smallEcuWithBootloader({ behaviours, watchdog: { guards: [] } }));
    bench.enterProgramming();
    bench.download(loader("1.1.0"), 1024, BOOT_WINDOW);
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    for (let start = 1; start <= 3; start++) {
      bench.after(s(100));
      expect(bench.core.running).toBeUndefined();
      bench.powerOff();
      bench.push({ type: "powerOn" });
    }
    bench.untilRunning();
    expect(bench.bootVersion()).toBe("1.0.0");
  });

  it("whose application crashes is taken back with it", () => {
    const bench = misbehaving({ name: "crashOnTrial" });
    bench.enterProgramming();
    bench.download(loader("1.1.0"), 1024, BOOT_WINDOW);
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 00");
    bench.download(image("1.1.0"));
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 00");
    bench.ask("11 01");
    bench.after(s(10));
    expect([bench.version(), bench.bootVersion()]).toEqual(["1.0.0", "1.0.0"]);
  });

  it("and of the application in one session are confirmed together", () => {
    const bench = running();
    bench.enterProgramming();
    bench.download(loader("1.1.0"), 1024, BOOT_WINDOW);
    bench.ask("31 01 ff 01");
    bench.download(image("1.1.0"));
    bench.ask("31 01 ff 01");
    bench.ask("11 01");
    bench.untilRunning();
    bench.after(s(3));
    expect([bench.version(), bench.bootVersion()]).toEqual(["1.1.0", "1.1.0"]);
    expect([bench.core.metadata.banks.B.status, boot(bench).metadata.banks.B.status]).toEqual(["valid", "valid"]);
  });
});

describe("the check of a bootloader", () => {
  it.each<[string, Uint8Array, string]>([
    ["an application", image("1.1.0"), "0a"],
    ["one that somebody else has signed", loader("1.1.0", { key: OTHER_KEY }), "05"],
    ["one for another ECU", loader("1.1.0", { ecu: "ECU_012" }), "06"],
    ["one for other hardware", loader("1.1.0", { hardwareVersion: "2.0.0" }), "07"],
  ])("refuses %s, which is never run", (_, data, status) => {
    const bench = running();
    bench.enterProgramming();
    expect(bench.download(data, 1024, BOOT_WINDOW)).toBe("77");
    expect(bench.ask("31 01 ff 02")).toBe(`71 01 ff 02 ${status}`);
    expect(bench.ask("31 01 ff 01")).toBe(`71 01 ff 01 ${status}`);
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.bootVersion()).toBe("1.0.0");
    expect(updateLoader(bench, loader("1.1.0"))).toBe(`${UPDATED}, 1.0.0`);
    expect(bench.bootVersion()).toBe("1.1.0");
  });

  it("keeps a bootloader out of the application's banks", () => {
    const bench = running();
    bench.enterProgramming();
    expect(bench.download(loader("1.1.0"))).toBe("77");
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 0a");
  });

  it("is made by the ROM at every start: one that has changed since is not run", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0"));
    bench.after(s(3));
    bench.powerOff();
    const state = bench.core.save();
    const { bootloader } = state.areas;
    if (bootloader === undefined) throw new Error("no bootloader");
    const pieces = bootloader.flash.memory.pieces.map((piece) => piece.slice());
    const broken = pieces[5] as Uint8Array; // its code, in bank B
    broken[100] = (broken[100] as number) ^ 1;
    const flash = { ...bootloader.flash, memory: { pieces } };
    bench.core.load({ ...state, areas: { ...state.areas, bootloader: { ...bootloader, flash } } });
    bench.powerOn();
    expect(bench.bootVersion()).toBe("1.0.0");
    expect(bench.events("bootloader.reverted")).toMatchObject([{ from: "B", to: "A", why: "imageRefused" }]);
  });

  it("runs nothing at all when no bootloader passes it", () => {
    const bench = new EcuBench(smallEcuWithBootloader());
    bench.core.provision(image("1.0.0"), { bootloader: loader("1.0.0", { key: OTHER_KEY }) });
    bench.push({ type: "powerOn" });
    bench.after(s(60));
    expect(bench.core.running).toBeUndefined();
    expect(bench.events("boot.started")).toEqual([]);
    expect(starts(bench)).toEqual(["none 0.0.0 0"]);
    expect(bench.send("3e 00")).toEqual([]);
  });

  it("finds the newer of two when both copies of the boot metadata are lost", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0", { securityCounter: 2 }));
    bench.after(s(3));
    bench.powerOff();
    const state = bench.core.save();
    const { bootloader } = state.areas;
    if (bootloader === undefined) throw new Error("no bootloader");
    const pieces = bootloader.dataFlash.memory.pieces.map(() => new Uint8Array(4096).fill(0xff));
    const dataFlash = { ...bootloader.dataFlash, memory: { pieces } };
    bench.core.load({ ...state, areas: { ...state.areas, bootloader: { ...bootloader, dataFlash } } });
    bench.powerOn();
    expect(bench.bootVersion()).toBe("1.1.0");
    expect(boot(bench).metadata).toMatchObject({ active: "B", rollbackFloor: 2, banks: { A: { status: "empty" } } });
  });
});

describe("the anti-rollback counter of the bootloader", () => {
  it("rises with the commit, together with the application's, and then keeps older ones out", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0", { securityCounter: 5 }));
    bench.ask("10 03");
    bench.unlock();
    expect(bench.ask("31 01 03 02")).toBe("7f 31 22"); // not confirmed yet
    bench.after(s(3));
    bench.ask("10 03");
    bench.unlock();
    expect(bench.ask("31 01 03 02")).toBe("71 01 03 02 00");
    expect([boot(bench).metadata.rollbackFloor, bench.core.metadata.rollbackFloor]).toEqual([5, 1]);
    bench.enterProgramming();
    bench.download(loader("1.2.0", { securityCounter: 4 }), 1024, BOOT_WINDOW);
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 08");
    expect(boot(bench).metadata.rollbackFloor).toBe(5);
  });
});

describe("a tester", () => {
  it("takes the old bootloader back with 0301 and its option", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0"));
    bench.after(s(3));
    bench.ask("10 03");
    bench.unlock();
    expect(bench.ask("31 01 03 01 02")).toBe("7f 31 31");
    expect(bench.ask("31 01 03 01 01 00")).toBe("7f 31 13");
    expect(bench.ask("31 01 03 01 01")).toBe("71 01 03 01 00");
    expect(bench.events("bootloader.reverted")).toMatchObject([{ from: "B", to: "A", why: "commanded" }]);
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.bootVersion()).toBe("1.0.0");
  });

  it("can't touch the bank that a bootloader on trial falls back to", () => {
    const bench = running();
    updateLoader(bench, loader("1.1.0"));
    bench.enterProgramming();
    const range = `44 ${uint32(BOOT_WINDOW)} ${uint32(0x1000)}`;
    expect(bench.ask(`31 01 ff 00 ${range}`)).toBe("7f 31 22");
    expect(bench.ask(`34 00 ${range}`)).toBe("7f 34 22");
  });

  it.each([
    ["across both windows", BOOT_WINDOW, 0x800d2000 - BOOT_WINDOW + 0x1000],
    ["behind the window", BOOT_WINDOW + 0x4000, 0x1000],
    ["over its end", BOOT_WINDOW, 0x4001],
    ["before it", BOOT_WINDOW - 1, 0x100],
  ])("is refused a range %s", (_, address, size) => {
    const bench = running();
    bench.enterProgramming();
    expect(bench.ask(`31 01 ff 00 44 ${uint32(address)} ${uint32(size)}`)).toBe("7f 31 31");
    expect(bench.ask(`34 00 44 ${uint32(address)} ${uint32(size)}`)).toBe("7f 34 31");
  });

  it("finds no such window, and no option of 0301, in an ECU whose bootloader can't be updated", () => {
    const bench = EcuBench.running(smallEcu());
    bench.enterProgramming();
    expect(bench.ask(`31 01 ff 00 44 ${uint32(BOOT_WINDOW)} ${uint32(0x1000)}`)).toBe("7f 31 31");
    expect(bench.ask("31 01 03 01 01")).toBe("7f 31 13");
    expect(bench.events("bootloader.started")).toEqual([]);
  });

  it("at low voltage is refused the erase, and loses the one under way, as for applications", () => {
    const bench = running();
    bench.enterProgramming();
    bench.send(`31 01 ff 00 44 ${uint32(BOOT_WINDOW)} ${uint32(0x1000)}`);
    bench.after(ms(100));
    bench.push({ type: "supply", millivolts: 8000 });
    expect(bench.events("flash.torn")).toMatchObject([{ operation: "erase", address: BOOT_WINDOW + 0x4000 }]);
    bench.after(s(1));
    expect(bench.responses.at(-1)).toBe("7f 31 72");
    bench.push({ type: "supply", millivolts: 12_000 });
    expect(updateLoader(bench, loader("1.1.0"))).toBe(`${UPDATED}, 1.0.0`);
    expect(bench.bootVersion()).toBe("1.1.0");
  });
});
