import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { type Instant, toSeconds } from "../../../emulator/kernel/time.ts";
import type { Security } from "./packet-options.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

/** All that a server would have to remember of a SYN that it has answered. */
export interface HalfOpen {
  readonly clientId: bigint;
  readonly serverId: bigint;
  /** Initial sequence numbers of client and server. */
  readonly clientSeq: number;
  readonly serverSeq: number;
  readonly clientWindow: number;
  readonly maxDatagram: number;
  readonly security: typeof Security.Plain | typeof Security.Secure;
  /** SHA-256 of the options of the SYN. */
  readonly synDigest: Uint8Array;
}

/** How long a cookie is good, seconds. */
export const COOKIE_LIFETIME_S = 30;
const CONTENT_LENGTH = 71;
const MAC_LENGTH = 16;
const TEXT = new TextEncoder();

/**
 * What a server knows of a half-open connection is kept by the client: in the SYN-ACK as a cookie, with a MAC over it and
 * over the client's address. So a SYN costs the server nothing that stays. (the idea of RFC 4987, 3.6)
 */
export class CookieJar implements Stateful<Uint8Array> {
  readonly #crypto: SsuCrypto;
  #key: Uint8Array;

  constructor(crypto: SsuCrypto) {
    this.#crypto = crypto;
    this.#key = crypto.random(32);
  }

  /** @param address of the client, with its port */
  bake(half: HalfOpen, address: string, now: Instant): Uint8Array {
    const cookie = new Uint8Array(CONTENT_LENGTH + MAC_LENGTH);
    const view = new DataView(cookie.buffer);
    view.setUint32(0, Math.floor(toSeconds(now)));
    view.setBigUint64(4, half.clientId);
    view.setBigUint64(12, half.serverId);
    view.setBigUint64(20, BigInt(half.clientSeq));
    view.setUint32(28, half.serverSeq);
    view.setUint32(32, half.clientWindow);
    view.setUint16(36, half.maxDatagram);
    view.setUint8(38, half.security);
    cookie.set(half.synDigest, 39);
    cookie.set(this.#mac(cookie.subarray(0, CONTENT_LENGTH), address), CONTENT_LENGTH);
    return cookie;
  }

  /** @returns undefined for a cookie that is not ours, not for this address, or too old */
  read(cookie: Uint8Array, address: string, now: Instant): HalfOpen | undefined {
    if (cookie.length !== CONTENT_LENGTH + MAC_LENGTH) return undefined;
    const content = cookie.subarray(0, CONTENT_LENGTH);
    const mac = this.#mac(content, address);
    if (!mac.every((byte, index) => byte === cookie[CONTENT_LENGTH + index])) return undefined;
    const view = new DataView(cookie.buffer, cookie.byteOffset, cookie.byteLength);
    if (Math.floor(toSeconds(now)) - view.getUint32(0) > COOKIE_LIFETIME_S) return undefined;
    return {
      clientId: view.getBigUint64(4),
      serverId: view.getBigUint64(12),
      clientSeq: Number(view.getBigUint64(20)),
      serverSeq: view.getUint32(28),
      clientWindow: view.getUint32(32),
      maxDatagram: view.getUint16(36),
      security: view.getUint8(38) as HalfOpen["security"],
      synDigest: cookie.slice(39, 71),
    };
  }

  save(): Uint8Array {
    return this.#key;
  }

  load(key: Uint8Array): void {
    this.#key = key;
  }

  #mac(content: Uint8Array, address: string): Uint8Array {
    const name = TEXT.encode(address);
    const data = new Uint8Array(content.length + name.length);
    data.set(content);
    data.set(name, content.length);
    return this.#crypto.hmacSha256(this.#key, data).subarray(0, MAC_LENGTH);
  }
}
