import type { CapturedFrame } from "./captured-frame.ts";
import { BlockType, BYTE_ORDER_MAGIC, LinkType, Option } from "./pcapng-blocks.ts";
import { RecordError, type RecordErrorCode } from "./record-error.ts";
import { decodeSocketCan } from "./socketcan-packet.ts";

const CLAUSE = "draft-ietf-opsawg-pcapng, 4";
const BLOCK_LENGTH_MIN = 12;
const BLOCK_LENGTH_MAX = 1 << 24;
const NANOSECONDS_PER_SECOND = 1_000_000_000n;

/** What was in a capture besides CAN frames and error frames. */
export type LeftOut = "otherInterface" | "withoutTime";

interface Interface {
  readonly linkType: number;
  readonly name: string;
  /** Ticks of its clock in one second. */
  readonly ticksPerSecond: bigint;
}

/** The state that holds until the next section header. */
interface Section {
  readonly littleEndian: boolean;
  readonly interfaces: Interface[];
}

/**
 * The CAN frames of a pcapng file of either byte order; an interface that has no name is called "can" and its number.
 * @param leftOut told of each packet that is not in the result
 * @throws {RecordError} at the first block that can't be read
 */
export function* readPcapng(
  pieces: Iterable<Uint8Array>,
  leftOut: (what: LeftOut) => void = () => {},
): Generator<CapturedFrame> {
  let section: Section | undefined;
  for (const { type, body, littleEndian } of blocksOf(pieces)) {
    if (type === BlockType.SectionHeader || section === undefined) section = { littleEndian, interfaces: [] };
    if (type === BlockType.InterfaceDescription) section.interfaces.push(decodeInterface(body, section));
    if (type === BlockType.SimplePacket) leftOut("withoutTime");
    if (type !== BlockType.EnhancedPacket) continue;
    const frame = decodePacket(body, section);
    if (typeof frame === "string") leftOut(frame);
    else yield frame;
  }
}

interface Block {
  readonly type: number;
  /** Without type and lengths; a view that holds until the next block is asked for. */
  readonly body: DataView;
  readonly littleEndian: boolean;
}

function* blocksOf(pieces: Iterable<Uint8Array>): Generator<Block> {
  const source = new ByteQueue(pieces);
  let littleEndian: boolean | undefined;
  for (let offset = 0; ; ) {
    const head = source.peek(BLOCK_LENGTH_MIN);
    if (head.byteLength === 0 && littleEndian !== undefined) return;
    const isHeader = head.byteLength >= 4 && head.getUint32(0) === BlockType.SectionHeader;
    if (littleEndian === undefined && !isHeader) throw fault("PCAPNG_FOREIGN", "this is no pcapng file");
    if (head.byteLength < BLOCK_LENGTH_MIN)
      throw fault("PCAPNG_TRUNCATED", `the file ends in a block at byte ${offset}`);
    if (isHeader) littleEndian = byteOrder(head, offset);
    const order: boolean = littleEndian as boolean;
    const block = wholeBlock(source, head.getUint32(4, order), order, offset);
    const length = block.byteLength;
    const body = new DataView(block.buffer, block.byteOffset + 8, length - BLOCK_LENGTH_MIN);
    yield { type: block.getUint32(0, order), body, littleEndian: order };
    source.drop(length);
    offset += length;
  }
}

/** @throws {RecordError} when the lengths in front and behind do not agree with each other and with the file */
function wholeBlock(source: ByteQueue, length: number, littleEndian: boolean, offset: number): DataView {
  if (length < BLOCK_LENGTH_MIN || length % 4 !== 0 || length > BLOCK_LENGTH_MAX) {
    throw fault("PCAPNG_MALFORMED", `a block of ${length} bytes at byte ${offset}`);
  }
  const block = source.peek(length);
  if (block.byteLength < length) throw fault("PCAPNG_TRUNCATED", `${block.byteLength} of ${length} bytes at ${offset}`);
  if (block.getUint32(length - 4, littleEndian) !== length) {
    throw fault("PCAPNG_MALFORMED", `the block at byte ${offset} has two different lengths`);
  }
  return block;
}

function byteOrder(head: DataView, offset: number): boolean {
  if (head.getUint32(8, true) === BYTE_ORDER_MAGIC) return true;
  if (head.getUint32(8) === BYTE_ORDER_MAGIC) return false;
  throw fault("PCAPNG_MALFORMED", `the section at byte ${offset} has no byte order`);
}

function decodeInterface(body: DataView, { littleEndian, interfaces }: Section): Interface {
  if (body.byteLength < 8) throw fault("PCAPNG_MALFORMED", `an interface of ${body.byteLength} bytes, at least 8`);
  let name = `can${interfaces.length}`;
  let ticksPerSecond = 1_000_000n;
  for (let offset = 8; offset + 4 <= body.byteLength; ) {
    const code = body.getUint16(offset, littleEndian);
    const length = body.getUint16(offset + 2, littleEndian);
    offset += 4;
    if (code === Option.EndOfOptions) break;
    if (offset + length > body.byteLength) throw fault("PCAPNG_MALFORMED", `an option of ${length} bytes does not fit`);
    if (code === Option.InterfaceName) {
      name = new TextDecoder().decode(new Uint8Array(body.buffer, body.byteOffset + offset, length));
    }
    if (code === Option.TimeResolution && length > 0) ticksPerSecond = resolution(body.getUint8(offset));
    offset += (length + 3) & ~3;
  }
  const shown = name === "" ? `can${interfaces.length}` : name.replace(/\s/g, "_");
  return { linkType: body.getUint16(0, littleEndian), name: shown, ticksPerSecond };
}

/** if_tsresol: a power of ten, or of two when the highest bit is set. */
const resolution = (octet: number): bigint => (octet >= 0x80 ? 2n ** BigInt(octet & 0x7f) : 10n ** BigInt(octet));

function decodePacket(body: DataView, { littleEndian, interfaces }: Section): CapturedFrame | LeftOut {
  if (body.byteLength < 20) throw fault("PCAPNG_MALFORMED", `a packet block of ${body.byteLength} bytes, at least 20`);
  const number = body.getUint32(0, littleEndian);
  const from = interfaces[number];
  if (from === undefined) throw fault("PCAPNG_MALFORMED", `a packet of interface ${number}, which is not described`);
  if (from.linkType !== LinkType.CanSocketCan) return "otherInterface";
  const ticks = (BigInt(body.getUint32(4, littleEndian)) << 32n) | BigInt(body.getUint32(8, littleEndian));
  const length = body.getUint32(12, littleEndian);
  if (20 + length > body.byteLength) {
    throw fault("PCAPNG_MALFORMED", `a packet of ${length} bytes in a block with ${body.byteLength - 20}`);
  }
  const decoded = decodeSocketCan(new Uint8Array(body.buffer, body.byteOffset + 20, length));
  if (decoded.type === "malformed") throw fault("PCAPNG_MALFORMED", `a packet of "${from.name}": ${decoded.reason}`);
  return { time: (ticks * NANOSECONDS_PER_SECOND) / from.ticksPerSecond, bus: from.name, frame: decoded.frame };
}

/** Bytes that come in pieces of any length and are wanted in others. */
class ByteQueue {
  readonly #pieces: Iterator<Uint8Array>;
  #bytes = new Uint8Array(1 << 16);
  #start = 0;
  #end = 0;

  constructor(pieces: Iterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.iterator]();
  }

  /** The next `length` bytes; fewer only at the end. */
  peek(length: number): DataView {
    while (this.#end - this.#start < length) {
      const { value, done } = this.#pieces.next();
      if (done === true) break;
      this.#append(value);
    }
    return new DataView(this.#bytes.buffer, this.#start, Math.min(length, this.#end - this.#start));
  }

  drop(length: number): void {
    this.#start += length;
  }

  #append(piece: Uint8Array): void {
    const kept = this.#end - this.#start;
    if (this.#end + piece.length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#bytes.length, 2 * (kept + piece.length)));
      bytes.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = kept;
    }
    this.#bytes.set(piece, this.#end);
    this.#end += piece.length;
  }
}

const fault = (code: RecordErrorCode, reason: string): RecordError => new RecordError(code, reason, CLAUSE);
