/** Root of every error this project throws. `code` is stable and is what tests and callers match on. */
export abstract class BenchError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Our own caller broke an API's contract, or a person's file or flag is wrong: fix the caller. */
export class UsageError extends BenchError {
  override readonly code: string = "USAGE";
}

/** Our own code broke its invariant: a bug here, never the peer's doing. */
export class InvariantError extends BenchError {
  override readonly code: string = "INVARIANT";
}

/** The other side of the wire, or whoever made the bytes, broke the standard or the agreement. */
export abstract class PeerError extends BenchError {
  /** The clause that was broken, e.g. "ISO 15765-2:2016, 9.6.5.1". */
  abstract readonly clause: string;
}

/** The world failed: unplugged, unreachable, refused, timed out. `cause` carries what the system said. */
export class LinkError extends BenchError {
  override readonly code: string;

  /** @param code stable and upper case, e.g. "LINK_REFUSED" */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
