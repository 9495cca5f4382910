import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { BLANK_METADATA, type BootMetadata, decodeMetadata, encodeMetadata, METADATA_LENGTH } from "./boot-metadata.ts";
import type { Flash, FlashStart } from "./flash.ts";

type Writing =
  | { readonly name: "idle" }
  | { readonly name: "erasing" | "programming"; readonly sequence: number; readonly until: Instant };

export interface MetadataStoreState {
  readonly current: BootMetadata;
  readonly dirty: boolean;
  readonly copy: number;
  readonly sequence: number;
  readonly writing: Writing;
}

/**
 * The boot metadata in data flash: two copies, each in a sector of its own, written in turn by erase and program, so
 * that a power cut at any point leaves the copy that is not being written. The valid copy with the higher sequence
 * number counts. Its flash is used by nobody else.
 */
export class MetadataStore implements Stateful<MetadataStoreState> {
  readonly #name: string;
  readonly #flash: Flash;
  readonly #tracer: Tracer;
  #current: BootMetadata = BLANK_METADATA;
  /** `current` is newer than what is being, or has been, written. */
  #dirty = false;
  /** Which copy holds the newest record, and its number. */
  #copy = 1;
  #sequence = 0;
  #writing: Writing = { name: "idle" };

  constructor(name: string, flash: Flash, tracer: Tracer) {
    this.#name = name;
    this.#flash = flash;
    this.#tracer = tracer;
  }

  /** What was written last, even if it is not in the flash yet. */
  get current(): BootMetadata {
    return this.#current;
  }

  /** When the writing goes on or ends; undefined while all is stored. */
  get deadline(): Instant | undefined {
    return this.#writing.name === "idle" ? undefined : this.#writing.until;
  }

  /** After power-up: reads both copies. @returns whether at least one is good; if not, `current` is blank */
  open(): boolean {
    const copies = [0, 1].map((copy) => {
      const address = this.#address(copy);
      if (this.#flash.damaged(address, METADATA_LENGTH)) return undefined;
      return decodeMetadata(this.#flash.read(address, METADATA_LENGTH));
    });
    this.close();
    const [first, second] = copies;
    const newest = second !== undefined && (first === undefined || second.sequence > first.sequence) ? 1 : 0;
    const found = copies[newest];
    this.#copy = newest;
    this.#sequence = found?.sequence ?? 0;
    this.#current = found?.metadata ?? BLANK_METADATA;
    return found !== undefined;
  }

  /** The power goes: what is not stored is lost. */
  close(): void {
    this.#writing = { name: "idle" };
    this.#dirty = false;
  }

  /** Begins to store a record; it counts at once for readers, and after a power cut only once it is stored. */
  write(metadata: BootMetadata, now: Instant): void {
    this.#current = metadata;
    this.#dirty = true;
    if (this.#writing.name === "idle") this.#begin(now);
  }

  handleDeadline(now: Instant): void {
    const writing = this.#writing;
    if (writing.name === "idle" || writing.until > now) return;
    this.#flash.complete(now);
    const copy = 1 - this.#copy;
    if (writing.name === "erasing") {
      this.#dirty = false;
      const record = encodeMetadata(this.#current, writing.sequence);
      const until = started(this.#flash.program(this.#address(copy), record, now));
      this.#writing = { name: "programming", sequence: writing.sequence, until };
      return;
    }
    this.#copy = copy;
    this.#sequence = writing.sequence;
    this.#writing = { name: "idle" };
    this.#tracer.record(now, this.#name, "boot.metadataWritten", { copy, sequence: writing.sequence });
    if (this.#dirty) this.#begin(now);
  }

  /** In the factory: the first record, in place at once. */
  place(metadata: BootMetadata): void {
    this.#flash.place(this.#address(0), encodeMetadata(metadata, 1));
    this.#flash.place(this.#address(1), new Uint8Array(METADATA_LENGTH).fill(0xff));
    this.open();
  }

  save(): MetadataStoreState {
    return {
      current: this.#current,
      dirty: this.#dirty,
      copy: this.#copy,
      sequence: this.#sequence,
      writing: this.#writing,
    };
  }

  load(state: MetadataStoreState): void {
    this.#current = state.current;
    this.#dirty = state.dirty;
    this.#copy = state.copy;
    this.#sequence = state.sequence;
    this.#writing = state.writing;
  }

  #begin(now: Instant): void {
    const copy = 1 - this.#copy;
    const sequence = this.#sequence + 1;
    this.#tracer.record(now, this.#name, "boot.metadataWriteStarted", { copy, sequence });
    const until = started(this.#flash.erase(this.#address(copy), METADATA_LENGTH, now));
    this.#writing = { name: "erasing", sequence, until };
  }

  #address(copy: number): number {
    return this.#flash.geometry.address + copy * this.#flash.geometry.sectorSize;
  }
}

/** The data flash belongs to the store alone, so its operations can't be refused. */
function started(start: FlashStart): Instant {
  if (start.type === "fault") throw new InvariantError(`data flash: ${start.fault}`);
  return start.until;
}
