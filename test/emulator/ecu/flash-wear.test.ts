import { describe, expect, it } from "vitest";
import { BLANK_METADATA } from "../../../emulator/ecu/boot-metadata.ts";
import { Flash, type FlashGeometry } from "../../../emulator/ecu/flash.ts";
import { checkBank } from "../../../emulator/ecu/image-check.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { IMAGE_HEADER_LENGTH } from "../../../emulator/wire/image-header.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { EcuBench, image, smallEcu, UPDATED } from "./support/ecu-bench.ts";

const BASE = 0x8000_0000;
const GEOMETRY: FlashGeometry = {
  address: BASE,
  size: 0x8000,
  sectorSize: 0x2000,
  pageSize: 32,
  sectorEraseTime: ms(250),
  pageProgramTime: ms(1),
};
const at = (milliseconds: number): Instant => (RUN_START + ms(milliseconds)) as Instant;
const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);
let clock = 0;
const make = (eraseCyclesMax?: number): { flash: Flash; trace: Trace } => {
  const trace = new Trace();
  clock = 1000;
  return { flash: new Flash("ECU", GEOMETRY, trace, eraseCyclesMax), trace };
};
function program(flash: Flash, address: number, octet: number, length = 32): void {
  expect(flash.program(address, filled(length, octet), at(clock)).type).toBe("started");
  clock += 100;
  flash.complete(at(clock));
}

describe("the ECC of a flash", () => {
  it("fits again what is put in place in the factory, and only that, whatever was torn there", () => {
    const { flash } = make();
    flash.erase(BASE, 1, at(1000));
    flash.cut(at(1100), new Prng("torn"));
    expect(flash.damaged(BASE, 0x2000)).toBe(true);
    flash.place(BASE + 16, filled(33, 0x5a));
    expect([flash.damaged(BASE, 64), flash.damaged(BASE + 64, 1)]).toEqual([false, true]);
    expect(flash.read(BASE + 16, 33)).toEqual(filled(33, 0x5a));
  });

  it("no longer fits a page that is programmed twice: it reads as uncorrectable until it is erased", () => {
    const { flash, trace } = make();
    program(flash, BASE + 32, 0xf0);
    expect(flash.damaged(BASE, 0x8000)).toBe(false);
    program(flash, BASE, 0x3c, 96);
    expect(flash.read(BASE + 32, 1)).toEqual(filled(1, 0x30));
    expect([0, 32, 64].map((offset) => flash.damaged(BASE + offset, 32))).toEqual([false, true, false]);
    expect([...trace.events()].filter(({ type }) => type === "flash.overwritten")).toMatchObject([
      { address: BASE + 32, length: 32 },
    ]);
    flash.erase(BASE, 1, at(2000));
    flash.complete(at(2250));
    expect(flash.damaged(BASE, 0x8000)).toBe(false);
  });

  it("is violated even by programming the same bits again, or FF onto a page that is not erased", () => {
    for (const octet of [0x55, 0xff]) {
      const { flash } = make();
      program(flash, BASE, 0x55);
      program(flash, BASE, octet);
      expect(flash.read(BASE, 32)).toEqual(filled(32, 0x55));
      expect(flash.damaged(BASE, 1)).toBe(true);
    }
  });

  it("counts every byte of a page as damaged, and none of the next", () => {
    const { flash } = make();
    program(flash, BASE + 64, 0);
    program(flash, BASE + 64, 0);
    expect(
      [
        [63, 1],
        [64, 1],
        [95, 1],
        [96, 1],
        [0, 64],
        [0, 65],
      ].map(([offset, length]) => flash.damaged(BASE + (offset as number), length as number)),
    ).toEqual([false, true, true, false, false, true]);
  });

  it("does not fit a torn page, even where all its bits are as before; it is not erased then", () => {
    const { flash } = make();
    flash.program(BASE, filled(64, 0xff), at(0));
    flash.cut(at(1.5), new Prng(1));
    expect(flash.read(BASE, 64)).toEqual(filled(64, 0xff));
    expect(flash.isErased(BASE, 32)).toBe(true);
    expect(flash.isErased(BASE + 32, 32)).toBe(false);
  });

  it("does not fit any page of a sector whose erase was torn", () => {
    const { flash } = make();
    flash.erase(BASE, 0x4000, at(0));
    flash.cut(at(300), new Prng(1));
    expect(flash.damaged(BASE, 0x2000)).toBe(false);
    expect([0x2000, 0x3fe0].map((offset) => flash.damaged(BASE + offset, 32))).toEqual([true, true]);
    expect(flash.damaged(BASE + 0x4000, 0x4000)).toBe(false);
  });
});

describe("an image with a page that its ECC calls uncorrectable", () => {
  it.each([
    ["in its header", 0, false],
    ["in its code", IMAGE_HEADER_LENGTH, true],
  ])("is refused for that, although its bytes are right: %s", (_, offset, isKnown) => {
    const config = smallEcu();
    const { banks } = config;
    const flash = new Flash("ECU", config.codeFlash, new Trace());
    const whole = image("1.0.0");
    const address = banks.address.A;
    const check = () => checkBank("A", "application", banks, config, flash, BLANK_METADATA, nodeCrypto);
    flash.place(address, whole);
    expect(check().result).toBe("ok");
    flash.program(address + offset, flash.read(address + offset, config.codeFlash.pageSize).slice(), at(0));
    flash.complete(at(1000));
    expect(flash.read(address, whole.length)).toEqual(whole);
    expect(check().result).toBe("eccError");
    expect(check().header !== undefined).toBe(isKnown);
  });
});

describe("the wear of a flash", () => {
  it("counts the erase cycles of each sector, and a torn one too", () => {
    const { flash } = make();
    flash.erase(BASE, 0x4000, at(0));
    flash.complete(at(500));
    flash.erase(BASE + 0x2000, 0x6000, at(500));
    flash.cut(at(800), new Prng(1));
    expect([0, 0x2000, 0x5fff, 0x6000].map((offset) => flash.eraseCycles(BASE + offset))).toEqual([1, 2, 1, 0]);
  });

  it("ends at the limit: no sector of the range is touched", () => {
    const { flash, trace } = make(2);
    for (let cycle = 0; cycle < 2; cycle++) {
      flash.erase(BASE + 0x2000, 1, at(cycle * 250));
      flash.complete(at((cycle + 1) * 250));
    }
    program(flash, BASE, 0x11);
    expect(flash.erase(BASE, 0x8000, at(2000))).toEqual({ type: "fault", fault: "wornOut" });
    expect(flash.busy).toBe(false);
    expect(flash.read(BASE, 1)).toEqual(filled(1, 0x11));
    expect([...trace.events()].at(-1)).toMatchObject({ type: "flash.wornOut", address: BASE + 0x2000, cycles: 2 });
    expect(flash.erase(BASE, 0x2000, at(2000)).type).toBe("started");
  });

  it("and damage are part of the state", () => {
    const { flash } = make(1);
    flash.erase(BASE, 1, at(0));
    flash.complete(at(250));
    program(flash, BASE, 0);
    program(flash, BASE, 0);
    const other = make(1).flash;
    other.load(structuredClone(flash.save()));
    expect(other.damaged(BASE, 1)).toBe(true);
    expect(other.erase(BASE, 1, at(300))).toEqual({ type: "fault", fault: "wornOut" });
    flash.load(make().flash.save());
    expect([flash.damaged(BASE, 1), flash.eraseCycles(BASE)]).toEqual([false, 0]);
  });
});

describe("an ECU", () => {
  it("answers 72 to an erase of a sector that has had its cycles, and goes on running what it runs", () => {
    const bench = EcuBench.running(smallEcu({ eraseCyclesMax: 2 }));
    bench.enterProgramming();
    expect(bench.download(image("1.1.0"))).toBe("77");
    expect(bench.download(image("1.1.0"))).toBe("77");
    expect(bench.download(image("1.1.0"))).toBe("7f 31 72");
    expect(bench.version()).toBe("1.0.0");
    bench.ask("11 01");
    bench.untilRunning();
    expect(bench.version()).toBe("1.0.0");
  });

  it("refuses an image with a page that power tore, and takes it after an erase", () => {
    const bench = EcuBench.running();
    const whole = image("1.1.0");
    bench.enterProgramming();
    let torn = false;
    bench.beforeStep = () => {
      const programmed = bench.events("flash.programStarted").length;
      if (!torn && programmed === 6) {
        torn = true;
        bench.powerOff();
        bench.powerOn();
      }
    };
    bench.download(whole);
    expect(torn).toBe(true);
    expect(bench.events("flash.torn")).toMatchObject([{ operation: "program" }]);
    bench.enterProgramming();
    expect(bench.ask("31 01 ff 02")).toBe("71 01 ff 02 09");
    expect(bench.ask("31 01 ff 01")).toBe("71 01 ff 01 09");
    expect(bench.update(whole)).toBe(`${UPDATED}, 1.1.0`);
  });
});
