import { BODY_PIECE_LENGTH } from "../../gateway/source/host-request.ts";

/** Makes whole pieces of a body out of parts of any length. */
export class BodyPieces {
  #partial = new Uint8Array(BODY_PIECE_LENGTH);
  #length = 0;

  /** @returns the pieces that are whole now */
  add(data: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < data.length; ) {
      const taken = Math.min(BODY_PIECE_LENGTH - this.#length, data.length - at);
      this.#partial.set(data.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      if (this.#length === BODY_PIECE_LENGTH) pieces.push(this.rest() as Uint8Array);
    }
    return pieces;
  }

  /** The last, shorter one; undefined when there is none. */
  rest(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const piece = this.#partial.subarray(0, this.#length);
    this.#partial = new Uint8Array(BODY_PIECE_LENGTH);
    this.#length = 0;
    return piece;
  }
}
