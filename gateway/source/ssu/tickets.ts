import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Instant, toSeconds } from "../../../emulator/kernel/time.ts";
import { joined } from "./joined.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

export interface TicketIssuerState {
  readonly key: Uint8Array;
  readonly used: readonly (readonly [id: string, until: number])[];
}

/** How long a ticket is good, seconds. */
export const TICKET_LIFETIME_S = 7200;
const USED_MAX = 65_536;
const NONCE_LENGTH = 12;
const PSK_LENGTH = 32;
const TEXT = new TextEncoder();
const NOTHING = new Uint8Array(0);

/**
 * Makes tickets that hold all the server needs to resume, sealed under a key that dies with it, and takes each of them
 * once only: so nothing that was sent under a ticket can be played to it again. (RFC 8446, 8.1)
 */
export class TicketIssuer implements Stateful<TicketIssuerState> {
  readonly #crypto: SsuCrypto;
  #key: Uint8Array;
  #used = new Map<string, number>();

  constructor(crypto: SsuCrypto) {
    this.#crypto = crypto;
    this.#key = crypto.random(32);
  }

  issue(psk: Uint8Array, serverName: string, now: Instant): Uint8Array {
    const nonce = this.#crypto.random(NONCE_LENGTH);
    const until = new Uint8Array(4);
    new DataView(until.buffer).setUint32(0, Math.floor(toSeconds(now)) + TICKET_LIFETIME_S);
    const content = joined(psk, until, TEXT.encode(serverName));
    return joined(nonce, this.#crypto.seal(this.#key, nonce, NOTHING, content));
  }

  /** @returns undefined for a ticket that is not ours, too old, of another name, or has been used */
  redeem(ticket: Uint8Array, serverName: string, now: Instant): Uint8Array | undefined {
    if (ticket.length < NONCE_LENGTH) return undefined;
    const nonce = ticket.subarray(0, NONCE_LENGTH);
    const content = this.#crypto.open(this.#key, nonce, NOTHING, ticket.subarray(NONCE_LENGTH));
    if (content === undefined) return undefined;
    const until = new DataView(content.buffer, content.byteOffset).getUint32(PSK_LENGTH);
    if (toSeconds(now) >= until || new TextDecoder().decode(content.subarray(PSK_LENGTH + 4)) !== serverName)
      return undefined;
    return this.#isFirstUse(nonce.join(" "), until, toSeconds(now)) ? content.slice(0, PSK_LENGTH) : undefined;
  }

  save(): TicketIssuerState {
    return { key: this.#key, used: [...this.#used] };
  }

  load({ key, used }: TicketIssuerState): void {
    this.#key = key;
    this.#used = new Map(used);
  }

  /** When there is no room to remember it, a ticket is not taken at all. */
  #isFirstUse(id: string, until: number, nowS: number): boolean {
    for (const [each, end] of this.#used) if (end <= nowS) this.#used.delete(each);
    if (this.#used.has(id) || this.#used.size >= USED_MAX) return false;
    this.#used.set(id, until);
    return true;
  }
}
