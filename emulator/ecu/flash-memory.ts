import type { Stateful } from "../kernel/machine.ts";

/** Bytes that are shared between a memory and the states taken of it; not the erase or write unit of the flash. */
const SHARE_LENGTH = 4096;
const ERASED = new Uint8Array(SHARE_LENGTH).fill(0xff);

/** The pieces of a memory, in order. Never changed once taken. */
export interface FlashMemoryState {
  readonly pieces: readonly Uint8Array[];
}

/**
 * The cells of a flash, without rules or times. Copy on write: a state shares every piece with the memory it was taken
 * of, and a piece is copied when it is next written to. Erased pieces are one and the same.
 */
export class FlashMemory implements Stateful<FlashMemoryState> {
  readonly length: number;
  #pieces: Uint8Array[];
  /** 1 for each piece that nobody else holds. */
  #own: Uint8Array;
  #copies = 0;

  /** @param length bytes; rounded up to whole pieces of {@link SHARE_LENGTH} */
  constructor(length: number) {
    const count = Math.ceil(length / SHARE_LENGTH);
    this.length = count * SHARE_LENGTH;
    this.#pieces = Array.from({ length: count }, () => ERASED);
    this.#own = new Uint8Array(count);
  }

  /** How many pieces were copied because they were shared. */
  get copies(): number {
    return this.#copies;
  }

  /** A copy of the bytes. The range must lie inside. */
  read(offset: number, length: number): Uint8Array {
    const data = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = (offset + done) % SHARE_LENGTH;
      const count = Math.min(length - done, SHARE_LENGTH - at);
      data.set(this.#piece(offset + done).subarray(at, at + count), done);
      done += count;
    }
    return data;
  }

  /** Calls `change` with each piece of the range, ready to be written, and where in the range it begins. */
  write(offset: number, length: number, change: (cells: Uint8Array, from: number) => void): void {
    for (let done = 0; done < length; ) {
      const at = (offset + done) % SHARE_LENGTH;
      const count = Math.min(length - done, SHARE_LENGTH - at);
      change(this.#ownPiece(offset + done).subarray(at, at + count), done);
      done += count;
    }
  }

  erase(offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = (offset + done) % SHARE_LENGTH;
      const count = Math.min(length - done, SHARE_LENGTH - at);
      if (count === SHARE_LENGTH) this.#drop(offset + done);
      else this.#ownPiece(offset + done).fill(0xff, at, at + count);
      done += count;
    }
  }

  isErased(offset: number, length: number): boolean {
    for (let done = 0; done < length; ) {
      const at = (offset + done) % SHARE_LENGTH;
      const count = Math.min(length - done, SHARE_LENGTH - at);
      const piece = this.#piece(offset + done);
      if (piece !== ERASED && piece.subarray(at, at + count).some((cell) => cell !== 0xff)) return false;
      done += count;
    }
    return true;
  }

  save(): FlashMemoryState {
    this.#own.fill(0);
    return { pieces: [...this.#pieces] };
  }

  load(state: FlashMemoryState): void {
    this.#pieces = [...state.pieces];
    this.#own = new Uint8Array(this.#pieces.length);
  }

  #piece(offset: number): Uint8Array {
    return this.#pieces[Math.floor(offset / SHARE_LENGTH)] as Uint8Array;
  }

  #ownPiece(offset: number): Uint8Array {
    const index = Math.floor(offset / SHARE_LENGTH);
    const piece = this.#pieces[index] as Uint8Array;
    if (this.#own[index] === 1) return piece;
    const copy = piece.slice();
    this.#pieces[index] = copy;
    this.#own[index] = 1;
    if (piece !== ERASED) this.#copies++;
    return copy;
  }

  #drop(offset: number): void {
    const index = Math.floor(offset / SHARE_LENGTH);
    this.#pieces[index] = ERASED;
    this.#own[index] = 0;
  }
}
