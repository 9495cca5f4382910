import { UsageError } from "../../../emulator/kernel/errors.ts";
import type { Stateful } from "../../../emulator/kernel/machine.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";
import { Alert, AlertCode } from "./alerts.ts";
import type { Protection } from "./connection-io.ts";
import type { SsuTicket } from "./credentials.ts";
import type { Handshake, HandshakeIo } from "./handshake-io.ts";
import { splitMessage } from "./handshake-messages.ts";
import { joined } from "./joined.ts";
import {
  nextKeys,
  openRecord,
  plainRecord,
  RECORD_MAX,
  type RecordData,
  type RecordKeys,
  RecordReader,
  RecordType,
  recordKeys,
  sealRecord,
} from "./records.ts";
import type { SsuCrypto } from "./ssu-crypto.ts";

export type ChannelOutput =
  /** Bytes for the stream below. */
  | { readonly type: "send"; readonly data: Uint8Array }
  /** `early`: it came before the client had proven that it is there. */
  | { readonly type: "data"; readonly data: Uint8Array; readonly early: boolean }
  | { readonly type: "protect"; readonly protection: Protection }
  | { readonly type: "writable" }
  | { readonly type: "established"; readonly resumed: boolean; readonly earlyAccepted: boolean }
  | { readonly type: "ticket"; readonly ticket: SsuTicket }
  /** The peer has said that it sends no more. */
  | { readonly type: "ended" }
  | { readonly type: "alertSent"; readonly code: number; readonly reason: string }
  | { readonly type: "alertReceived"; readonly code: number };

interface Marks {
  readonly phase: "handshake" | "open" | "dead";
  readonly writable: boolean;
  readonly transcript: Uint8Array;
  /** The beginning of a message that is not whole. */
  readonly pending: Uint8Array;
  readonly send: RecordKeys | undefined;
  readonly receive: RecordKeys | undefined;
  readonly earlySend: RecordKeys | undefined;
  readonly earlyReceive: RecordKeys | undefined;
  readonly earlyRecords: number;
  /** Bytes of early data: plaintext that was taken, or bodies of records that were passed over. */
  readonly earlyBytes: number;
  /** Early data, to be sent again when the server has passed over it. */
  readonly earlyWritten: Uint8Array;
  readonly endSent: boolean;
  readonly endReceived: boolean;
  readonly now: Instant;
}

export interface SecureChannelState {
  readonly marks: Marks;
  readonly reader: Uint8Array;
  readonly handshake: unknown;
}

const NOTHING = new Uint8Array(0);
const FATAL = 2;
const WARNING = 1;

interface ChannelOptions {
  readonly crypto: SsuCrypto;
  readonly handshake: Handshake;
  /** Digests of the options of SYN and SYN-ACK, one behind the other. */
  readonly transcript: Uint8Array;
  /** How much early data is taken, bytes of plaintext, as tickets say; 0 on a client. */
  readonly earlyMax: number;
  /** How much is passed over when it is not taken, bytes of bodies of records; 0 on a client. */
  readonly earlyBorne: number;
}

/** Encrypts one stream: handshake, records, alerts. Bytes of the stream in and out. (docs/protocols/ssu.md, 6) */
export class SecureChannel implements Stateful<SecureChannelState> {
  readonly #options: ChannelOptions;
  readonly #reader = new RecordReader();
  /** Drained before the call that filled it has been answered; so no part of the state. */
  readonly #outputs: ChannelOutput[] = [];
  #is: Marks;

  constructor(options: ChannelOptions, now: Instant) {
    this.#options = options;
    this.#is = {
      phase: "handshake",
      writable: false,
      transcript: options.transcript,
      pending: NOTHING,
      send: undefined,
      receive: undefined,
      earlySend: undefined,
      earlyReceive: undefined,
      earlyRecords: 0,
      earlyBytes: 0,
      earlyWritten: NOTHING,
      endSent: false,
      endReceived: false,
      now,
    };
    options.handshake.start(this.#io());
  }

  /** The handshake has ended well. */
  get isOpen(): boolean {
    return this.#is.phase === "open";
  }

  get isWritable(): boolean {
    return this.#is.writable && !this.#is.endSent && this.#is.phase !== "dead";
  }

  get endReceived(): boolean {
    return this.#is.endReceived;
  }

  /** Early data has been sent, be it taken or passed over. */
  get triedEarly(): boolean {
    return this.#is.earlyRecords > 0 && this.#is.earlySend !== undefined;
  }

  /** Bytes of the stream, cut anywhere. */
  receive(data: Uint8Array, now: Instant): void {
    if (this.#is.phase === "dead") return;
    this.#set({ now });
    this.#guard(() => {
      this.#reader.push(data);
      for (let record = this.#nextRecord(); record !== undefined; record = this.#nextRecord()) this.#record(record);
    });
  }

  /** @throws {UsageError} before it can be written, or after the end */
  write(data: Uint8Array): void {
    if (!this.isWritable) throw new UsageError("ssu: this stream can't be written now");
    this.#guard(() => {
      for (let at = 0; at < data.length; at += RECORD_MAX) {
        this.#sendRecord(RecordType.Data, data.subarray(at, at + RECORD_MAX));
      }
    });
  }

  /** Data that the server may act on before the client has proven that it is there; whatever can be asked twice. */
  writeEarly(data: Uint8Array, secret: Uint8Array): void {
    const { crypto } = this.#options;
    const keys = this.#is.earlySend ?? recordKeys(crypto, secret);
    const record = sealRecord(crypto, keys, RecordType.EarlyData, data);
    this.#set({
      earlySend: nextKeys(keys),
      earlyRecords: this.#is.earlyRecords + 1,
      earlyWritten: joined(this.#is.earlyWritten, data),
    });
    this.#outputs.push({ type: "send", data: record });
  }

  /** Nothing more will be written. */
  end(): void {
    if (!this.isWritable) return;
    this.#guard(() => this.#sendRecord(RecordType.Alert, Uint8Array.of(WARNING, AlertCode.closeNotify)));
    this.#set({ endSent: true });
  }

  /** Ends the stream with a fatal alert, for a reason from outside. */
  fail(alert: Alert): void {
    this.#guard(() => {
      throw alert;
    });
  }

  poll(): ChannelOutput | undefined {
    return this.#outputs.shift();
  }

  save(): SecureChannelState {
    return { marks: this.#is, reader: this.#reader.save(), handshake: this.#options.handshake.save() };
  }

  load({ marks, reader, handshake }: SecureChannelState): void {
    this.#outputs.length = 0;
    this.#is = marks;
    this.#reader.load(reader);
    this.#options.handshake.load(handshake);
  }

  /** For the handshake, and for early data, which is written while it goes on. */
  io(): HandshakeIo {
    return this.#io();
  }

  #set(changes: Partial<Marks>): void {
    this.#is = { ...this.#is, ...changes };
  }

  #nextRecord(): RecordData | undefined {
    return this.#is.phase === "dead" ? undefined : this.#reader.next();
  }

  #guard(job: () => void): void {
    try {
      job();
    } catch (error) {
      if (!(error instanceof Alert)) throw error;
      const code = AlertCode[error.alert];
      if (this.#is.phase === "dead") return;
      this.#sendRecord(RecordType.Alert, Uint8Array.of(FATAL, code));
      this.#set({ phase: "dead" });
      this.#outputs.push({ type: "alertSent", code, reason: error.message });
    }
  }

  #sendRecord(type: number, body: Uint8Array): void {
    const { send } = this.#is;
    if (send === undefined) {
      this.#outputs.push({ type: "send", data: plainRecord(type, body) });
      return;
    }
    const data = sealRecord(this.#options.crypto, send, type, body);
    this.#set({ send: nextKeys(send) });
    this.#outputs.push({ type: "send", data });
  }

  #record(record: RecordData): void {
    if (record.type === RecordType.EarlyData) {
      this.#earlyData(record);
      return;
    }
    const body = this.#opened(record);
    if (body.length === 0) throw new Alert("decodeError", "an empty record");
    if (record.type === RecordType.Handshake) this.#messages(body);
    else if (record.type === RecordType.Alert) this.#alert(body);
    else this.#data(body);
  }

  /** The plaintext; a record under the wrong keys is as good as an altered one. */
  #opened(record: RecordData): Uint8Array {
    const { receive, phase } = this.#is;
    if (receive === undefined) {
      if (record.type === RecordType.Data) throw new Alert("unexpectedMessage", "data before the handshake");
      return record.body;
    }
    // a client that could make nothing of our ServerHello has no keys to say so
    const isPlainAlert = record.type === RecordType.Alert && record.body.length === 2;
    if (isPlainAlert && phase === "handshake" && receive.seq === 0) return record.body;
    const body = openRecord(this.#options.crypto, receive, record);
    if (body === undefined) throw new Alert("badRecordMac", `record ${receive.seq} is not what was sent`);
    this.#set({ receive: nextKeys(receive) });
    return body;
  }

  #earlyData(record: RecordData): void {
    const { earlyReceive, phase, receive } = this.#is;
    if (phase !== "handshake" || receive === undefined || receive.seq > 0) {
      throw new Alert("unexpectedMessage", "early data that must not be");
    }
    if (earlyReceive === undefined) {
      this.#countEarly(record.body.length, this.#options.earlyBorne);
      return; // passed over; the client sends it again
    }
    const data = openRecord(this.#options.crypto, earlyReceive, record);
    if (data === undefined) throw new Alert("badRecordMac", "early data is not what was sent");
    if (data.length === 0) throw new Alert("decodeError", "an empty record");
    this.#countEarly(data.length, this.#options.earlyMax);
    this.#set({ earlyReceive: nextKeys(earlyReceive), earlyRecords: this.#is.earlyRecords + 1 });
    this.#outputs.push({ type: "data", data, early: true });
  }

  #countEarly(length: number, most: number): void {
    const earlyBytes = this.#is.earlyBytes + length;
    if (earlyBytes > most) throw new Alert("unexpectedMessage", `more than ${most} bytes of early data`);
    this.#set({ earlyBytes });
  }

  #messages(body: Uint8Array): void {
    this.#set({ pending: joined(this.#is.pending, body) });
    for (let next = splitMessage(this.#is.pending); next !== undefined; next = splitMessage(this.#is.pending)) {
      const { message, rest } = next;
      const before = this.#is.transcript;
      const transcript = this.#is.phase === "open" ? before : joined(before, message);
      this.#set({ pending: rest, transcript });
      this.#options.handshake.handle(message, before, this.#io());
    }
  }

  #data(body: Uint8Array): void {
    if (this.#is.phase !== "open" || this.#is.endReceived)
      throw new Alert("unexpectedMessage", "data that must not be");
    this.#outputs.push({ type: "data", data: body, early: false });
  }

  #alert(body: Uint8Array): void {
    if (body.length !== 2) throw new Alert("decodeError", `an alert of ${body.length} bytes`);
    const code = body[1] as number;
    if (code === AlertCode.closeNotify && this.#is.phase === "open") {
      this.#set({ endReceived: true });
      this.#outputs.push({ type: "ended" });
      return;
    }
    this.#set({ phase: "dead" });
    this.#outputs.push({ type: "alertReceived", code });
  }

  #io(): HandshakeIo {
    const { crypto } = this.#options;
    const { now, earlyRecords } = this.#is;
    return {
      crypto,
      now,
      earlyRecords,
      transcript: () => this.#is.transcript,
      send: (message) => {
        this.#set({ transcript: joined(this.#is.transcript, message) });
        this.#sendRecord(RecordType.Handshake, message);
      },
      sendLater: (message) => this.#sendRecord(RecordType.Handshake, message),
      sendUnder: (secret) => this.#set({ send: recordKeys(crypto, secret) }),
      receiveUnder: (secret) => {
        if (this.#is.pending.length > 0) throw new Alert("unexpectedMessage", "a message under two keys");
        this.#set({ receive: recordKeys(crypto, secret) });
      },
      receiveEarly: (secret) =>
        this.#set({ earlyReceive: secret === undefined ? undefined : recordKeys(crypto, secret) }),
      protect: (protection) => this.#outputs.push({ type: "protect", protection }),
      writable: () => {
        this.#set({ writable: true });
        this.#outputs.push({ type: "writable" });
      },
      established: (how) => this.#established(how),
      ticket: (ticket) => this.#outputs.push({ type: "ticket", ticket }),
    };
  }

  #established(how: { resumed: boolean; earlyAccepted: boolean }): void {
    const { earlyWritten } = this.#is;
    this.#set({ phase: "open", transcript: NOTHING, earlyWritten: NOTHING });
    this.#outputs.push({ type: "established", ...how });
    if (earlyWritten.length > 0 && !how.earlyAccepted) this.write(earlyWritten);
  }
}
