import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, type Instant, plus } from "../../../emulator/kernel/time.ts";
import type { ConnectionFailure, DropReason, Opening } from "./connection-state.ts";
import { type DecodedPacket, decodePacket, encodePacket, PACKET_HEADER_LENGTH, PacketFlag } from "./packet.ts";
import { OPTION_HEADER_LENGTH, optionsLength, Security } from "./packet-options.ts";
import { type SsuConfig, SYN_LENGTH_MIN } from "./ssu-config.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

export type OpenerOutput =
  | { readonly type: "datagram"; readonly data: Uint8Array }
  | {
      readonly type: "opened";
      readonly opening: Opening;
      readonly cookie: Uint8Array | undefined;
      readonly openBy: Instant;
      /** The round trip; undefined when the SYN was sent more than once. */
      readonly rtt: Duration | undefined;
    }
  | { readonly type: "failed"; readonly failure: ConnectionFailure };

/** SYN-SENT, or over. */
export interface OpenerState {
  readonly over: boolean;
  readonly syn: Uint8Array;
  readonly localId: bigint;
  readonly iss: number;
  readonly sends: number;
  readonly sentAt: Instant;
  readonly sendAt: Instant;
  readonly openBy: Instant;
}

/** The client's first half of an opening: SYN until SYN-ACK, a reset, or no more patience. (docs/protocols/ssu.md, 4.1) */
export class Opener implements Machine<Uint8Array, OpenerOutput>, Stateful<OpenerState> {
  readonly #config: SsuConfig;
  readonly #crypto: SsuCrypto;
  readonly #asked: Security;
  readonly #outputs: OpenerOutput[] = [];
  readonly #drop: (reason: DropReason) => void;
  #is: OpenerState;

  /** @param asked {@link Security.SecurePreferred} takes plaintext too, the others take only what they say */
  constructor(config: SsuConfig, crypto: SsuCrypto, asked: Security, drop: (reason: DropReason) => void, now: Instant) {
    this.#config = config;
    this.#crypto = crypto;
    this.#asked = asked;
    this.#drop = drop;
    const numbers = crypto.random(12);
    const view = new DataView(numbers.buffer, numbers.byteOffset, 12);
    const localId = view.getBigUint64(0) || 1n;
    const iss = view.getUint32(8);
    const syn = this.#syn(localId, iss);
    this.#is = {
      over: false,
      syn,
      localId,
      iss,
      sends: 0,
      sentAt: now,
      sendAt: now,
      openBy: plus(now, config.openTimeout),
    };
    this.handleDeadline(now);
  }

  handle(data: Uint8Array, now: Instant): void {
    if (this.#is.over) return;
    const packet = decodePacket(data);
    if (packet.type === "malformed") {
      this.#drop(packet.fault);
      return;
    }
    const { flags, to, ack } = packet;
    if (to !== this.#is.localId) {
      this.#drop("connectionId");
      return;
    }
    if ((flags & PacketFlag.Ack) === 0 || ack !== this.#is.iss + 1) {
      this.#drop("acknowledgement");
      return;
    }
    if ((flags & PacketFlag.Rst) !== 0) this.#refused(packet);
    else if ((flags & PacketFlag.Syn) !== 0) this.#synAck(packet, now);
    else this.#drop("state");
  }

  handleDeadline(now: Instant): void {
    const { over, sends, syn, sendAt, openBy } = this.#is;
    if (over) return;
    if (now >= openBy) {
      this.#fail({ code: "SSU_UNREACHABLE", reason: `no answer to ${sends} SYN` });
      return;
    }
    if (now < sendAt) return;
    const wait = Math.min(this.#config.rtoInitial * 2 ** Math.min(sends, 16), this.#config.rtoMax) as Duration;
    this.#is = { ...this.#is, sends: sends + 1, sentAt: now, sendAt: plus(now, wait) };
    this.#outputs.push({ type: "datagram", data: syn });
  }

  poll(): OpenerOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    const { over, sendAt, openBy } = this.#is;
    return over ? undefined : (Math.min(sendAt, openBy) as Instant);
  }

  save(): OpenerState {
    return this.#is;
  }

  load(state: OpenerState): void {
    this.#is = state;
  }

  #syn(localId: bigint, iss: number): Uint8Array {
    const { maxDatagram, receiveBuffer } = this.#config;
    const options = { sourceId: localId, maxDatagram, security: this.#asked };
    const length = PACKET_HEADER_LENGTH + optionsLength(options) + OPTION_HEADER_LENGTH;
    return encodePacket({
      flags: PacketFlag.Syn,
      to: 0n,
      seq: iss,
      ack: 0,
      window: receiveBuffer,
      options: { ...options, pad: Math.max(0, SYN_LENGTH_MIN - length) },
      payload: new Uint8Array(0),
    });
  }

  /** A server that gives less than what we insist on is no server of ours: there is no second try with less. */
  #synAck({ options, seq, window, rawOptions }: DecodedPacket, now: Instant): void {
    const { sourceId, maxDatagram, security, cookie } = options;
    if (sourceId === undefined || maxDatagram === undefined || security === undefined) {
      this.#drop("options");
      return;
    }
    if (
      security === Security.SecurePreferred ||
      (this.#asked !== Security.SecurePreferred && security !== this.#asked)
    ) {
      this.#fail({ code: "SSU_DOWNGRADE", reason: "the server has settled for a security that was not asked for" });
      return;
    }
    const { syn, localId, iss, sends, sentAt, openBy } = this.#is;
    const sent = decodePacket(syn) as DecodedPacket;
    const opening: Opening = {
      localId,
      peerId: sourceId,
      iss,
      irs: seq,
      peerWindow: window,
      maxDatagram: Math.min(maxDatagram, this.#config.maxDatagram),
      security,
      synDigest: this.#crypto.sha256(sent.rawOptions),
      synAckDigest: this.#crypto.sha256(rawOptions),
    };
    this.#is = { ...this.#is, over: true };
    const rtt = sends === 1 ? ((now - sentAt) as Duration) : undefined;
    this.#outputs.push({ type: "opened", opening, cookie, openBy, rtt });
  }

  #refused({ options: { reason } }: DecodedPacket): void {
    const alert = reason === undefined ? {} : { alert: reason };
    this.#fail({ code: "SSU_REFUSED", reason: "the server has refused the opening", ...alert });
  }

  #fail(failure: ConnectionFailure): void {
    this.#is = { ...this.#is, over: true };
    this.#outputs.push({ type: "failed", failure });
  }
}
