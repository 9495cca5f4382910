import type { Instant } from "../../../emulator/kernel/time.ts";
import type { Protection } from "./connection-io.ts";
import type { SsuTicket } from "./credentials.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

/** What a handshake can do to the channel that it opens. */
export interface HandshakeIo {
  readonly crypto: SsuCrypto;
  /** Digests of SYN and SYN-ACK options, then all messages so far. */
  readonly transcript: () => Uint8Array;
  readonly now: Instant;
  /** A message of the handshake goes out and into the transcript. */
  send(message: Uint8Array): void;
  /** A message after the handshake; it is no part of the transcript. */
  sendLater(message: Uint8Array): void;
  /** From now on records are sealed with keys of that secret. */
  sendUnder(secret: Uint8Array): void;
  /** From now on records must be. Throws when a message has begun under the keys before. */
  receiveUnder(secret: Uint8Array): void;
  /** Records of early data are opened with keys of that secret; undefined: passed over. */
  receiveEarly(secret: Uint8Array | undefined): void;
  /** How many records of early data there were. */
  readonly earlyRecords: number;
  protect(protection: Protection): void;
  /** Data may be written: the send key is that of application data. */
  writable(): void;
  established(how: { resumed: boolean; earlyAccepted: boolean }): void;
  readonly ticket: (ticket: SsuTicket) => void;
}

/** One side's handshake. Throws an `Alert` for a message that must not be. */
export interface Handshake {
  start(io: HandshakeIo): void;
  /** @param before the transcript without this message, which is in the transcript of `io` already */
  handle(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void;
  save(): unknown;
  load(state: unknown): void;
}

/** The same in constant time, as far as JavaScript has such a thing. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= (a[index] as number) ^ (b[index] ?? 0);
  return difference === 0;
}
