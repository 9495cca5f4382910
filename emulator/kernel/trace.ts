import { UsageError } from "./errors.ts";
import type { Stateful } from "./machine.ts";
import type { Instant } from "./time.ts";
import { TRACE_EVENTS, type TraceEventType, type TraceFields } from "./trace-events.ts";

/** One recorded event; narrow it by `type`. */
export type TraceEvent = {
  readonly [Type in TraceEventType]: TraceFields<Type> & {
    readonly type: Type;
    readonly at: Instant;
    readonly source: string;
  };
}[TraceEventType];

export type TraceEventOf<Type extends TraceEventType> = Extract<TraceEvent, { type: Type }>;

/** Where nodes write what happened to them. */
export interface Tracer {
  record<Type extends TraceEventType>(at: Instant, source: string, type: Type, fields: TraceFields<Type>): void;
}

export interface TraceState {
  readonly bytes: Uint8Array;
  readonly count: number;
}

const TYPES = Object.keys(TRACE_EVENTS) as TraceEventType[];
const FIELDS = TYPES.map((type) => Object.entries(TRACE_EVENTS[type]));
const NAMES = FIELDS.map((fields) => fields.filter(([, kind]) => kind === "name").map(([field]) => field));
const CODES = new Map(TYPES.map((type, code) => [type, code + 1]));

/** Code of the record that gives the next name its number; all other codes are 1 + the row in the table of events. */
const DEFINE_NAME = 0;
const GROWTH = 2;
/** An integer up to 2^53 - 1 has at most eight groups of seven bits. */
const UINT_SCALE_END = 2 ** 56;
const UINT_MAX_LENGTH = 8;
/** Up to that many bytes a loop takes less time than `set`. */
const SHORT_OCTETS = 16;

/**
 * The one ordered record of a run, in a compact form that is also the file format (docs/protocols/trace.md).
 *
 * Each record is `code, at, source, fields`, with every integer in LEB128 and `at` as the distance from the record
 * before. Names are stored once and then go by number. Listeners are called while the event is being recorded; they
 * must not record.
 */
export class Trace implements Tracer, Stateful<TraceState> {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;
  #count = 0;
  #lastAt = 0;
  #names = new Map<string, number>();
  /** Of the names in the event that is being recorded; kept to save a new one each time. */
  readonly #numbers: number[] = [];
  readonly #listeners = new Map<TraceEventType, ((event: TraceEvent) => void)[]>();

  /** How many events there are. */
  get count(): number {
    return this.#count;
  }

  /** Length of the record in bytes. */
  get length(): number {
    return this.#length;
  }

  /** @throws {UsageError} for a time before the last event's, or a number that no field holds; nothing is recorded then */
  record<Type extends TraceEventType>(at: Instant, source: string, type: Type, fields: TraceFields<Type>): void {
    const code = CODES.get(type) as number;
    const kinds = FIELDS[code - 1] as [string, string][];
    const values = fields as Readonly<Record<string, string | number | Uint8Array>>;
    const sourceNumber = this.#nameNumber(source);
    const numbers = this.#numbers;
    numbers.length = 0;
    for (const field of NAMES[code - 1] as string[]) numbers.push(this.#nameNumber(values[field] as string));
    let name = 0;
    const start = this.#length;
    try {
      this.#uint(code);
      this.#uint(at - this.#lastAt);
      this.#uint(sourceNumber);
      for (const [field, kind] of kinds) {
        if (kind === "name") this.#uint(numbers[name++] as number);
        else this.#field(kind, values[field] as string | number | Uint8Array);
      }
    } catch (error) {
      this.#length = start;
      throw error;
    }
    this.#lastAt = at;
    this.#count++;
    const listeners = this.#listeners.get(type);
    if (listeners !== undefined) {
      const event = { type, at, source, ...fields } as unknown as TraceEvent;
      for (const listener of listeners) listener(event);
    }
  }

  /** Calls `listener` for every further event of that type. Answers what ends it. */
  on<Type extends TraceEventType>(type: Type, listener: (event: TraceEventOf<Type>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? [];
    const entry = listener as (event: TraceEvent) => void;
    this.#listeners.set(type, [...listeners, entry]);
    return () => {
      this.#listeners.set(
        type,
        (this.#listeners.get(type) ?? []).filter((other) => other !== entry),
      );
    };
  }

  /** All events so far, in order. */
  events(): Generator<TraceEvent> {
    return readTrace(this.bytes());
  }

  /** The record so far; a view that later events do not change. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  save(): TraceState {
    return { bytes: this.#bytes.slice(0, this.#length), count: this.#count };
  }

  load(state: TraceState): void {
    this.#bytes = new Uint8Array(Math.max(1 << 16, state.bytes.length * GROWTH));
    this.#bytes.set(state.bytes);
    this.#length = state.bytes.length;
    this.#count = state.count;
    this.#names = new Map();
    this.#lastAt = 0;
    const reader = new TraceReader(state.bytes);
    while (reader.next() !== undefined); // for the names and the last instant
    for (const name of reader.names) this.#names.set(name, this.#names.size);
    this.#lastAt = reader.at;
  }

  #field(kind: string, value: string | number | Uint8Array): void {
    if (kind === "uint") this.#uint(value as number);
    else this.#octets(kind === "text" ? encodeText(value as string) : (value as Uint8Array));
  }

  #nameNumber(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const number = this.#names.size;
    this.#names.set(name, number);
    this.#uint(DEFINE_NAME);
    this.#octets(encodeText(name));
    return number;
  }

  #octets(octets: Uint8Array): void {
    const { length } = octets;
    this.#uint(length);
    this.#reserve(length);
    if (length <= SHORT_OCTETS) {
      for (let index = 0; index < length; index++) this.#bytes[this.#length + index] = octets[index] as number;
    } else {
      this.#bytes.set(octets, this.#length);
    }
    this.#length += length;
  }

  #uint(value: number): void {
    if (!(value >= 0 && Number.isSafeInteger(value))) {
      throw new UsageError(`${value} in a trace field for integers from 0 to 2^53 - 1`);
    }
    this.#reserve(UINT_MAX_LENGTH);
    const bytes = this.#bytes;
    let length = this.#length;
    let rest = value;
    while (rest >= 0x80) {
      bytes[length++] = (rest & 0x7f) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    bytes[length++] = rest;
    this.#length = length;
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.#bytes.length * GROWTH, this.#length + length));
    bytes.set(this.bytes());
    this.#bytes = bytes;
  }
}

/**
 * Reads a record, one event after the other.
 * @throws {UsageError} where the bytes are cut off or name an event that this version does not know
 */
export function* readTrace(bytes: Uint8Array): Generator<TraceEvent> {
  const reader = new TraceReader(bytes);
  for (let event = reader.next(); event !== undefined; event = reader.next()) yield event;
}

class TraceReader {
  readonly names: string[] = [];
  at = 0;
  #offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): TraceEvent | undefined {
    while (this.#offset < this.#bytes.length) {
      const code = this.#uint();
      if (code === DEFINE_NAME) this.names.push(decodeText(this.#octets()));
      else return this.#event(code);
    }
    return undefined;
  }

  #event(code: number): TraceEvent {
    const kinds = FIELDS[code - 1];
    if (kinds === undefined) throw new UsageError(`trace: unknown event ${code} at byte ${this.#offset}`);
    this.at += this.#uint();
    const event: Record<string, unknown> = { type: TYPES[code - 1], at: this.at, source: this.#name() };
    for (const [field, kind] of kinds) {
      if (kind === "uint") event[field] = this.#uint();
      else if (kind === "name") event[field] = this.#name();
      else event[field] = kind === "text" ? decodeText(this.#octets()) : this.#octets();
    }
    return event as unknown as TraceEvent;
  }

  #name(): string {
    const number = this.#uint();
    const name = this.names[number];
    if (name === undefined) throw new UsageError(`trace: name ${number} is not defined at byte ${this.#offset}`);
    return name;
  }

  #octets(): Uint8Array {
    const length = this.#uint();
    if (this.#offset + length > this.#bytes.length) {
      throw new UsageError(`trace: ${length} bytes announced at byte ${this.#offset}, the record ends before`);
    }
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  #uint(): number {
    let value = 0;
    for (let scale = 1; scale < UINT_SCALE_END; scale *= 0x80) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw new UsageError("trace: the record ends in the middle of an event");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80 && value <= Number.MAX_SAFE_INTEGER) return value;
    }
    throw new UsageError(`trace: no integer up to 2^53 - 1 before byte ${this.#offset}`);
  }
}

const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);
const decodeText = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
