import { describe, expect, it } from "vitest";
import { Flash, type FlashGeometry } from "../../../emulator/ecu/flash.ts";
import { FlashMemory } from "../../../emulator/ecu/flash-memory.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";

const GEOMETRY: FlashGeometry = {
  address: 0x8000_0000,
  size: 0x8000,
  sectorSize: 0x2000,
  pageSize: 32,
  sectorEraseTime: ms(250),
  pageProgramTime: ms(1),
};
/** What a state shares, or not, in one piece. */
const SHARE_LENGTH = 4096;
const BASE = GEOMETRY.address;
const at = (milliseconds: number): Instant => (RUN_START + ms(milliseconds)) as Instant;
const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);

const make = (): { flash: Flash; trace: Trace } => {
  const trace = new Trace();
  return { flash: new Flash("ECU", GEOMETRY, trace), trace };
};

describe("a flash", () => {
  it("is FF when it is new", () => {
    const { flash } = make();
    expect(flash.read(BASE, 0x8000)).toEqual(filled(0x8000, 0xff));
    expect(flash.isErased(BASE, 0x8000)).toBe(true);
  });

  it("programs pages in their time", () => {
    const { flash, trace } = make();
    expect(flash.program(BASE + 64, filled(96, 0x5a), at(0))).toEqual({ type: "started", until: at(3) });
    expect(flash.isErased(BASE + 64, 96)).toBe(true); // not yet
    flash.complete(at(3));
    expect(flash.read(BASE + 64, 96)).toEqual(filled(96, 0x5a));
    expect([...trace.events()].map(({ type }) => type)).toEqual(["flash.programStarted", "flash.programmed"]);
  });

  it("erases every sector that the range touches, and no other", () => {
    const { flash } = make();
    flash.place(BASE, filled(0x8000, 0));
    expect(flash.erase(BASE + 0x3fff, 2, at(0))).toEqual({ type: "started", until: at(500) });
    flash.complete(at(500));
    expect(flash.isErased(BASE + 0x2000, 0x4000)).toBe(true);
    expect(flash.read(BASE, 0x2000)).toEqual(filled(0x2000, 0));
    expect(flash.read(BASE + 0x6000, 0x2000)).toEqual(filled(0x2000, 0));
  });

  it("refuses to program half pages, pages askew, and what is not its own", () => {
    const { flash } = make();
    const faultOf = (address: number, length: number) => flash.program(address, filled(length, 0), at(0));
    expect(faultOf(BASE + 8, 32)).toEqual({ type: "fault", fault: "misaligned" });
    expect(faultOf(BASE + 64, 33)).toEqual({ type: "fault", fault: "misaligned" });
    expect(faultOf(BASE + 0x7fe0, 64)).toEqual({ type: "fault", fault: "outOfRange" });
    expect(faultOf(BASE - 32, 32)).toEqual({ type: "fault", fault: "outOfRange" });
    expect(faultOf(BASE + 64, 0)).toEqual({ type: "fault", fault: "outOfRange" });
    expect(flash.erase(BASE + 0x8000, 1, at(0))).toEqual({ type: "fault", fault: "outOfRange" });
  });

  it("does one thing at a time", () => {
    const { flash } = make();
    flash.erase(BASE, 1, at(0));
    expect(flash.program(BASE + 0x4000, filled(32, 0), at(1))).toEqual({ type: "fault", fault: "busy" });
    expect(flash.erase(BASE + 0x4000, 1, at(1))).toEqual({ type: "fault", fault: "busy" });
  });
});

describe("a power cut", () => {
  it("in an erase leaves the sectors before erased, those behind whole, and one torn", () => {
    const { flash, trace } = make();
    flash.place(BASE, filled(0x8000, 0));
    flash.erase(BASE, 0x6000, at(0));
    flash.cut(at(300), new Prng(1));
    expect(flash.isErased(BASE, 0x2000)).toBe(true);
    const torn = flash.read(BASE + 0x2000, 0x2000);
    expect(new Set(torn).size).toBeGreaterThan(100);
    expect(flash.read(BASE + 0x4000, 0x4000)).toEqual(filled(0x4000, 0));
    expect([...trace.events()].at(-1)).toMatchObject({
      type: "flash.torn",
      operation: "erase",
      address: BASE + 0x2000,
      length: 0x2000,
    });
    expect(flash.busy).toBe(false);
  });

  it("in programming leaves the pages before written, those behind erased, and one torn that has no bit too many", () => {
    const { flash } = make();
    flash.program(BASE, filled(128, 0x0f), at(0));
    flash.cut(at(2.5), new Prng(2));
    expect(flash.read(BASE, 64)).toEqual(filled(64, 0x0f));
    const torn = flash.read(BASE + 64, 32);
    expect(torn.every((octet) => (octet & 0x0f) === 0x0f)).toBe(true);
    expect(torn).not.toEqual(filled(32, 0x0f));
    expect(torn).not.toEqual(filled(32, 0xff));
    expect(flash.isErased(BASE + 96, 32)).toBe(true);
  });

  it("tears the same way with the same seed", () => {
    const tear = (seed: number): Uint8Array => {
      const { flash } = make();
      flash.place(BASE, filled(0x2000, 0x12));
      flash.erase(BASE, 1, at(0));
      flash.cut(at(100), new Prng(seed));
      return flash.read(BASE, 0x2000);
    };
    expect(tear(3)).toEqual(tear(3));
    expect(tear(3)).not.toEqual(tear(4));
  });

  it("after the last unit is done, or while nothing is under way, tears nothing", () => {
    const { flash, trace } = make();
    flash.program(BASE, filled(64, 0), at(0));
    flash.cut(at(2), new Prng(1));
    flash.cut(at(3), new Prng(1));
    expect(flash.read(BASE, 64)).toEqual(filled(64, 0));
    expect([...trace.events()].map(({ type }) => type)).toEqual(["flash.programStarted"]);
  });
});

describe("the state of a flash", () => {
  it("shares every piece with the memory, and a piece is copied once when it is written afterwards", () => {
    const memory = new FlashMemory(64 * SHARE_LENGTH);
    const write = (offset: number, octet: number): void =>
      memory.write(offset, 1, (cells) => {
        cells[0] = octet;
      });
    for (let piece = 0; piece < 64; piece++) write(piece * SHARE_LENGTH, piece);
    expect(memory.copies).toBe(0);
    const first = memory.save();
    const second = memory.save();
    expect(memory.copies).toBe(0);
    for (const [index, piece] of first.pieces.entries()) expect(second.pieces[index]).toBe(piece);
    write(5 * SHARE_LENGTH, 0xaa);
    write(5 * SHARE_LENGTH + 1, 0xbb);
    expect(memory.copies).toBe(1);
    expect((first.pieces[5] as Uint8Array)[0]).toBe(5);
    expect(memory.save().pieces.filter((piece, index) => piece !== first.pieces[index])).toHaveLength(1);
  });

  it("can be loaded into several memories, which then go their own ways", () => {
    const source = new FlashMemory(SHARE_LENGTH);
    source.write(0, 2, (cells) => cells.set([1, 2]));
    const state = source.save();
    const forks = [new FlashMemory(SHARE_LENGTH), new FlashMemory(SHARE_LENGTH)] as const;
    for (const [index, fork] of forks.entries()) {
      fork.load(state);
      fork.write(0, 1, (cells) => cells.fill(0x10 + index));
    }
    expect([source, ...forks].map((memory) => [...memory.read(0, 2)])).toEqual([
      [1, 2],
      [0x10, 2],
      [0x11, 2],
    ]);
  });

  it("costs nothing where the memory is erased", () => {
    const memory = new FlashMemory(16 * SHARE_LENGTH);
    memory.write(0, 1, (cells) => cells.fill(0));
    memory.erase(0, 16 * SHARE_LENGTH);
    expect(new Set(memory.save().pieces).size).toBe(1);
    expect(memory.isErased(0, 16 * SHARE_LENGTH)).toBe(true);
  });

  it("goes on with an operation that was under way", () => {
    const { flash } = make();
    flash.program(BASE, filled(64, 0x33), at(0));
    const state = flash.save();
    const { flash: fork } = make();
    fork.load(state);
    for (const each of [flash, fork]) each.complete(at(2));
    expect(fork.read(BASE, 64)).toEqual(flash.read(BASE, 64));
    expect(fork.read(BASE, 64)).toEqual(filled(64, 0x33));
  });
});
