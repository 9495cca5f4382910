import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import { crc32 } from "../wire/crc32.ts";
import type { Flash, FlashStart } from "./flash.ts";

/** The page that a record lies in, and its number. */
interface Place {
  readonly page: number;
  readonly sequence: number;
}

type Writing =
  | { readonly name: "idle" }
  | { readonly name: "erasing"; readonly page: number; readonly until: Instant }
  | { readonly name: "programming"; readonly page: number; readonly until: Instant };

export interface RecordLogState {
  readonly current: Uint8Array | undefined;
  readonly newest: Place;
  readonly pending: Uint8Array | undefined;
  readonly writing: Writing;
}

const Offset = { sequence: 0, length: 4, data: 5 } as const;
const CRC_LENGTH = 4;
const SECTORS = 2;
const NOTHING: Place = { page: -1, sequence: 0 };

/**
 * One small record in non-volatile memory that changes often: each new state is appended as one flash page with a sequence
 * number and a CRC. When a sector is full the other one is erased and used. The good page with the highest number counts,
 * so a power cut at any point leaves the state before or the state after. Its flash, two sectors, is used by nobody else.
 */
export class RecordLog implements Stateful<RecordLogState> {
  readonly #flash: Flash;
  readonly #pages: number;
  #current: Uint8Array | undefined;
  #newest: Place = NOTHING;
  /** Newer than what is being, or has been, written. */
  #pending: Uint8Array | undefined;
  #writing: Writing = { name: "idle" };

  constructor(flash: Flash) {
    this.#flash = flash;
    this.#pages = flash.geometry.sectorSize / flash.geometry.pageSize;
  }

  /** What was written last, even if it is not in the flash yet; undefined when there is none. */
  get current(): Uint8Array | undefined {
    return this.#current;
  }

  /** When the writing goes on or ends; undefined while all is stored. */
  get deadline(): Instant | undefined {
    return this.#writing.name === "idle" ? undefined : this.#writing.until;
  }

  /** After power-up: finds the newest record. */
  open(): void {
    this.close();
    this.#current = undefined;
    this.#newest = NOTHING;
    for (let page = 0; page < SECTORS * this.#pages; page++) {
      const found = this.#read(page);
      if (found === undefined || found.sequence <= this.#newest.sequence) continue;
      this.#newest = { page, sequence: found.sequence };
      this.#current = found.data;
    }
  }

  /** The power goes: what is not stored is lost. */
  close(): void {
    this.#writing = { name: "idle" };
    this.#pending = undefined;
  }

  /** @param data at most 23 bytes with pages of 32 */
  write(data: Uint8Array, now: Instant): void {
    this.#current = data;
    this.#pending = data;
    if (this.#writing.name === "idle") this.#begin(now);
  }

  handleDeadline(now: Instant): void {
    const writing = this.#writing;
    if (writing.name === "idle" || writing.until > now) return;
    this.#flash.complete(now);
    this.#writing = { name: "idle" };
    if (writing.name === "erasing") {
      this.#program(writing.page, now);
      return;
    }
    this.#newest = { page: writing.page, sequence: this.#newest.sequence + 1 };
    if (this.#pending !== undefined) this.#begin(now);
  }

  save(): RecordLogState {
    return { current: this.#current, newest: this.#newest, pending: this.#pending, writing: this.#writing };
  }

  load(state: RecordLogState): void {
    this.#current = state.current;
    this.#newest = state.newest;
    this.#pending = state.pending;
    this.#writing = state.writing;
  }

  #begin(now: Instant): void {
    const sector = Math.floor(Math.max(0, this.#newest.page) / this.#pages);
    for (let page = this.#newest.page + 1; page < (sector + 1) * this.#pages; page++) {
      if (!this.#flash.isErased(this.#address(page), this.#flash.geometry.pageSize)) continue; // torn
      this.#program(page, now);
      return;
    }
    const page = (1 - sector) * this.#pages;
    const until = started(this.#flash.erase(this.#address(page), this.#flash.geometry.sectorSize, now));
    this.#writing = { name: "erasing", page, until };
  }

  #program(page: number, now: Instant): void {
    const data = this.#pending as Uint8Array;
    this.#pending = undefined;
    const record = this.#encode(data, this.#newest.sequence + 1);
    this.#writing = {
      name: "programming",
      page,
      until: started(this.#flash.program(this.#address(page), record, now)),
    };
  }

  #encode(data: Uint8Array, sequence: number): Uint8Array {
    const page = new Uint8Array(this.#flash.geometry.pageSize).fill(0xff);
    if (Offset.data + data.length + CRC_LENGTH > page.length)
      throw new InvariantError(`record of ${data.length} bytes`);
    const view = new DataView(page.buffer);
    view.setUint32(Offset.sequence, sequence, true);
    page[Offset.length] = data.length;
    page.set(data, Offset.data);
    const end = page.length - CRC_LENGTH;
    view.setUint32(end, crc32(page.subarray(0, end)), true);
    return page;
  }

  /** @returns undefined for a page that is erased, damaged or was not written whole */
  #read(page: number): { readonly data: Uint8Array; readonly sequence: number } | undefined {
    if (this.#flash.damaged(this.#address(page), this.#flash.geometry.pageSize)) return undefined;
    const bytes = this.#flash.read(this.#address(page), this.#flash.geometry.pageSize);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = bytes.length - CRC_LENGTH;
    const length = bytes[Offset.length] as number;
    if (Offset.data + length > end || view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) return undefined;
    return { data: bytes.slice(Offset.data, Offset.data + length), sequence: view.getUint32(Offset.sequence, true) };
  }

  #address(page: number): number {
    return this.#flash.geometry.address + page * this.#flash.geometry.pageSize;
  }
}

/** The flash belongs to the log alone, so its operations can't be refused. */
function started(start: FlashStart): Instant {
  if (start.type === "fault") throw new InvariantError(`record log: ${start.fault}`);
  return start.until;
}
