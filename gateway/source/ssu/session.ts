import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { Machine, Stateful } from "../../../emulator/kernel/machine.ts";
import { type Duration, earliest, type Instant, plus, s } from "../../../emulator/kernel/time.ts";
import { Alert, AlertCode, type SessionFailure } from "./alerts.ts";
import { ClientHandshake } from "./client-handshake.ts";
import { SsuConnection, type SsuConnectionState } from "./connection.ts";
import type { ConnectionOutput } from "./connection-io.ts";
import type { ConnectionCounters, DropReason, Opening } from "./connection-state.ts";
import { joined } from "./joined.ts";
import { Opener, type OpenerOutput, type OpenerState } from "./opener.ts";
import { Security } from "./packet-options.ts";
import { RECORD_HEADER_LENGTH, RECORD_MAX, RECORD_TAG_LENGTH } from "./records.ts";
import { type ChannelOutput, SecureChannel, type SecureChannelState } from "./secure-channel.ts";
import { ServerHandshake } from "./server-handshake.ts";
import type { ClientSide, ServerSide, SessionInput, SessionOutput } from "./session-io.ts";
import { HANDSHAKE_BUFFER, type SsuConfig } from "./ssu-config.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

interface Marks {
  readonly opened: boolean;
  readonly paused: boolean;
  readonly endWanted: boolean;
  /** The stream below has ended; told when all before it has been read. */
  readonly endSeen: boolean;
  /** `closed` or `failed` has been told. */
  readonly over: boolean;
  readonly unsent: readonly Uint8Array[];
  readonly handshakeBy: Instant | undefined;
  /** Until then a fatal alert may be on its way. */
  readonly lingerBy: Instant | undefined;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  readonly now: Instant;
}

export interface SsuSessionState {
  readonly marks: Marks;
  readonly opener: OpenerState | undefined;
  readonly opening: Opening | undefined;
  readonly connection: SsuConnectionState | undefined;
  readonly channel: SecureChannelState | undefined;
}

const LINGER = s(3);
const READ_LENGTH = 65_536;
const RECORD_OVERHEAD = RECORD_HEADER_LENGTH + RECORD_TAG_LENGTH;
/** Kept for alerts and tickets. */
const RESERVE = 512;

/** One stream, plaintext or secure, on either side: opening, connection and channel put together. */
export class SsuSession implements Machine<SessionInput, SessionOutput>, Stateful<SsuSessionState> {
  readonly #config: SsuConfig;
  readonly #crypto: SsuCrypto;
  readonly #side: ClientSide | ServerSide;
  readonly #outputs: SessionOutput[] = [];
  #opener: Opener | undefined;
  #connection: SsuConnection | undefined;
  #channel: SecureChannel | undefined;
  #is: Marks;

  /** @throws {UsageError} for security without what it needs */
  constructor(config: SsuConfig, crypto: SsuCrypto, side: ClientSide | ServerSide, now: Instant) {
    this.#config = config;
    this.#crypto = crypto;
    this.#side = side;
    this.#is = {
      opened: false,
      paused: false,
      endWanted: false,
      endSeen: false,
      over: false,
      unsent: [],
      handshakeBy: undefined,
      lingerBy: undefined,
      dropped: {},
      now,
    };
    if (side.role === "server") {
      this.#connect(side.opening, undefined, now);
      return;
    }
    if (side.security !== Security.Plain && (side.trust === undefined || side.serverName === undefined)) {
      throw new UsageError("ssu: a secure stream needs a CA and the name of the server");
    }
    this.#opener = this.#makeOpener(side, now);
  }

  /** How many bytes can be written. */
  get room(): number {
    const { opened, endWanted, over, unsent } = this.#is;
    if (this.#connection === undefined || endWanted || over || unsent.length > 0) return 0;
    const room = this.#connection.room;
    if (this.#channel === undefined) return opened ? room : 0;
    if (!this.#channel.isWritable) return 0;
    return Math.max(0, room - RESERVE - RECORD_OVERHEAD * Math.ceil(room / RECORD_MAX));
  }

  get secure(): boolean {
    return this.#channel !== undefined;
  }

  /** The secure handshake is under way. */
  get isHalfOpen(): boolean {
    return this.#is.handshakeBy !== undefined;
  }

  get counters(): ConnectionCounters {
    const { sent, received, resent, dropped } = this.#connection?.counters ?? {
      sent: 0,
      received: 0,
      resent: 0,
      dropped: {},
    };
    return { sent, received, resent, dropped: { ...this.#is.dropped, ...dropped } };
  }

  get roundTrip(): Duration | undefined {
    return this.#connection?.roundTrip;
  }

  get state(): string {
    return this.#connection?.state ?? (this.#is.over ? "CLOSED" : "SYN-SENT");
  }

  /** Written and not acknowledged yet, bytes of the stream below. */
  get pending(): number {
    return this.#connection?.pending ?? 0;
  }

  /** @throws {UsageError} for writing more than there is room for */
  handle(input: SessionInput, now: Instant): void {
    this.#set({ now });
    switch (input.type) {
      case "datagram":
        (this.#connection ?? this.#opener)?.handle(input.data, now);
        return;
      case "write":
        this.#write(input.data);
        return;
      case "end":
        this.#set({ endWanted: true });
        this.#flush();
        return;
      case "abort":
        this.#abort(AlertCode.userCanceled);
        return;
      case "pause":
        this.#set({ paused: true });
        return;
      case "resume":
        this.#set({ paused: false });
        this.#read();
        return;
    }
  }

  handleDeadline(now: Instant): void {
    this.#set({ now });
    const { handshakeBy, lingerBy } = this.#is;
    if (handshakeBy !== undefined && now >= handshakeBy) {
      this.#set({ handshakeBy: undefined });
      this.#channel?.fail(new Alert("handshakeTimeout", "the handshake took too long"));
      this.#drainChannel();
    }
    if (lingerBy !== undefined && now >= lingerBy) {
      this.#set({ lingerBy: undefined });
      this.#connection?.abort(now);
    }
    this.#opener?.handleDeadline(now);
    this.#connection?.handleDeadline(now);
  }

  poll(): SessionOutput | undefined {
    for (;;) {
      const output = this.#outputs.shift();
      if (output !== undefined) return output;
      const opening = this.#opener?.poll();
      const event = opening === undefined ? this.#connection?.poll() : undefined;
      if (opening !== undefined) {
        if (opening.type === "datagram") return opening;
        this.#handleOpening(opening);
      } else if (event === undefined) {
        return undefined;
      } else if (event.type === "datagram") {
        return event;
      } else {
        this.#handleConnection(event);
      }
    }
  }

  nextDeadline(): Instant | undefined {
    const { handshakeBy, lingerBy } = this.#is;
    return earliest(handshakeBy, lingerBy, this.#opener?.nextDeadline(), this.#connection?.nextDeadline());
  }

  save(): SsuSessionState {
    return {
      marks: this.#is,
      opener: this.#opener?.save(),
      opening: this.#connection?.opening,
      connection: this.#connection?.save(),
      channel: this.#channel?.save(),
    };
  }

  load({ marks, opener, opening, connection, channel }: SsuSessionState): void {
    this.#outputs.length = 0;
    this.#opener = undefined;
    this.#connection = undefined;
    this.#channel = undefined;
    if (opener !== undefined && this.#side.role === "client") {
      this.#opener = this.#makeOpener(this.#side, marks.now);
      while (this.#opener.poll() !== undefined); // its first SYN, which is another one's
      this.#opener.load(opener);
    }
    if (opening !== undefined && connection !== undefined) {
      this.#connection = this.#makeConnection(opening, undefined, marks.now, marks.now);
      this.#connection.load(connection);
    }
    if (opening !== undefined && channel !== undefined) {
      this.#channel = this.#makeChannel(opening, marks.now).channel;
      this.#channel.load(channel);
    }
    this.#is = marks;
  }

  #set(changes: Partial<Marks>): void {
    this.#is = { ...this.#is, ...changes };
  }

  #makeOpener({ security }: ClientSide, now: Instant): Opener {
    const drop = (reason: DropReason): void => {
      this.#set({ dropped: { ...this.#is.dropped, [reason]: (this.#is.dropped[reason] ?? 0) + 1 } });
    };
    return new Opener(this.#config, this.#crypto, security, drop, now);
  }

  #makeConnection(opening: Opening, cookie: Uint8Array | undefined, cookieBy: Instant, now: Instant): SsuConnection {
    const isLimited = opening.security === Security.Secure && this.#side.role === "server";
    const receiveLimit = isLimited ? HANDSHAKE_BUFFER : this.#config.receiveBuffer;
    const mac = (key: Uint8Array, covered: Uint8Array): Uint8Array =>
      this.#crypto.hmacSha256(key, covered).subarray(0, 16);
    return new SsuConnection(opening, this.#config, mac, { cookie, cookieBy, receiveLimit }, now);
  }

  #makeChannel(opening: Opening, now: Instant): { channel: SecureChannel; client: ClientHandshake | undefined } {
    const crypto = this.#crypto;
    const transcript = joined(opening.synDigest, opening.synAckDigest);
    const side = this.#side;
    if (side.role === "client") {
      const { trust, serverName, ticket, early } = side;
      if (trust === undefined || serverName === undefined) throw new UsageError("ssu: whom to believe was not said");
      const handshake = new ClientHandshake({ trust, serverName, ticket, early: early !== undefined });
      const none = { earlyMax: 0, earlyBorne: 0 };
      return { channel: new SecureChannel({ crypto, handshake, transcript, ...none }, now), client: handshake };
    }
    const { identity, tickets, earlyMax } = side;
    if (identity === undefined) throw new UsageError("ssu: a secure stream needs a certificate");
    const handshake = new ServerHandshake({ identity, tickets, earlyMax });
    const early = { earlyMax, earlyBorne: HANDSHAKE_BUFFER };
    return { channel: new SecureChannel({ crypto, handshake, transcript, ...early }, now), client: undefined };
  }

  #handleOpening(output: Exclude<OpenerOutput, { type: "datagram" }>): void {
    this.#opener = undefined;
    if (output.type === "failed") {
      this.#fail(output.failure);
      this.#outputs.push({ type: "gone" });
      return;
    }
    const { opening, cookie, openBy, rtt } = output;
    this.#connect(opening, { cookie, openBy }, this.#is.now);
    this.#connection?.measured(rtt);
  }

  #connect(
    opening: Opening,
    client: { cookie: Uint8Array | undefined; openBy: Instant } | undefined,
    now: Instant,
  ): void {
    this.#connection = this.#makeConnection(opening, client?.cookie, client?.openBy ?? now, now);
    const early = this.#side.role === "client" ? this.#side.early : undefined;
    if (opening.security === Security.Plain) {
      this.#set({ opened: true });
      this.#outputs.push({ type: "opened", secure: false, resumed: false, earlyAccepted: false });
      if (early !== undefined) this.#connection.write(early, now);
      this.#flush();
      return;
    }
    const made = this.#makeChannel(opening, now);
    this.#channel = made.channel;
    this.#set({ handshakeBy: plus(now, this.#config.handshakeTimeout) });
    if (early !== undefined && early.length > 0 && made.client !== undefined && early.length <= made.client.earlyMax) {
      const secret = made.client.earlySecret(made.channel.io());
      if (secret !== undefined) made.channel.writeEarly(early, secret);
    }
    this.#drainChannel();
  }

  #write(data: Uint8Array): void {
    if (data.length > this.room) throw new UsageError(`ssu: ${data.length} bytes, there is room for ${this.room}`);
    if (data.length === 0) return;
    if (this.#channel === undefined) {
      this.#connection?.write(data, this.#is.now);
      return;
    }
    this.#channel.write(data);
    this.#drainChannel();
  }

  #handleConnection(event: Exclude<ConnectionOutput, { type: "datagram" }>): void {
    switch (event.type) {
      case "readable":
        this.#read();
        return;
      case "writable":
        this.#flush();
        if (this.room > 0) this.#outputs.push({ type: "writable" });
        return;
      case "ended":
        this.#set({ endSeen: true });
        this.#read();
        return;
      case "closed":
        this.#closed();
        return;
      case "failed":
        this.#fail(event.failure);
        return;
      case "gone":
        this.#set({ lingerBy: undefined, handshakeBy: undefined });
        this.#outputs.push({ type: "gone" });
        return;
    }
  }

  #read(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { now } = this.#is;
    while (connection.readable > 0 && !this.#is.paused) {
      const data = connection.read(READ_LENGTH, now);
      if (this.#is.over) continue; // of no interest any more
      if (this.#channel === undefined) {
        this.#outputs.push({ type: "data", data, early: false });
      } else {
        this.#channel.receive(data, now);
        this.#drainChannel();
      }
    }
    if (this.#is.endSeen && connection.readable === 0 && !this.#is.over) this.#ended();
  }

  /** Without a close_notify somebody else may have cut the stream off. (RFC 8446, 6.1) */
  #ended(): void {
    this.#set({ endSeen: false });
    if (this.#channel === undefined) {
      this.#outputs.push({ type: "ended" });
    } else if (!this.#channel.endReceived) {
      this.#fail({ code: "SSU_TRUNCATED", reason: "the stream ended without a close_notify" });
      this.#connection?.abort(this.#is.now);
    }
  }

  #closed(): void {
    if (this.#is.over) return;
    this.#read();
    if (this.#is.over) return;
    this.#set({ over: true });
    this.#outputs.push({ type: "closed" });
  }

  #drainChannel(): void {
    for (let output = this.#channel?.poll(); output !== undefined; output = this.#channel?.poll()) {
      this.#handleChannel(output);
    }
    this.#flush();
  }

  #handleChannel(output: ChannelOutput): void {
    switch (output.type) {
      case "send":
        this.#set({ unsent: [...this.#is.unsent, output.data] });
        this.#flush();
        return;
      case "protect":
        this.#connection?.protect(output.protection);
        return;
      case "established":
        this.#established(output);
        return;
      case "alertSent":
        this.#fail({ code: "SSU_ALERT_SENT", reason: output.reason, alert: output.code });
        this.#set({ lingerBy: plus(this.#is.now, LINGER), handshakeBy: undefined, endWanted: true });
        return;
      case "alertReceived":
        this.#fail({ code: "SSU_ALERT_RECEIVED", reason: "the peer has ended the stream", alert: output.code });
        this.#connection?.abort(this.#is.now);
        return;
      case "data":
      case "ended":
      case "ticket":
        if (!this.#is.over) this.#outputs.push(output);
        return;
      case "writable":
        if (this.room > 0 && this.#is.opened) this.#outputs.push(output);
        return;
    }
  }

  #established({ resumed, earlyAccepted }: { resumed: boolean; earlyAccepted: boolean }): void {
    this.#set({ opened: true, handshakeBy: undefined });
    this.#connection?.raiseReceiveLimit();
    this.#outputs.push({ type: "opened", secure: true, resumed, earlyAccepted });
    const side = this.#side;
    // early data that was never tried goes out now; what was tried and passed over, the channel sends again
    if (side.role !== "client" || side.early === undefined || this.#channel?.triedEarly === true) return;
    this.#channel?.write(side.early);
  }

  #flush(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    let { unsent } = this.#is;
    for (let [first] = unsent; first !== undefined && first.length <= connection.room; [first] = unsent) {
      connection.write(first, this.#is.now);
      unsent = unsent.slice(1);
      this.#set({ unsent });
    }
    const { endWanted, opened, over } = this.#is;
    if (!endWanted || unsent.length > 0 || !(opened || over)) return;
    if (this.#channel?.isWritable === true) {
      this.#channel.end();
      this.#drainChannel(); // comes back here
      return;
    }
    connection.close(this.#is.now);
  }

  #abort(reason: number): void {
    this.#fail({ code: "SSU_ABORTED", reason: "aborted by this side" });
    if (this.#connection === undefined) {
      this.#opener = undefined;
      this.#outputs.push({ type: "gone" });
    } else {
      this.#connection.abort(this.#is.now, reason);
    }
  }

  #fail(failure: SessionFailure): void {
    if (this.#is.over) return;
    this.#set({ over: true, handshakeBy: undefined });
    this.#outputs.push({ type: "failed", failure });
  }
}
