import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BLANK_METADATA,
  type BootMetadata,
  decodeMetadata,
  encodeMetadata,
  METADATA_LENGTH,
} from "../../../emulator/ecu/boot-metadata.ts";
import { Flash } from "../../../emulator/ecu/flash.ts";
import { MetadataStore } from "../../../emulator/ecu/metadata-store.ts";
import { Prng } from "../../../emulator/kernel/prng.ts";
import { type Instant, ms, NO_TIME, RUN_START } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { smallEcu } from "./support/ecu-bench.ts";

const record: BootMetadata = {
  active: "B",
  banks: { A: { status: "valid", starts: 0 }, B: { status: "trial", starts: 2 } },
  rollbackFloor: 0xdeadbeef,
  fingerprint: Uint8Array.of(1, 2, 3),
};
const withFloor = (rollbackFloor: number): BootMetadata => ({ ...BLANK_METADATA, rollbackFloor });

/** A store on a flash of its own, and the time. */
class StoreBench {
  readonly trace = new Trace();
  readonly flash = new Flash("ECU", smallEcu().dataFlash, this.trace);
  store = new MetadataStore("ECU", this.flash, this.trace);
  now: Instant = RUN_START;

  /** Begins to write and goes on for `span`, or until all is stored. */
  write(rollbackFloor: number, span = ms(1000)): void {
    const end = (this.now + span) as Instant;
    this.store.write(withFloor(rollbackFloor), this.now);
    for (let next = this.store.deadline; next !== undefined && next <= end; next = this.store.deadline) {
      this.now = next;
      this.store.handleDeadline(next);
    }
    if (this.store.deadline !== undefined) this.now = end;
  }

  /** Power away and back. @returns whether there is a good copy */
  restart(seed = 1): boolean {
    this.flash.cut(this.now, new Prng(seed));
    this.store = new MetadataStore("ECU", this.flash, this.trace);
    return this.store.open();
  }
}

describe("boot metadata", () => {
  it("is read as it was written", () => {
    expect(decodeMetadata(encodeMetadata(record, 77))).toEqual({ metadata: record, sequence: 77 });
  });

  it("is refused with any one bit changed, cut off, or erased", () => {
    const data = encodeMetadata(record, 77);
    for (let bit = 0; bit < 8 * METADATA_LENGTH; bit++) {
      const changed = data.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeMetadata(changed)).toBeUndefined();
    }
    expect(decodeMetadata(data.subarray(1))).toBeUndefined();
    expect(decodeMetadata(new Uint8Array(METADATA_LENGTH).fill(0xff))).toBeUndefined();
  });

  it("gives a record or nothing for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        expect(decodeMetadata(data)).toBeUndefined(); // the CRC of noise is wrong
      }),
    );
  });
});

describe("the store of boot metadata", () => {
  it("writes the two copies in turn and reads the newer one", () => {
    const bench = new StoreBench();
    for (const floor of [1, 2, 3]) bench.write(floor);
    const events = [...bench.trace.events()];
    const written = events.flatMap((event) => (event.type === "boot.metadataWritten" ? [event] : []));
    expect(written.map(({ copy, sequence }) => `${copy}:${sequence}`)).toEqual(["0:1", "1:2", "0:3"]);
    expect(bench.restart()).toBe(true);
    expect(bench.store.current.rollbackFloor).toBe(3);
  });

  it("stores the last of several records that come while it writes", () => {
    const bench = new StoreBench();
    for (const floor of [1, 2, 3]) bench.write(floor, NO_TIME);
    bench.write(4, ms(20)); // erased, now being programmed
    bench.write(5, NO_TIME);
    bench.write(6);
    expect(bench.store.deadline).toBeUndefined();
    bench.restart();
    expect(bench.store.current.rollbackFloor).toBe(6);
  });

  it("does not take a copy that its ECC calls uncorrectable, although its bytes are right", () => {
    const bench = new StoreBench();
    for (const floor of [1, 2]) bench.write(floor);
    const { address, sectorSize } = bench.flash.geometry;
    const newer = bench.flash.read(address + sectorSize, METADATA_LENGTH).slice();
    bench.flash.program(address + sectorSize, newer, bench.now);
    bench.flash.complete(bench.now);
    expect(decodeMetadata(bench.flash.read(address + sectorSize, METADATA_LENGTH))?.sequence).toBe(2);
    expect(bench.restart()).toBe(true);
    expect(bench.store.current.rollbackFloor).toBe(1);
  });

  it("says that nothing is there when both copies are bad", () => {
    const bench = new StoreBench();
    expect(bench.store.open()).toBe(false);
    expect(bench.store.current).toEqual(BLANK_METADATA);
  });

  it("has the old record or the new one after a power cut at any instant of a write, and can be written again", () => {
    const found = new Set<number>();
    const whole = 220; // tenths of a millisecond: erase and two pages
    for (let instant = 0; instant <= whole; instant++) {
      const bench = new StoreBench();
      bench.write(1);
      bench.write(2);
      bench.write(3, ms(instant / 10));
      expect(bench.restart(instant)).toBe(true);
      expect([2, 3]).toContain(bench.store.current.rollbackFloor);
      found.add(bench.store.current.rollbackFloor);
      bench.write(4);
      bench.restart();
      expect(bench.store.current.rollbackFloor).toBe(4);
    }
    expect([...found].sort((a, b) => a - b)).toEqual([2, 3]);
  });
});
