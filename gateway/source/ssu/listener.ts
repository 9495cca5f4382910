import type { Machine } from "../../../emulator/kernel/machine.ts";
import { earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { AlertCode } from "./alerts.ts";
import type { DropReason, Opening } from "./connection-state.ts";
import { COOKIE_LIFETIME_S, CookieJar, type HalfOpen } from "./cookie.ts";
import type { SsuIdentity } from "./credentials.ts";
import { type DecodedPacket, decodePacket, destinationOf, encodePacket, PacketFlag } from "./packet.ts";
import { encodeOptions, type PacketOptions, Security } from "./packet-options.ts";
import { SsuSession } from "./session.ts";
import type { SessionInput, SessionOutput } from "./session-io.ts";
import { HANDSHAKE_BUFFER, type SsuConfig, SYN_LENGTH_MIN } from "./ssu-config.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";
import { TicketIssuer } from "./tickets.ts";

export interface ListenerOptions {
  readonly config: SsuConfig;
  readonly crypto: SsuCrypto;
  /** Which openings are taken: plaintext ones only, secure ones only, or either. */
  readonly accepts: "plain" | "secure" | "either";
  /** Needed for all but "plain". */
  readonly identity?: SsuIdentity;
  /** Connections at once; 256 if not given. Of a further one nothing is kept, and it is told so. */
  readonly sessionsMax?: number;
  /** Of these, how many in their handshake; 64 if not given. */
  readonly halfOpenMax?: number;
  /** Of one host, a quarter of them in their handshake; 32 if not given. */
  readonly perHostMax?: number;
  /** Early data that is taken with a ticket, bytes; 0 if not given. */
  readonly earlyMax?: number;
}

export type ListenerInput =
  | { readonly type: "datagram"; readonly data: Uint8Array; readonly from: string }
  | { readonly type: "session"; readonly session: number; readonly input: SessionInput };

export type ListenerOutput =
  | { readonly type: "datagram"; readonly data: Uint8Array; readonly to: string }
  /** A client is there; everything else of it comes as outputs of its session. */
  | { readonly type: "accepted"; readonly session: number; readonly from: string }
  | {
      readonly type: "session";
      readonly session: number;
      readonly output: Exclude<SessionOutput, { type: "datagram" }>;
    };

/** What a listener dropped without acting on it, besides what its connections did. */
export type ListenerDrop = DropReason | "shortSyn" | "address" | "cookie" | "tooMany";

interface Entry {
  readonly id: number;
  readonly from: string;
  readonly localId: bigint;
  readonly session: SsuSession;
}

const GONE_MAX = 65_536;
/** Connections in TIME-WAIT, which hold no data, are counted apart: with them there may be so many times more. */
const TIME_WAIT_FACTOR = 4;

/** One server port: many connections by their ids, and nothing kept of those that are not open yet. (docs/protocols/ssu.md, 4.2) */
export class SsuListener implements Machine<ListenerInput, ListenerOutput> {
  readonly #options: ListenerOptions;
  readonly #cookies: CookieJar;
  readonly #tickets: TicketIssuer;
  readonly #byId = new Map<bigint, Entry>();
  readonly #sessions = new Map<number, Entry>();
  /** Ids of connections that were, as long as their cookies are good: they can't be opened a second time. */
  readonly #gone = new Map<bigint, Instant>();
  readonly #outputs: ListenerOutput[] = [];
  /** Sessions that may have something to say. */
  readonly #ready = new Set<Entry>();
  readonly #dropped: Partial<Record<ListenerDrop, number>> = {};
  /** Every further connection is refused, as if there was no room for it. */
  takesNobody = false;
  #count = 0;
  /** On connections that were. */
  #resentBefore = 0;
  #now = 0 as Instant;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#cookies = new CookieJar(options.crypto);
    this.#tickets = new TicketIssuer(options.crypto);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Packets that were sent again, on all connections that are or were. */
  get resent(): number {
    let sum = this.#resentBefore;
    for (const { session } of this.#sessions.values()) sum += session.counters.resent;
    return sum;
  }

  get dropped(): Readonly<Partial<Record<ListenerDrop, number>>> {
    return this.#dropped;
  }

  session(id: number): SsuSession | undefined {
    return this.#sessions.get(id)?.session;
  }

  handle(input: ListenerInput, now: Instant): void {
    this.#now = now;
    if (input.type === "session") {
      const entry = this.#sessions.get(input.session);
      if (entry === undefined) return; // it has gone in the meantime
      entry.session.handle(input.input, now);
      this.#ready.add(entry);
      return;
    }
    const to = destinationOf(input.data);
    const entry = to === undefined ? undefined : this.#byId.get(to);
    if (entry === undefined) {
      this.#stranger(input.data, input.from, now);
    } else if (entry.from !== input.from) {
      this.#drop("address");
    } else {
      entry.session.handle({ type: "datagram", data: input.data }, now);
      this.#ready.add(entry);
    }
  }

  handleDeadline(now: Instant): void {
    this.#now = now;
    for (const [id, at] of this.#gone) if (now >= at) this.#gone.delete(id);
    for (const entry of this.#sessions.values()) {
      const deadline = entry.session.nextDeadline();
      if (deadline === undefined || deadline > now) continue;
      entry.session.handleDeadline(now);
      this.#ready.add(entry);
    }
  }

  poll(): ListenerOutput | undefined {
    const output = this.#outputs.shift();
    if (output !== undefined) return output;
    for (const entry of this.#ready) {
      const said = entry.session.poll();
      if (said === undefined) {
        this.#ready.delete(entry);
        continue;
      }
      if (said.type === "datagram") return { type: "datagram", data: said.data, to: entry.from };
      if (said.type === "gone") this.#forget(entry);
      return { type: "session", session: entry.id, output: said };
    }
    return undefined;
  }

  nextDeadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const { session } of this.#sessions.values()) first = earliest(first, session.nextDeadline());
    return first;
  }

  #drop(reason: ListenerDrop): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
  }

  /** Nothing of what it says is kept, unless it brings a cookie of ours. */
  #stranger(data: Uint8Array, from: string, now: Instant): void {
    const packet = decodePacket(data);
    if (packet.type === "malformed") {
      this.#drop(packet.fault);
    } else if ((packet.flags & PacketFlag.Syn) !== 0) {
      if (packet.to !== 0n || (packet.flags & PacketFlag.Ack) !== 0) this.#drop("connectionId");
      else if (data.length < SYN_LENGTH_MIN) this.#drop("shortSyn");
      else this.#answerSyn(packet, from, now);
    } else if (packet.options.cookie === undefined || (packet.flags & PacketFlag.Rst) !== 0) {
      this.#drop("connectionId");
    } else {
      this.#accept(packet, packet.options.cookie, data, from, now);
    }
  }

  #answerSyn(syn: DecodedPacket, from: string, now: Instant): void {
    const { sourceId, maxDatagram, security } = syn.options;
    if (sourceId === undefined || maxDatagram === undefined || security === undefined) {
      this.#drop("options");
      return;
    }
    const settled = this.#settle(security);
    if (settled === undefined) {
      const reason = security === Security.Plain ? AlertCode.insufficientSecurity : AlertCode.handshakeFailure;
      this.#refuse(syn, sourceId, reason, from);
      return;
    }
    const { crypto, config } = this.#options;
    const numbers = crypto.random(12);
    const view = new DataView(numbers.buffer, numbers.byteOffset, 12);
    const half: HalfOpen = {
      clientId: sourceId,
      serverId: view.getBigUint64(0) || 1n,
      clientSeq: syn.seq,
      serverSeq: view.getUint32(8),
      clientWindow: syn.window,
      maxDatagram: Math.min(maxDatagram, config.maxDatagram),
      security: settled,
      synDigest: crypto.sha256(syn.rawOptions),
    };
    const cookie = this.#cookies.bake(half, from, now);
    const data = encodePacket({
      flags: PacketFlag.Syn | PacketFlag.Ack,
      to: sourceId,
      seq: half.serverSeq,
      ack: syn.seq + 1,
      window: settled === Security.Secure ? HANDSHAKE_BUFFER : config.receiveBuffer,
      options: this.#synAckOptions(half, cookie),
      payload: new Uint8Array(0),
    });
    this.#outputs.push({ type: "datagram", data, to: from });
  }

  /** @returns undefined when the two can't agree */
  #settle(asked: Security): HalfOpen["security"] | undefined {
    const { accepts } = this.#options;
    if (asked === Security.Plain) return accepts === "secure" ? undefined : Security.Plain;
    if (accepts !== "plain") return Security.Secure;
    return asked === Security.SecurePreferred ? Security.Plain : undefined;
  }

  #synAckOptions(half: HalfOpen, cookie: Uint8Array): PacketOptions {
    const { serverId, security } = half;
    return { sourceId: serverId, maxDatagram: this.#options.config.maxDatagram, security, cookie };
  }

  #refuse(packet: DecodedPacket, to: bigint, reason: number, from: string): void {
    const ack = packet.seq + ((packet.flags & PacketFlag.Syn) !== 0 ? 1 : 0);
    const seq = (packet.flags & PacketFlag.Syn) !== 0 ? 0 : packet.ack;
    const flags = PacketFlag.Rst | PacketFlag.Ack;
    const data = encodePacket({ flags, to, seq, ack, window: 0, options: { reason }, payload: new Uint8Array(0) });
    this.#outputs.push({ type: "datagram", data, to: from });
  }

  #accept(packet: DecodedPacket, cookie: Uint8Array, data: Uint8Array, from: string, now: Instant): void {
    const half = this.#cookies.read(cookie, from, now);
    if (half === undefined || half.serverId !== packet.to || this.#wasThere(half.serverId, now)) {
      this.#drop("cookie");
      return;
    }
    if (!this.#hasRoom(half, from)) {
      this.#drop("tooMany");
      this.#refuse(packet, half.clientId, AlertCode.tooBusy, from);
      return;
    }
    const { crypto, config, identity, earlyMax } = this.#options;
    const opening: Opening = {
      localId: half.serverId,
      peerId: half.clientId,
      iss: half.serverSeq,
      irs: half.clientSeq,
      peerWindow: half.clientWindow,
      maxDatagram: half.maxDatagram,
      security: half.security,
      synDigest: half.synDigest,
      synAckDigest: crypto.sha256(encodeOptions(this.#synAckOptions(half, cookie))),
    };
    const side = { role: "server", opening, identity, tickets: this.#tickets, earlyMax: earlyMax ?? 0 } as const;
    const session = new SsuSession(config, crypto, side, now);
    const entry: Entry = { id: this.#count++, from, localId: half.serverId, session };
    this.#byId.set(half.serverId, entry);
    this.#sessions.set(entry.id, entry);
    this.#outputs.push({ type: "accepted", session: entry.id, from });
    session.handle({ type: "datagram", data }, now);
    this.#ready.add(entry);
  }

  #wasThere(id: bigint, now: Instant): boolean {
    for (const [each, at] of this.#gone) {
      if (now < at) break; // in order of time
      this.#gone.delete(each);
    }
    return this.#gone.has(id) || this.#gone.size >= GONE_MAX;
  }

  #hasRoom({ security }: HalfOpen, from: string): boolean {
    if (this.takesNobody) return false;
    const { sessionsMax = 256, halfOpenMax = 64, perHostMax = 32 } = this.#options;
    const entries = [...this.#sessions.values()].filter(({ session }) => session.state !== "TIME-WAIT");
    if (entries.length >= sessionsMax || this.#sessions.size >= TIME_WAIT_FACTOR * sessionsMax) return false;
    const ofHost = entries.filter((entry) => hostOf(entry.from) === hostOf(from));
    if (ofHost.length >= perHostMax) return false;
    if (security === Security.Plain) return true;
    const halfOpen = (list: readonly Entry[]): number => list.filter(({ session }) => session.isHalfOpen).length;
    return halfOpen(entries) < halfOpenMax && halfOpen(ofHost) < Math.max(1, Math.floor(perHostMax / 4));
  }

  #forget(entry: Entry): void {
    this.#resentBefore += entry.session.counters.resent;
    this.#byId.delete(entry.localId);
    this.#sessions.delete(entry.id);
    this.#ready.delete(entry);
    this.#gone.set(entry.localId, plus(this.#now, s(COOKIE_LIFETIME_S + 1)));
  }
}

/** An address without its port. */
const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));
