import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import { type Duration, type Instant, plus } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { FlashMemory, type FlashMemoryState } from "./flash-memory.ts";

/** One flash module: where it is, in what units it works, and how long that takes. */
export interface FlashGeometry {
  /** Physical address of the first byte. */
  readonly address: number;
  readonly size: number;
  /** Erase unit, bytes. */
  readonly sectorSize: number;
  /** Program unit, bytes, and what one ECC code protects; each is to be programmed once after an erase. */
  readonly pageSize: number;
  readonly sectorEraseTime: Duration;
  readonly pageProgramTime: Duration;
}

/** What the module is doing. `data` is what is being programmed. */
type Operation =
  | { readonly name: "idle" }
  | { readonly name: "erase"; readonly address: number; readonly length: number; readonly since: Instant }
  | { readonly name: "program"; readonly address: number; readonly data: Uint8Array; readonly since: Instant };

export interface FlashState {
  readonly memory: FlashMemoryState;
  readonly operation: Operation;
  /** Pages, by number, that read as uncorrectable. */
  readonly damaged: readonly number[];
  /** Erase cycles of each sector that has had any. */
  readonly wear: readonly (readonly [sector: number, cycles: number])[];
}

/** Why an operation was not begun. Nothing has changed then. */
export type FlashFault = "outOfRange" | "misaligned" | "busy" | "wornOut";
export type FlashStart =
  | { readonly type: "started"; readonly until: Instant }
  | { readonly type: "fault"; readonly fault: FlashFault };

/**
 * NOR flash: a sector is erased to FF as a whole, programming only clears bits, each page once. One operation at a time;
 * its owner calls `complete` when it is over. A power cut in the middle leaves the units before done, those behind
 * untouched, and the one under way torn: each of its cells has changed or not. Torn pages, and pages that were programmed
 * twice, no longer fit their ECC code until the next erase; their cells are read as they are, see {@link Flash.damaged}.
 */
export class Flash implements Stateful<FlashState> {
  readonly geometry: FlashGeometry;
  readonly #name: string;
  readonly #tracer: Tracer;
  readonly #memory: FlashMemory;
  readonly #eraseCyclesMax: number;
  #operation: Operation = { name: "idle" };
  #damaged = new Set<number>();
  #wear = new Map<number, number>();

  /** @param eraseCyclesMax a sector that has been erased so often can't be erased again; no limit when left out */
  constructor(name: string, geometry: FlashGeometry, tracer: Tracer, eraseCyclesMax = Number.POSITIVE_INFINITY) {
    this.#eraseCyclesMax = eraseCyclesMax;
    this.#name = name;
    this.geometry = geometry;
    this.#tracer = tracer;
    this.#memory = new FlashMemory(geometry.size);
  }

  get busy(): boolean {
    return this.#operation.name !== "idle";
  }

  /** Erases all sectors that the range touches. */
  erase(address: number, length: number, now: Instant): FlashStart {
    const { sectorSize, sectorEraseTime } = this.geometry;
    const from = this.#offset(address) - (this.#offset(address) % sectorSize);
    const to = Math.ceil((this.#offset(address) + length) / sectorSize) * sectorSize;
    const fault = this.#fault(this.geometry.address + from, to - from);
    if (fault !== undefined) return { type: "fault", fault };
    for (let sector = from / sectorSize; sector < to / sectorSize; sector++) {
      if (this.#cycles(sector) >= this.#eraseCyclesMax) return this.#wornOut(sector, now);
    }
    this.#operation = { name: "erase", address: this.geometry.address + from, length: to - from, since: now };
    this.#record(now, "flash.eraseStarted");
    return { type: "started", until: plus(now, (((to - from) / sectorSize) * sectorEraseTime) as Duration) };
  }

  /** Programs whole pages. Those that are not erased are damaged by it. @param data kept until the operation is over; must not be changed meanwhile */
  program(address: number, data: Uint8Array, now: Instant): FlashStart {
    const { pageSize, pageProgramTime } = this.geometry;
    const fault = this.#fault(address, data.length);
    if (fault !== undefined) return { type: "fault", fault };
    if (this.#offset(address) % pageSize !== 0 || data.length % pageSize !== 0) {
      return { type: "fault", fault: "misaligned" };
    }
    this.#operation = { name: "program", address, data, since: now };
    this.#record(now, "flash.programStarted");
    return { type: "started", until: plus(now, ((data.length / pageSize) * pageProgramTime) as Duration) };
  }

  /** The operation is over; harmless when there is none. */
  complete(now: Instant): void {
    const operation = this.#operation;
    if (operation.name === "idle") return;
    if (operation.name === "erase") this.#eraseCells(operation.address, operation.length);
    else this.#programCells(operation.address, operation.data, now);
    this.#record(now, operation.name === "erase" ? "flash.erased" : "flash.programmed");
    this.#operation = { name: "idle" };
  }

  /** Power goes away now. Harmless when nothing is under way. */
  cut(now: Instant, prng: Prng): void {
    const operation = this.#operation;
    if (operation.name === "idle") return;
    const { sectorSize, pageSize, sectorEraseTime, pageProgramTime } = this.geometry;
    const unit = operation.name === "erase" ? sectorSize : pageSize;
    const time = operation.name === "erase" ? sectorEraseTime : pageProgramTime;
    const total = operation.name === "erase" ? operation.length : operation.data.length;
    const done = Math.min(total, Math.floor((now - operation.since) / Math.max(1, time)) * unit);
    this.#operation = { name: "idle" };
    if (operation.name === "erase") this.#eraseCells(operation.address, done);
    else this.#programCells(operation.address, operation.data.subarray(0, done), now);
    if (done === total) return;
    const address = operation.address + done;
    this.#damage(address, unit);
    if (operation.name === "erase") this.#wearOut(address, unit);
    if (operation.name === "erase") this.#tearErase(address, unit, prng);
    else this.#tearProgram(address, operation.data.subarray(done, done + unit), prng);
    this.#tracer.record(now, this.#name, "flash.torn", { operation: operation.name, address, length: unit });
  }

  /** A copy of the bytes. @throws {InvariantError} for a range that is not in this module */
  read(address: number, length: number): Uint8Array {
    if (!this.contains(address, length)) throw new InvariantError(`flash read of ${length} bytes at ${address}`);
    return this.#memory.read(this.#offset(address), length);
  }

  isErased(address: number, length: number): boolean {
    if (!this.contains(address, length) || this.damaged(address, length)) return false;
    return this.#memory.isErased(this.#offset(address), length);
  }

  /** Whether a read of that range meets an uncorrectable ECC error. */
  damaged(address: number, length: number): boolean {
    const { pageSize } = this.geometry;
    const from = this.#offset(address);
    for (const page of this.#damaged) {
      if (page * pageSize < from + length && (page + 1) * pageSize > from) return true;
    }
    return false;
  }

  /** How often the sector at that address has been erased. An erase that was cut counts. */
  eraseCycles(address: number): number {
    return this.#cycles(Math.floor(this.#offset(address) / this.geometry.sectorSize));
  }

  contains(address: number, length: number): boolean {
    const offset = this.#offset(address);
    return offset >= 0 && length >= 0 && offset + length <= this.geometry.size;
  }

  /** In the factory: puts bytes in place at once, whatever was there. @throws {InvariantError} outside of the module */
  place(address: number, data: Uint8Array): void {
    if (!this.contains(address, data.length))
      throw new InvariantError(`flash has no ${data.length} bytes at ${address}`);
    this.#memory.write(this.#offset(address), data.length, (cells, from) => {
      cells.set(data.subarray(from, from + cells.length));
    });
    const { pageSize } = this.geometry;
    const from = Math.floor(this.#offset(address) / pageSize);
    const to = Math.ceil((this.#offset(address) + data.length) / pageSize);
    for (const page of this.#damaged) if (page >= from && page < to) this.#damaged.delete(page);
  }

  save(): FlashState {
    return {
      memory: this.#memory.save(),
      operation: this.#operation,
      damaged: [...this.#damaged],
      wear: [...this.#wear],
    };
  }

  load(state: FlashState): void {
    this.#memory.load(state.memory);
    this.#operation = state.operation;
    this.#damaged = new Set(state.damaged);
    this.#wear = new Map(state.wear);
  }

  #cycles(sector: number): number {
    return this.#wear.get(sector) ?? 0;
  }

  #wornOut(sector: number, now: Instant): FlashStart {
    const address = this.geometry.address + sector * this.geometry.sectorSize;
    this.#tracer.record(now, this.#name, "flash.wornOut", { address, cycles: this.#cycles(sector) });
    return { type: "fault", fault: "wornOut" };
  }

  #wearOut(address: number, length: number): void {
    const { sectorSize } = this.geometry;
    const first = this.#offset(address) / sectorSize;
    for (let sector = first; sector < first + length / sectorSize; sector++) {
      this.#wear.set(sector, this.#cycles(sector) + 1);
    }
  }

  #damage(address: number, length: number): void {
    const { pageSize } = this.geometry;
    const first = this.#offset(address) / pageSize;
    for (let page = first; page < first + length / pageSize; page++) this.#damaged.add(page);
  }

  #eraseCells(address: number, length: number): void {
    const { pageSize } = this.geometry;
    const first = this.#offset(address) / pageSize;
    this.#memory.erase(this.#offset(address), length);
    this.#wearOut(address, length);
    for (const page of this.#damaged) if (page >= first && page < first + length / pageSize) this.#damaged.delete(page);
  }

  #programCells(address: number, data: Uint8Array, now: Instant): void {
    const { pageSize } = this.geometry;
    if (!this.isErased(address, data.length)) {
      for (let done = 0; done < data.length; done += pageSize) {
        if (this.isErased(address + done, pageSize)) continue;
        this.#damage(address + done, pageSize);
        this.#tracer.record(now, this.#name, "flash.overwritten", { address: address + done, length: pageSize });
      }
    }
    this.#clearBits(address, data);
  }

  #fault(address: number, length: number): FlashFault | undefined {
    if (this.busy) return "busy";
    return length > 0 && this.contains(address, length) ? undefined : "outOfRange";
  }

  #offset(address: number): number {
    return address - this.geometry.address;
  }

  #clearBits(address: number, data: Uint8Array): void {
    this.#memory.write(this.#offset(address), data.length, (cells, from) => {
      for (let index = 0; index < cells.length; index++) {
        cells[index] = (cells[index] as number) & (data[from + index] as number);
      }
    });
  }

  /** Bits on their way from old to 1: each may have arrived. */
  #tearErase(address: number, length: number, prng: Prng): void {
    const noise = prng.bytes(length);
    this.#memory.write(this.#offset(address), length, (cells, from) => {
      for (let index = 0; index < cells.length; index++) {
        cells[index] = (cells[index] as number) | (noise[from + index] as number);
      }
    });
  }

  /** Bits on their way from 1 to new: each may have arrived. */
  #tearProgram(address: number, data: Uint8Array, prng: Prng): void {
    const noise = prng.bytes(data.length);
    this.#memory.write(this.#offset(address), data.length, (cells, from) => {
      for (let index = 0; index < cells.length; index++) {
        const target = (data[from + index] as number) | (noise[from + index] as number);
        cells[index] = (cells[index] as number) & target;
      }
    });
  }

  #record(
    now: Instant,
    type: "flash.eraseStarted" | "flash.erased" | "flash.programStarted" | "flash.programmed",
  ): void {
    const operation = this.#operation;
    if (operation.name === "idle") return;
    const length = operation.name === "erase" ? operation.length : operation.data.length;
    this.#tracer.record(now, this.#name, type, { address: operation.address, length });
  }
}
