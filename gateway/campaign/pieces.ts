/** A download so far: pieces in order, without gaps. Plain data; the pieces are shared, never changed. */
export interface Pieces {
  readonly length: number;
  readonly list: readonly Uint8Array[];
}

export const NO_PIECES: Pieces = { length: 0, list: [] };

/**
 * Adds a piece where it belongs. A piece at an earlier offset takes the place of everything from there on: the server
 * could not resume, or has other contents now. A piece behind a gap is not taken.
 */
export function appendPiece(pieces: Pieces, offset: number, data: Uint8Array): Pieces {
  if (offset > pieces.length) return pieces;
  if (offset === pieces.length) return { length: offset + data.length, list: [...pieces.list, data] };
  const kept = joinPieces(pieces).slice(0, offset);
  return { length: offset + data.length, list: offset === 0 ? [data] : [kept, data] };
}

export function joinPieces(pieces: Pieces): Uint8Array {
  const bytes = new Uint8Array(pieces.length);
  let offset = 0;
  for (const piece of pieces.list) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
