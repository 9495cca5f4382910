import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import { crc32 } from "../wire/crc32.ts";
import type { Flash, FlashStart } from "./flash.ts";

type Writing =
  | { readonly name: "idle" }
  | { readonly name: "erasing" | "programming"; readonly sequence: number; readonly until: Instant };

export interface RecordStoreState {
  readonly pending: Uint8Array | undefined;
  readonly copy: number;
  readonly sequence: number;
  readonly faulty: boolean;
  readonly writing: Writing;
}

const MAGIC = 0x5244544f; // "OTDR"
const Offset = { magic: 0, sequence: 4, length: 8, data: 12 } as const;
const CRC_LENGTH = 4;

/**
 * One record of up to a flash sector, in two copies that are written in turn, so that a power cut at any point leaves the
 * record before or the record after. The good copy with the higher number counts. Its flash is used by nobody else.
 */
export class RecordStore implements Stateful<RecordStoreState> {
  readonly #flash: Flash;
  /** Newer than what is being, or has been, written. */
  #pending: Uint8Array | undefined;
  /** Which copy holds the newest record, and its number. */
  #copy = 1;
  #sequence = 0;
  #faulty = false;
  #writing: Writing = { name: "idle" };

  constructor(flash: Flash) {
    this.#flash = flash;
  }

  /** The longest record, bytes. */
  get capacity(): number {
    return this.#flash.geometry.sectorSize - Offset.data - CRC_LENGTH;
  }

  /** When the writing goes on or ends; undefined while all is stored. */
  get deadline(): Instant | undefined {
    return this.#writing.name === "idle" ? undefined : this.#writing.until;
  }

  /** The flash refused what was last to be written. */
  get faulty(): boolean {
    return this.#faulty;
  }

  /** After power-up. @returns the newest good record; undefined when there is none */
  open(): Uint8Array | undefined {
    this.close();
    const [first, second] = [this.#read(0), this.#read(1)];
    const newest = second !== undefined && (first === undefined || second.sequence > first.sequence) ? 1 : 0;
    const found = newest === 1 ? second : first;
    this.#copy = found === undefined ? 1 : newest;
    this.#sequence = found?.sequence ?? 0;
    return found?.data;
  }

  /** The power goes: what is not stored is lost. */
  close(): void {
    this.#writing = { name: "idle" };
    this.#pending = undefined;
    this.#faulty = false;
  }

  /** Begins to store a record of at most {@link capacity} bytes, in place of one that has not been begun. */
  write(data: Uint8Array, now: Instant): void {
    this.#pending = data;
    this.#faulty = false;
    if (this.#writing.name === "idle") this.#begin(now);
  }

  handleDeadline(now: Instant): void {
    const writing = this.#writing;
    if (writing.name === "idle" || writing.until > now) return;
    this.#flash.complete(now);
    const copy = 1 - this.#copy;
    const data = this.#pending;
    if (writing.name === "erasing" && data !== undefined) {
      this.#pending = undefined;
      const record = this.#encode(data, writing.sequence);
      this.#started("programming", writing.sequence, this.#flash.program(this.#address(copy), record, now));
      return;
    }
    this.#copy = copy;
    this.#sequence = writing.sequence;
    this.#writing = { name: "idle" };
    if (data !== undefined) this.#begin(now);
  }

  save(): RecordStoreState {
    return {
      pending: this.#pending,
      copy: this.#copy,
      sequence: this.#sequence,
      faulty: this.#faulty,
      writing: this.#writing,
    };
  }

  load(state: RecordStoreState): void {
    this.#pending = state.pending;
    this.#copy = state.copy;
    this.#sequence = state.sequence;
    this.#faulty = state.faulty;
    this.#writing = state.writing;
  }

  #begin(now: Instant): void {
    const erased = this.#flash.erase(this.#address(1 - this.#copy), this.#flash.geometry.sectorSize, now);
    this.#started("erasing", this.#sequence + 1, erased);
  }

  #started(name: "erasing" | "programming", sequence: number, start: FlashStart): void {
    this.#faulty = start.type === "fault";
    this.#writing = start.type === "fault" ? { name: "idle" } : { name, sequence, until: start.until };
  }

  #encode(data: Uint8Array, sequence: number): Uint8Array {
    const { pageSize } = this.#flash.geometry;
    const end = Offset.data + data.length;
    const record = new Uint8Array(Math.ceil((end + CRC_LENGTH) / pageSize) * pageSize).fill(0xff);
    const view = new DataView(record.buffer);
    view.setUint32(Offset.magic, MAGIC, true);
    view.setUint32(Offset.sequence, sequence, true);
    view.setUint32(Offset.length, data.length, true);
    record.set(data, Offset.data);
    view.setUint32(end, crc32(record.subarray(0, end)), true);
    return record;
  }

  /** @returns undefined for a copy that is erased or was not written whole */
  #read(copy: number): { readonly data: Uint8Array; readonly sequence: number } | undefined {
    const head = this.#view(copy, Offset.data);
    const length = head.getUint32(Offset.length, true);
    if (head.getUint32(Offset.magic, true) !== MAGIC || length > this.capacity) return undefined;
    const end = Offset.data + length;
    const bytes = this.#flash.read(this.#address(copy), end + CRC_LENGTH);
    const crc = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(end, true);
    if (crc !== crc32(bytes.subarray(0, end))) return undefined;
    return { data: bytes.slice(Offset.data, end), sequence: head.getUint32(Offset.sequence, true) };
  }

  #view(copy: number, length: number): DataView {
    const bytes = this.#flash.read(this.#address(copy), length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #address(copy: number): number {
    return this.#flash.geometry.address + copy * this.#flash.geometry.sectorSize;
  }
}
