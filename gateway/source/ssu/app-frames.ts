import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { FrameType } from "./frame-type.ts";
import { joined } from "./joined.ts";

/** What the two applications say over a stream. (docs/protocols/ssu.md, 8) */

/** The client's first bytes: "SSUA" and the version of these frames. */
export const PREAMBLE = Uint8Array.of(0x53, 0x53, 0x55, 0x41, 1);

export const AppError = {
  Version: 1,
  Malformed: 2,
  NotFound: 3,
  BadName: 4,
  TooLarge: 5,
  DigestWrong: 6,
  Changed: 7,
  BadOffset: 8,
  NotEarly: 9,
  Busy: 10,
  StorageFailed: 11,
  NickTaken: 12,
  NotAllowed: 13,
} as const;
export type AppError = (typeof AppError)[keyof typeof AppError];

const FRAME_HEADER_LENGTH = 5;
/** The longest body of a frame, bytes. */
export const FRAME_MAX = 65_536;
const DIGEST_LENGTH = 32;

/** What is known of a file. */
export interface FileFacts {
  readonly name: string;
  readonly size: number;
  /** SHA-256. */
  readonly digest: Uint8Array;
}

export type AppFrame =
  | { readonly type: "list" }
  | { readonly type: "stat"; readonly name: string }
  /** `digest`: of the file that the bytes before `offset` are of; all zero for any. */
  | { readonly type: "get"; readonly offset: number; readonly digest: Uint8Array; readonly name: string }
  | { readonly type: "put"; readonly size: number; readonly digest: Uint8Array; readonly name: string }
  | { readonly type: "data"; readonly data: Uint8Array }
  | { readonly type: "end" }
  | { readonly type: "report"; readonly text: string }
  | { readonly type: "join"; readonly nick: string }
  | { readonly type: "say"; readonly text: string }
  | { readonly type: "files"; readonly files: readonly FileFacts[] }
  | { readonly type: "file"; readonly size: number; readonly offset: number; readonly digest: Uint8Array }
  | { readonly type: "ready"; readonly offset: number }
  | { readonly type: "stored"; readonly name: string }
  | { readonly type: "reported" }
  | { readonly type: "welcome"; readonly members: number }
  /** `at`: Unix time, ms. */
  | {
      readonly type: "said";
      readonly number: number;
      readonly at: number;
      readonly nick: string;
      readonly text: string;
    }
  | { readonly type: "joined"; readonly nick: string }
  | { readonly type: "left"; readonly nick: string }
  | { readonly type: "error"; readonly code: number; readonly reason: string };

export type MalformedFrame = { readonly type: "malformed"; readonly reason: string };

const ENCODER = new TextEncoder();
const NOTHING = new Uint8Array(0);
const SAFE_HIGH_MAX = 0x1f_ffff;

export function encodeFrame(frame: AppFrame): Uint8Array {
  const [type, body] = partsOf(frame);
  const head = new Uint8Array(FRAME_HEADER_LENGTH);
  head[0] = type;
  new DataView(head.buffer).setUint32(1, body.length);
  return joined(head, body);
}

function partsOf(frame: AppFrame): [type: number, body: Uint8Array] {
  switch (frame.type) {
    case "list":
      return [FrameType.List, NOTHING];
    case "stat":
      return [FrameType.Stat, ENCODER.encode(frame.name)];
    case "get":
      return [FrameType.Get, joined(number64(frame.offset), frame.digest, ENCODER.encode(frame.name))];
    case "put":
      return [FrameType.Put, joined(number64(frame.size), frame.digest, ENCODER.encode(frame.name))];
    case "data":
      return [FrameType.Data, frame.data];
    case "end":
      return [FrameType.End, NOTHING];
    case "report":
      return [FrameType.Report, ENCODER.encode(frame.text)];
    case "join":
      return [FrameType.Join, ENCODER.encode(frame.nick)];
    case "say":
      return [FrameType.Say, ENCODER.encode(frame.text)];
    case "files":
      return [FrameType.Files, joined(...frame.files.map(factsBytes))];
    case "file":
      return [FrameType.File, joined(number64(frame.size), frame.digest, number64(frame.offset))];
    case "ready":
      return [FrameType.Ready, number64(frame.offset)];
    case "stored":
      return [FrameType.Stored, ENCODER.encode(frame.name)];
    case "reported":
      return [FrameType.Reported, NOTHING];
    case "welcome":
      return [FrameType.Welcome, Uint8Array.of(frame.members >> 8, frame.members & 0xff)];
    case "said":
      return [FrameType.Said, saidBytes(frame)];
    case "joined":
      return [FrameType.Joined, ENCODER.encode(frame.nick)];
    case "left":
      return [FrameType.Left, ENCODER.encode(frame.nick)];
    case "error":
      return [FrameType.Error, joined(Uint8Array.of(frame.code), ENCODER.encode(frame.reason))];
  }
}

/** Total. @param body of a whole frame */
function decodeFrame(type: number, body: Uint8Array): AppFrame | MalformedFrame {
  const fields = new Fields(body);
  const frame = readFrame(type, fields);
  if (frame === undefined) return { type: "malformed", reason: `a frame of type ${type}` };
  if (fields.bad) return { type: "malformed", reason: `a frame of type ${type} that can't be read` };
  return frame;
}

function readFrame(type: number, fields: Fields): AppFrame | undefined {
  switch (type) {
    case FrameType.List:
      return fields.last({ type: "list" });
    case FrameType.Stat:
      return { type: "stat", name: fields.text() };
    case FrameType.Get:
      return { type: "get", offset: fields.number64(), digest: fields.bytes(DIGEST_LENGTH), name: fields.text() };
    case FrameType.Put:
      return { type: "put", size: fields.number64(), digest: fields.bytes(DIGEST_LENGTH), name: fields.text() };
    case FrameType.Data:
      return { type: "data", data: fields.bytes(fields.left) };
    case FrameType.End:
      return fields.last({ type: "end" });
    case FrameType.Report:
      return { type: "report", text: fields.text() };
    case FrameType.Join:
      return { type: "join", nick: fields.text() };
    case FrameType.Say:
      return { type: "say", text: fields.text() };
    default:
      return readAnswer(type, fields);
  }
}

function readAnswer(type: number, fields: Fields): AppFrame | undefined {
  switch (type) {
    case FrameType.Files:
      return { type: "files", files: fields.files() };
    case FrameType.File:
      return fields.last({
        type: "file",
        size: fields.number64(),
        digest: fields.bytes(DIGEST_LENGTH),
        offset: fields.number64(),
      });
    case FrameType.Ready:
      return fields.last({ type: "ready", offset: fields.number64() });
    case FrameType.Stored:
      return { type: "stored", name: fields.text() };
    case FrameType.Reported:
      return fields.last({ type: "reported" });
    case FrameType.Welcome:
      return fields.last({ type: "welcome", members: fields.byte() * 256 + fields.byte() });
    case FrameType.Said: {
      const [number, at] = [fields.number64(), fields.number64()];
      return { type: "said", number, at, nick: fields.text(fields.byte()), text: fields.text() };
    }
    case FrameType.Joined:
      return { type: "joined", nick: fields.text() };
    case FrameType.Left:
      return { type: "left", nick: fields.text() };
    case FrameType.Error:
      return { type: "error", code: fields.byte(), reason: fields.text() };
    default:
      return undefined;
  }
}

/** Finds frames in a stream, wherever it was cut. What is kept is what was pushed and not taken out. */
export class FrameReader implements Stateful<Uint8Array> {
  #pending: Uint8Array = NOTHING;

  push(data: Uint8Array): void {
    this.#pending = this.#pending.length === 0 ? data : joined(this.#pending, data);
  }

  /** The first bytes of a client. @returns undefined when they are not all there */
  takePreamble(): Uint8Array | undefined {
    if (this.#pending.length < PREAMBLE.length) return undefined;
    const preamble = this.#pending.subarray(0, PREAMBLE.length);
    this.#pending = this.#pending.subarray(PREAMBLE.length);
    return preamble;
  }

  /** @returns undefined when the next one is not whole; after a length that can't be there is none */
  next(): AppFrame | MalformedFrame | undefined {
    const pending = this.#pending;
    if (pending.length < FRAME_HEADER_LENGTH) return undefined;
    const length = new DataView(pending.buffer, pending.byteOffset).getUint32(1);
    if (length > FRAME_MAX) return { type: "malformed", reason: `a frame of ${length} bytes` };
    const end = FRAME_HEADER_LENGTH + length;
    if (pending.length < end) return undefined;
    this.#pending = pending.subarray(end);
    return decodeFrame(pending[0] as number, pending.subarray(FRAME_HEADER_LENGTH, end));
  }

  save(): Uint8Array {
    return this.#pending;
  }

  load(pending: Uint8Array): void {
    this.#pending = pending;
  }
}

/** Takes fields from a body; what is not there is marked and read as nothing. */
class Fields {
  bad = false;
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) {
      this.bad = true;
      return new Uint8Array(Math.min(length, FRAME_MAX));
    }
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  /** Below 2^53. */
  number64(): number {
    const data = this.bytes(8);
    const view = new DataView(data.buffer, data.byteOffset);
    if (view.getUint32(0) > SAFE_HIGH_MAX) this.bad = true;
    return view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  }

  /** Of that many bytes, or up to the end. */
  text(length = this.left): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes(length));
    } catch {
      this.bad = true;
      return "";
    }
  }

  files(): FileFacts[] {
    const files: FileFacts[] = [];
    while (this.left > 0 && !this.bad) {
      const size = this.number64();
      const digest = this.bytes(DIGEST_LENGTH);
      files.push({ size, digest, name: this.text(this.byte()) });
    }
    return files;
  }

  /** Nothing may follow. */
  last(frame: AppFrame): AppFrame {
    if (this.left > 0) this.bad = true;
    return frame;
  }
}

function factsBytes({ name, size, digest }: FileFacts): Uint8Array {
  const text = ENCODER.encode(name);
  return joined(number64(size), digest, Uint8Array.of(text.length), text);
}

function saidBytes({ number, at, nick, text }: Extract<AppFrame, { type: "said" }>): Uint8Array {
  const name = ENCODER.encode(nick);
  return joined(number64(number), number64(at), Uint8Array.of(name.length), name, ENCODER.encode(text));
}

function number64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
