import { describe, expect, it } from "vitest";
import { Flash } from "../../../emulator/ecu/flash.ts";
import { RecordLog } from "../../../emulator/ecu/record-log.ts";
import { InvariantError } from "../../../emulator/kernel/errors.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";

const GEOMETRY = {
  address: 0xaf002000,
  size: 512,
  sectorSize: 256,
  pageSize: 32,
  sectorEraseTime: ms(20),
  pageProgramTime: ms(1),
};

const fresh = (): Flash => new Flash("ECU", GEOMETRY, new Trace());

/** Writes and waits until it is stored; gives the time then. */
function store(log: RecordLog, value: number, now: Instant): Instant {
  log.write(Uint8Array.of(value), now);
  let at = now;
  for (let deadline = log.deadline; deadline !== undefined; deadline = log.deadline) {
    at = deadline;
    log.handleDeadline(at);
  }
  return at;
}

const reopened = (flash: Flash): RecordLog => {
  const log = new RecordLog(flash);
  log.open();
  return log;
};

describe("a record log", () => {
  it("has nothing while its flash is blank", () => {
    expect(reopened(fresh()).current).toBeUndefined();
  });

  it("finds what was written last, over many turns of both sectors", () => {
    const flash = fresh();
    let log = reopened(flash);
    let now = RUN_START;
    for (let value = 0; value < 100; value++) {
      now = store(log, value, now);
      log = reopened(flash);
      expect(log.current).toEqual(Uint8Array.of(value));
    }
  });

  it("takes one page program for a record, and an erase only when a sector is full", () => {
    const log = reopened(fresh());
    let now = RUN_START;
    const spans = Array.from({ length: 10 }, (_, value) => {
      const begin = now;
      now = store(log, value, begin);
      return now - begin;
    });
    expect(spans).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 21, 1].map(ms));
  });

  it("stores the newest of what was written meanwhile", () => {
    const flash = fresh();
    const log = reopened(flash);
    log.write(Uint8Array.of(1), RUN_START);
    log.write(Uint8Array.of(2), RUN_START);
    expect(store(log, 3, RUN_START)).toBe(ms(2));
    expect(reopened(flash).current).toEqual(Uint8Array.of(3));
  });

  it("has the state before or the state after, wherever the power is cut, and goes on from there", () => {
    const prng = new Prng("record log");
    const flash = fresh();
    let log = reopened(flash);
    let now = RUN_START;
    let before: number | undefined;
    for (let value = 0; value < 300; value++) {
      log.write(Uint8Array.of(value & 0xff), now);
      const cut = (now + prng.below(ms(22))) as Instant;
      for (let at = log.deadline; at !== undefined && at <= cut; at = log.deadline) log.handleDeadline(at);
      const stored = log.deadline === undefined;
      flash.cut(cut, prng);
      log.close();
      log = reopened(flash);
      const found = log.current?.[0];
      if (stored) expect(found).toBe(value & 0xff);
      else expect([before, value & 0xff]).toContain(found);
      before = found;
      now = cut;
    }
  });

  it("does not take a record of which any one bit is another", () => {
    const flash = fresh();
    const log = reopened(flash);
    const now = store(log, 1, RUN_START);
    store(log, 2, now);
    const page = GEOMETRY.address + GEOMETRY.pageSize;
    const whole = flash.read(page, GEOMETRY.pageSize).slice();
    for (let bit = 0; bit < 8 * GEOMETRY.pageSize; bit++) {
      const changed = whole.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      flash.place(page, changed);
      expect(reopened(flash).current).toEqual(Uint8Array.of(1));
    }
    flash.place(page, whole);
    expect(reopened(flash).current).toEqual(Uint8Array.of(2));
  });

  it("goes the same way after save and load into another log on the same cells", () => {
    const flash = fresh();
    const log = reopened(flash);
    log.write(Uint8Array.of(7), RUN_START);
    const otherFlash = fresh();
    const other = new RecordLog(otherFlash);
    otherFlash.load(flash.save());
    other.load(log.save());
    expect(other.deadline).toBe(log.deadline);
    other.handleDeadline(other.deadline as Instant);
    expect(reopened(otherFlash).current).toEqual(Uint8Array.of(7));
  });

  it("refuses what does not fit into a page", () => {
    expect(() => reopened(fresh()).write(new Uint8Array(24), RUN_START)).toThrow(InvariantError);
  });
});
