import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { Alert } from "./alerts.ts";
import { joined } from "./joined.ts";
import { expandLabel } from "./key-schedule.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

/** Records cut the stream into pieces that are encrypted one by one. (docs/protocols/ssu.md, 6.2) */

export const RecordType = { Alert: 0x15, Handshake: 0x16, Data: 0x17, EarlyData: 0x18 } as const;

export const RECORD_HEADER_LENGTH = 3;
/** The longest plaintext of a record. */
export const RECORD_MAX = 16_384;
export const RECORD_TAG_LENGTH = 16;
/** So many may be sent under one key. (RFC 8446, 5.5: 2^24.5) */
const RECORDS_MAX = 2 ** 24;

/** Keys of one direction and the number of the next record. */
export interface RecordKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly seq: number;
}

export interface RecordData {
  readonly type: number;
  readonly body: Uint8Array;
}

/** (RFC 8446, 7.3) */
export const recordKeys = (crypto: SsuCrypto, secret: Uint8Array): RecordKeys => ({
  key: expandLabel(crypto, secret, "key", new Uint8Array(0), 32),
  iv: expandLabel(crypto, secret, "iv", new Uint8Array(0), 12),
  seq: 0,
});

export const plainRecord = (type: number, body: Uint8Array): Uint8Array => joined(header(type, body.length), body);

/** @throws {Alert} internalError when the key has been used too often */
export function sealRecord(crypto: SsuCrypto, keys: RecordKeys, type: number, plain: Uint8Array): Uint8Array {
  if (keys.seq >= RECORDS_MAX) throw new Alert("internalError", "too many records under one key");
  const head = header(type, plain.length + RECORD_TAG_LENGTH);
  return joined(head, crypto.seal(keys.key, nonceOf(keys), associated(keys, head), plain));
}

/** @returns undefined when the record is not the one that was sent at this place */
export function openRecord(crypto: SsuCrypto, keys: RecordKeys, { type, body }: RecordData): Uint8Array | undefined {
  if (body.length < RECORD_TAG_LENGTH || keys.seq >= RECORDS_MAX) return undefined;
  return crypto.open(keys.key, nonceOf(keys), associated(keys, header(type, body.length)), body);
}

export const nextKeys = (keys: RecordKeys): RecordKeys => ({ ...keys, seq: keys.seq + 1 });

/** The number of the record, as 8 bytes, XORed into the end of the IV. (RFC 8446, 5.3) */
function nonceOf({ iv, seq }: RecordKeys): Uint8Array {
  const nonce = iv.slice();
  const number = numberBytes(seq);
  for (let index = 0; index < 8; index++) nonce[4 + index] = (nonce[4 + index] as number) ^ (number[index] as number);
  return nonce;
}

const associated = ({ seq }: RecordKeys, head: Uint8Array): Uint8Array => joined(numberBytes(seq), head);

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

const header = (type: number, length: number): Uint8Array => Uint8Array.of(type, length >> 8, length & 0xff);

/** Finds records in a stream, wherever it was cut. What is kept is less than one record. */
export class RecordReader implements Stateful<Uint8Array> {
  #pending: Uint8Array = new Uint8Array(0);

  push(data: Uint8Array): void {
    this.#pending = this.#pending.length === 0 ? data : joined(this.#pending, data);
  }

  /** @returns undefined when the next one is not whole @throws {Alert} for a length or type that can't be */
  next(): RecordData | undefined {
    const pending = this.#pending;
    if (pending.length < RECORD_HEADER_LENGTH) return undefined;
    const [type, high, low] = pending as unknown as [number, number, number];
    const length = (high << 8) | low;
    if (type < RecordType.Alert || type > RecordType.EarlyData)
      throw new Alert("unexpectedMessage", `a record of type ${type}`);
    if (length > RECORD_MAX + RECORD_TAG_LENGTH) throw new Alert("recordOverflow", `a record of ${length} bytes`);
    if (length === 0) throw new Alert("decodeError", "an empty record");
    const end = RECORD_HEADER_LENGTH + length;
    if (pending.length < end) return undefined;
    this.#pending = pending.subarray(end);
    return { type, body: pending.subarray(RECORD_HEADER_LENGTH, end) };
  }

  save(): Uint8Array {
    return this.#pending;
  }

  load(pending: Uint8Array): void {
    this.#pending = pending;
  }
}
