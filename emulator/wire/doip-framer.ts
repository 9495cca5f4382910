import type { Stateful } from "../kernel/machine.ts";
import {
  DOIP_HEADER_LENGTH,
  DOIP_PAYLOAD_MAX,
  type DoipMalformed,
  type DoipMessage,
  decodeDoip,
  decodeDoipHeader,
  HeaderNack,
} from "./doip.ts";

/** The state of a {@link DoipFramer}: what has come of a message that is not whole, and what is to be passed over. */
export interface DoipFramerState {
  readonly pending: Uint8Array;
  readonly skip: number;
  readonly lost: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * Cuts a stream of bytes into DoIP messages, wherever the pieces were cut.
 *
 * A message that must be discarded (unknown type, too large) is reported once, when its header is there, and its payload
 * is passed over without being kept. After a wrong pattern or an impossible length there is no next message to be found:
 * the framer is `lost` until it is reset, and its connection is to be closed. (ISO 13400-2:2019, 7.3)
 */
export class DoipFramer implements Stateful<DoipFramerState> {
  readonly #payloadMax: number;
  #pending: Uint8Array = NOTHING;
  #skip = 0;
  #lost = false;

  /** @param payloadMax the longest payload that is taken, bytes; no more than that is ever kept */
  constructor(payloadMax: number = DOIP_PAYLOAD_MAX) {
    this.#payloadMax = payloadMax;
  }

  /** @param data must not be changed afterwards; drain {@link next} before the next call */
  push(data: Uint8Array): void {
    if (this.#lost) return;
    const skipped = Math.min(this.#skip, data.length);
    this.#skip -= skipped;
    const rest = data.subarray(skipped);
    if (this.#pending.length === 0) {
      this.#pending = rest;
      return;
    }
    const joined = new Uint8Array(this.#pending.length + rest.length);
    joined.set(this.#pending);
    joined.set(rest, this.#pending.length);
    this.#pending = joined;
  }

  /** The next message, or why the next one is none; undefined when it is not whole yet. */
  next(): DoipMessage | DoipMalformed | undefined {
    const pending = this.#pending;
    if (this.#lost || pending.length < DOIP_HEADER_LENGTH) return undefined;
    const header = decodeDoipHeader(pending, this.#payloadMax);
    if (header.type === "malformed") {
      this.#pass(header.nack);
      return header;
    }
    const length = DOIP_HEADER_LENGTH + header.payloadLength;
    if (pending.length < length) return undefined;
    this.#pending = pending.subarray(length);
    return decodeDoip(pending.subarray(0, length), this.#payloadMax);
  }

  reset(): void {
    this.#pending = NOTHING;
    this.#skip = 0;
    this.#lost = false;
  }

  save(): DoipFramerState {
    return { pending: this.#pending, skip: this.#skip, lost: this.#lost };
  }

  load({ pending, skip, lost }: DoipFramerState): void {
    this.#pending = pending;
    this.#skip = skip;
    this.#lost = lost;
  }

  #pass(nack: HeaderNack): void {
    if (nack === HeaderNack.IncorrectPatternFormat || nack === HeaderNack.InvalidPayloadLength) {
      this.#pending = NOTHING;
      this.#lost = true;
      return;
    }
    const { buffer, byteOffset } = this.#pending;
    const length = DOIP_HEADER_LENGTH + new DataView(buffer, byteOffset).getUint32(4);
    const there = Math.min(length, this.#pending.length);
    this.#skip = length - there;
    this.#pending = this.#pending.subarray(there);
  }
}
