import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { Stateful } from "../../../emulator/kernel/machine.ts";
import { envelopeSecrets, openEnvelope, sealEnvelope } from "./envelope.ts";
import { identityText, parseIdentity } from "./identity.ts";
import { type KeyText, readKeyText } from "./key-text.ts";
import type { SrupBody, SrupType } from "./message-types.ts";
import { signSrup, verifySrup } from "./signed.ts";
import type { RandomBytes, SrupCrypto } from "./srup-crypto.ts";
import { decodeSrup, decodeSrupHeader, encodeSrup, type SrupFault, type SrupMessage } from "./srup-message.ts";
import { decodeText, encodeText } from "./values.ts";

/** The original's messages are cut at this length when they are sent, so no more is sent; bytes. */
const MESSAGE_LENGTH_MAX = 0xffff;
const SEQUENCE_MAX = 0xffff_ffff_ffff_ffffn;
/** More than a peer sends to somebody who is away, and few of 2^64. */
const SEQUENCES_SKIPPED = 0x1_0000n;
/** Of a one-time value, bytes: the text of 128 bits. */
const VALUE_LENGTH = 32;
const PEERS_MAX = 10_000;

/** Who a party is, as texts: its identity, and its private keys as PEM. */
export interface SrupIdentity {
  /** {@link identityText} */
  readonly identity: string;
  /** {@link KeyText}: says which protocol version the party speaks, and takes from others. */
  readonly privateKey: string;
}

/** Plain data: what a party knows of its peers, by their identities. */
export interface SrupPartyState {
  /** Public keys, {@link KeyText}. */
  readonly keys: Readonly<Record<string, string>>;
  /** The last number used between us and each peer, by either side; hexadecimal. */
  readonly sequences: Readonly<Record<string, string>>;
  /** Peers that we have neither heard of nor written to since we came to the broker; none, if left out. */
  readonly away?: readonly string[];
  /** Of the random source. */
  readonly random: unknown;
}

/**
 * Why a message was dropped. Nothing of it has been used, and unless its signature was right the peer's counter stands
 * where it stood.
 * - "version", "type", "truncated": as the codec says; "version" also for a version that is not our own
 * - "topic": it came on a topic where it does not belong
 * - "sequence": its number is not above the last one
 * - "unknownSender": there is no key, and the key service is not asked for this type or knows none
 * - "signature": not signed by whom it names
 * - "role": of a type that this role does not take
 * - "sender": not our server
 * - "token": of no update that is open
 * - "undecryptable": its envelope is not for us, or damaged
 * - "syndicationInactive": syndication has not begun
 * - "body": what it says can't be used
 * - "busy": too much is waiting already
 */
export type RefusalReason =
  | SrupFault
  | "topic"
  | "sequence"
  | "unknownSender"
  | "signature"
  | "role"
  | "sender"
  | "token"
  | "undecryptable"
  | "syndicationInactive"
  | "body"
  | "busy";

export interface Refusal {
  readonly type: "refused";
  readonly reason: RefusalReason;
  /** Whom it names as its sender, right or not. */
  readonly sender?: string;
}

export type Admission =
  | { readonly type: "admitted"; readonly message: SrupMessage; readonly peer: string }
  /** Whole and new, but there is no key to verify it with. */
  | { readonly type: "keyless"; readonly message: SrupMessage; readonly peer: string }
  /** Our own message, back from the broker. */
  | { readonly type: "own" }
  | Refusal;

/**
 * Why something was not sent: no key of the peer, or a key of our own that can't sign; all 2^64 numbers used up; more
 * than 65 535 bytes; there is no join, device or syndication that it could be about.
 */
export type UnsentReason = "key" | "sequenceExhausted" | "tooLong" | "nothingPending";

export type Written =
  | { readonly type: "written"; readonly payload: Uint8Array; readonly token: Uint8Array }
  | { readonly type: "unsent"; readonly reason: Exclude<UnsentReason, "nothingPending"> };

/**
 * What both roles have in common: keys, counters, signatures, tokens. (docs/protocols/srup.md, Sequence numbers)
 *
 * A message is verified before its number is stored, so that no forged one ever moves a counter.
 */
export class SrupParty implements Stateful<SrupPartyState> {
  readonly identity: string;
  readonly #number: bigint;
  readonly #privateKey: string;
  readonly #own: KeyText;
  readonly #crypto: SrupCrypto;
  readonly #random: RandomBytes;
  #keys: Readonly<Record<string, string>>;
  #sequences: Readonly<Record<string, string>> = {};
  #away: readonly string[] = [];

  constructor({ identity, privateKey }: SrupIdentity, keys: SrupPartyState["keys"], tools: SrupTools) {
    this.identity = identity;
    this.#number = numberOf(identity);
    this.#privateKey = privateKey;
    this.#own = readKeyText(privateKey);
    this.#keys = keys;
    this.#crypto = tools.crypto;
    this.#random = tools.random;
  }

  keyOf(peer: string): string | undefined {
    return this.#keys[peer];
  }

  /** Takes a key over, or forgets it. Beyond 10 000 peers no key is taken. */
  setKey(peer: string, key: string | undefined): void {
    const { [peer]: before, ...others } = this.#keys;
    if (key === undefined) this.#keys = others;
    else if (before !== undefined || Object.keys(others).length < PEERS_MAX) this.#keys = { ...others, [peer]: key };
  }

  /**
   * The next message to each peer that we know leaves numbers out, unless we hear of that peer first: while we were not on
   * the broker it may have used some that never came to us, and would refuse ours until they were above those.
   */
  cameBack(): void {
    this.#away = Object.keys(this.#sequences);
  }

  /**
   * Takes over a key that was asked for, if it was asked for because of such a message.
   * @returns whether there is a key of that peer now: without one, what came right behind its request is of no use
   */
  bringIn({ message, peer }: Admission & { type: "admitted" }, key: string, asks: ReadonlySet<SrupType>): boolean {
    if (asks.has(message.type)) this.setKey(peer, key);
    return this.keyOf(peer) !== undefined;
  }

  /** @param key instead of the one that is known */
  admit(payload: Uint8Array, key?: string): Admission {
    const { version } = this.#own;
    const header = decodeSrupHeader(payload, version);
    if (header.type === "malformed") return { type: "refused", reason: header.fault };
    const peer = identityText(header.sender);
    if (peer === this.identity) return { type: "own" };
    const refused = (reason: RefusalReason): Refusal => ({ type: "refused", reason, sender: peer });
    if (header.sequence <= this.#sequenceOf(peer)) return refused("sequence");
    const decoded = decodeSrup(payload, "current", version);
    if (decoded.type === "malformed") return refused(decoded.fault);
    const known = key ?? this.#keys[peer];
    if (known === undefined) return { type: "keyless", message: decoded.message, peer };
    if (!verifySrup(decoded, known, this.#crypto, version)) return refused("signature");
    this.#setSequence(peer, header.sequence);
    return { type: "admitted", message: decoded.message, peer };
  }

  /** Makes the next message to a peer. The number counts as used only when there is something to be sent. */
  write(peer: string, body: SrupBody, token = this.freshToken()): Written {
    const last = this.#sequenceOf(peer);
    const isAway = this.#away.includes(peer) && last < SEQUENCE_MAX >> 1n;
    const sequence = last + 1n + (isAway ? SEQUENCES_SKIPPED : 0n);
    if (sequence > SEQUENCE_MAX) return { type: "unsent", reason: "sequenceExhausted" };
    const message: SrupMessage = { ...body, sequence, sender: this.#number, token };
    const { version } = this.#own;
    const signed = signSrup(message, this.#privateKey, this.#crypto, version);
    if (signed === undefined) return { type: "unsent", reason: "key" };
    const payload = encodeSrup(signed, version);
    if (payload.length > MESSAGE_LENGTH_MAX) return { type: "unsent", reason: "tooLong" };
    this.#setSequence(peer, sequence);
    return { type: "written", payload, token };
  }

  /** The text of a random UUID. */
  freshToken(): Uint8Array {
    const digits = this.#uuid();
    const parts = [
      digits.slice(0, 8),
      digits.slice(8, 12),
      digits.slice(12, 16),
      digits.slice(16, 20),
      digits.slice(20),
    ];
    return encodeText(parts.join("-"));
  }

  /** A one-time value: 32 hexadecimal digits. */
  freshValue(): string {
    return this.#uuid();
  }

  /** Under the peer's key, filled up with NUL to 32 bytes. @returns undefined without a key that can be used */
  seal(peer: string, value: string): Uint8Array | undefined {
    const known = this.#keys[peer];
    const key = known === undefined ? "" : readKeyText(known).rsa;
    if ((this.#crypto.modulusLength(key) ?? 0) < 2 * VALUE_LENGTH) return undefined;
    const text = encodeText(value);
    const plain = new Uint8Array(Math.max(VALUE_LENGTH, text.length));
    plain.set(text);
    return sealEnvelope(plain, key, this.#crypto, envelopeSecrets(key, this.#crypto, this.#random));
  }

  /** The first 32 bytes of what is inside, without NUL at the end. @returns undefined when there is no such text for us */
  open(encrypted: Uint8Array): string | undefined {
    const plain = openEnvelope(encrypted, this.#own.rsa, this.#crypto);
    return plain && decodeText(plain.subarray(0, VALUE_LENGTH))?.replace(/\0+$/, "");
  }

  save(): SrupPartyState {
    return { keys: this.#keys, sequences: this.#sequences, away: this.#away, random: this.#random.save() };
  }

  load(state: SrupPartyState): void {
    this.#keys = state.keys;
    this.#sequences = state.sequences;
    this.#away = state.away ?? [];
    this.#random.load(state.random);
  }

  #sequenceOf(peer: string): bigint {
    const last = this.#sequences[peer];
    return last === undefined ? 0n : BigInt(`0x${last}`);
  }

  #setSequence(peer: string, sequence: bigint): void {
    this.#sequences = { ...this.#sequences, [peer]: sequence.toString(16) };
    this.#away = this.#away.filter((each) => each !== peer);
  }

  #uuid(): string {
    const bytes = this.#random.bytes(16);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

/** What a machine of this system is given. */
export interface SrupTools {
  readonly crypto: SrupCrypto;
  readonly random: RandomBytes;
}

/** A text that is no identity. */
class SrupIdentityError extends UsageError {
  override readonly code = "SRUP_IDENTITY";
}

/** @throws {SrupIdentityError} */
export function numberOf(identity: string): bigint {
  const number = parseIdentity(identity);
  if (number === undefined) throw new SrupIdentityError(`"${identity}" is no identity: hexadecimal, no leading zeros`);
  return number;
}

/** What the key service may be asked for: without a key there would be no way to begin. */
export const ASKS_KEY: Readonly<Record<"device" | "server", ReadonlySet<SrupType>>> = {
  device: new Set(["JOIN_COMMAND"]),
  server: new Set(["JOIN_REQUEST", "HUMAN_JOIN_REQUEST", "OBSERVED_JOIN_REQUEST"]),
};
