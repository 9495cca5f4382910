import { NEGATIVE_RESPONSE, type Nrc } from "../../../emulator/wire/uds.ts";

/** What was received: pieces as they came, many of them put together. */
export interface Received {
  readonly blocks: readonly Uint8Array[];
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

export const NOTHING: Received = { blocks: [], pieces: [], length: 0 };
const PIECES_MAX = 256;

/** What is more than `max` bytes is counted and thrown away. */
export function withPiece(received: Received, piece: Uint8Array, max: number): Received {
  const length = received.length + piece.length;
  if (length > max) return { ...received, length };
  const pieces = [...received.pieces, piece];
  if (pieces.length < PIECES_MAX) return { ...received, pieces, length };
  return { blocks: [...received.blocks, together(pieces)], pieces: [], length };
}

export const wholeOf = ({ blocks, pieces }: Received): Uint8Array => together([...blocks, ...pieces]);

function together(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export const refusal = (sid: number, nrc: Nrc): Uint8Array => Uint8Array.of(NEGATIVE_RESPONSE, sid, nrc);
