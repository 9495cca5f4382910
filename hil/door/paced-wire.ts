import { isDoipAcknowledgement } from "../../emulator/wire/doip.ts";
import type { Wire } from "./session.ts";

/**
 * Between an acknowledgement (8002) and what follows it, milliseconds: scapy takes everything that it reads together with
 * an acknowledgement for a part of it, and would lose the ECU's answer.
 */
const GAP_MS = 20;
const WAITING_MAX = 256 * 1024;

/** A wire for DoIP messages, one a `write`, that leaves a gap behind each acknowledgement. */
export class PacedWire implements Wire {
  readonly #wire: Wire;
  #waiting: Uint8Array[] = [];
  #length = 0;
  #gap: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  write(data: Uint8Array): boolean {
    if (this.#gap === undefined) return this.#pass(data);
    if (this.#length + data.length > WAITING_MAX) return false;
    this.#waiting.push(data);
    this.#length += data.length;
    return true;
  }

  end(): void {
    if (this.#gap === undefined) this.#wire.end();
    else this.#ending = true;
  }

  #pass(data: Uint8Array): boolean {
    if (isDoipAcknowledgement(data)) this.#gap = setTimeout(() => this.#goOn(), GAP_MS);
    return this.#wire.write(data);
  }

  #goOn(): void {
    this.#gap = undefined;
    while (this.#gap === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#length -= next.length;
      this.#pass(next);
    }
    if (this.#gap === undefined && this.#ending) this.#wire.end();
  }
}
