import { PDU_LENGTH_MAX } from "./pdu.ts";

/** Plain data: all that a splitter remembers between two calls. */
export interface SplitterState {
  /** The object under way; empty between two. */
  readonly held: Uint8Array;
  readonly depth: number;
  readonly inString: boolean;
  readonly escaped: boolean;
}

export const SPLITTER_START: SplitterState = {
  held: new Uint8Array(0),
  depth: 0,
  inString: false,
  escaped: false,
};

export interface Split {
  readonly state: SplitterState;
  /** Whole objects, in order. */
  readonly objects: readonly Uint8Array[];
  /** What came can't be a sequence of PDUs; nothing behind it counts. */
  readonly error?: string;
}

const TOO_LONG = `a PDU is longer than ${PDU_LENGTH_MAX} bytes`;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const WHITE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Cuts a stream into the JSON objects on it, wherever the network cut it. It looks at braces, strings and escapes only;
 * what is inside an object, {@link decodePdu} says.
 */
export function splitPdus(before: SplitterState, data: Uint8Array): Split {
  const objects: Uint8Array[] = [];
  const scan = new Scan(before);
  let start = 0;
  for (let index = scan.textEnd(data, 0); index < data.length; index = scan.textEnd(data, index + 1)) {
    const byte = data[index] as number;
    const step = scan.step(byte);
    if (step === "stray") return { state: before, objects, error: `byte ${hex(byte)} between two PDUs` };
    if (step === "begin") start = index;
    const length = scan.heldLength + index + 1 - start;
    if ((scan.depth > 0 || step === "end") && length > PDU_LENGTH_MAX)
      return { state: before, objects, error: TOO_LONG };
    if (step !== "end") continue;
    objects.push(scan.take(data.subarray(start, index + 1)));
    start = index + 1;
  }
  if (scan.depth > 0 && scan.heldLength + data.length - start > PDU_LENGTH_MAX)
    return { state: before, objects, error: TOO_LONG };
  return { state: scan.rest(data.subarray(start)), objects };
}

/** Whether the stream may end here. */
export const isBetweenPdus = ({ depth }: SplitterState): boolean => depth === 0;

class Scan {
  depth: number;
  #held: Uint8Array;
  #inString: boolean;
  #escaped: boolean;

  constructor({ held, depth, inString, escaped }: SplitterState) {
    this.#held = held;
    this.depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
  }

  get heldLength(): number {
    return this.#held.length;
  }

  /** Passes over what is plain text of a string: nearly all of a segment. @returns the first byte that may mean something */
  textEnd(data: Uint8Array, from: number): number {
    if (!this.#inString || this.#escaped) return from;
    let index = from;
    while (index < data.length && data[index] !== QUOTE && data[index] !== BACKSLASH) index++;
    return index;
  }

  step(byte: number): "begin" | "end" | "stray" | "on" {
    if (this.#inString) return this.#character(byte);
    if (this.depth === 0) {
      if (byte === OPEN) return this.#open();
      return WHITE.has(byte) ? "on" : "stray";
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN) this.depth++;
    else if (byte === CLOSE && --this.depth === 0) return "end";
    return "on";
  }

  #character(byte: number): "on" {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
    return "on";
  }

  #open(): "begin" {
    this.depth = 1;
    return "begin";
  }

  take(end: Uint8Array): Uint8Array {
    const object = joined(this.#held, end);
    this.#held = SPLITTER_START.held;
    return object;
  }

  rest(tail: Uint8Array): SplitterState {
    if (this.depth === 0) return SPLITTER_START;
    return {
      held: joined(this.#held, tail),
      depth: this.depth,
      inString: this.#inString,
      escaped: this.#escaped,
    };
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second.slice();
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`;
