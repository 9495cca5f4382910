import { Alert } from "./alerts.ts";
import { joined } from "./joined.ts";

/** Messages of the handshake: type (1 byte), length (2 bytes), body. (docs/protocols/ssu.md, 6.3) */

export const MessageType = {
  ClientHello: 1,
  ServerHello: 2,
  NewSessionTicket: 4,
  EndOfEarlyData: 5,
  EncryptedExtensions: 8,
  Certificate: 11,
  CertificateVerify: 15,
  Finished: 20,
} as const;

const MESSAGE_HEADER_LENGTH = 3;
/** The longest message, header included. */
const MESSAGE_MAX = 16_384;
export const CHAIN_MAX = 8;
const RANDOM_LENGTH = 32;
const SHARE_LENGTH = 32;
export const BINDER_LENGTH = 32;

export interface ClientHello {
  readonly random: Uint8Array;
  /** X25519. */
  readonly share: Uint8Array;
  readonly serverName: string;
  readonly early: boolean;
  /** Empty without one. */
  readonly ticket: Uint8Array;
  /** Proves that the client knows the ticket's secret; there with a ticket only. */
  readonly binder: Uint8Array;
}

export interface ServerHello {
  readonly random: Uint8Array;
  readonly share: Uint8Array;
  readonly resumed: boolean;
}

export interface NewSessionTicket {
  /** Seconds. */
  readonly lifetime: number;
  readonly earlyMax: number;
  readonly nonce: Uint8Array;
  readonly ticket: Uint8Array;
}

export interface CertificateVerify {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

const TEXT = new TextEncoder();

function message(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  return joined(Uint8Array.of(type, body.length >> 8, body.length & 0xff), body);
}

export function encodeClientHello({ random, share, serverName, early, ticket, binder }: ClientHello): Uint8Array {
  const name = TEXT.encode(serverName);
  const parts = [random, share, Uint8Array.of(name.length), name, flag(early), number16(ticket.length), ticket, binder];
  return message(MessageType.ClientHello, ...parts);
}

export const encodeServerHello = ({ random, share, resumed }: ServerHello): Uint8Array =>
  message(MessageType.ServerHello, random, share, flag(resumed));

export const encodeEncryptedExtensions = (earlyAccepted: boolean): Uint8Array =>
  message(MessageType.EncryptedExtensions, flag(earlyAccepted));

export const encodeCertificate = (chain: readonly Uint8Array[]): Uint8Array =>
  message(
    MessageType.Certificate,
    Uint8Array.of(chain.length),
    ...chain.flatMap((certificate) => [number16(certificate.length), certificate]),
  );

export const encodeCertificateVerify = ({ scheme, signature }: CertificateVerify): Uint8Array =>
  message(MessageType.CertificateVerify, number16(scheme), number16(signature.length), signature);

export const encodeFinished = (data: Uint8Array): Uint8Array => message(MessageType.Finished, data);

export const encodeEndOfEarlyData = (records: number): Uint8Array =>
  message(MessageType.EndOfEarlyData, number32(records));

export const encodeNewSessionTicket = ({ lifetime, earlyMax, nonce, ticket }: NewSessionTicket): Uint8Array =>
  message(
    MessageType.NewSessionTicket,
    number32(lifetime),
    number32(earlyMax),
    Uint8Array.of(nonce.length),
    nonce,
    number16(ticket.length),
    ticket,
  );

/** Each `read…` takes a whole message and throws {@link Alert} decodeError for one that is not as it must be. */

export const readClientHello = (data: Uint8Array): ClientHello =>
  whole(data, (reader) => {
    const random = reader.bytes(RANDOM_LENGTH);
    const share = reader.bytes(SHARE_LENGTH);
    const serverName = reader.text(reader.number(1));
    const early = reader.flag();
    const ticket = reader.bytes(reader.number(2));
    const binder = reader.bytes(ticket.length === 0 ? 0 : BINDER_LENGTH);
    if (early && ticket.length === 0) throw new Alert("illegalParameter", "early data without a ticket");
    return { random, share, serverName, early, ticket, binder };
  });

export const readServerHello = (data: Uint8Array): ServerHello =>
  whole(data, (reader) => ({
    random: reader.bytes(RANDOM_LENGTH),
    share: reader.bytes(SHARE_LENGTH),
    resumed: reader.flag(),
  }));

export const readEncryptedExtensions = (data: Uint8Array): boolean => whole(data, (reader) => reader.flag());

export const readCertificate = (data: Uint8Array): Uint8Array[] =>
  whole(data, (reader) => {
    const count = reader.number(1);
    if (count === 0 || count > CHAIN_MAX) throw new Alert("decodeError", `${count} certificates`);
    return Array.from({ length: count }, () => reader.bytes(reader.number(2)).slice());
  });

export const readCertificateVerify = (data: Uint8Array): CertificateVerify =>
  whole(data, (reader) => ({ scheme: reader.number(2), signature: reader.bytes(reader.number(2)) }));

export const readFinished = (data: Uint8Array): Uint8Array => whole(data, (reader) => reader.bytes(32));

export const readEndOfEarlyData = (data: Uint8Array): number => whole(data, (reader) => reader.number(4));

export const readNewSessionTicket = (data: Uint8Array): NewSessionTicket =>
  whole(data, (reader) => {
    const lifetime = reader.number(4);
    const earlyMax = reader.number(4);
    const nonce = reader.bytes(reader.number(1)).slice();
    const ticket = reader.bytes(reader.number(2)).slice();
    if (ticket.length === 0) throw new Alert("decodeError", "an empty ticket");
    return { lifetime, earlyMax, nonce, ticket };
  });

/** What the server signs. (RFC 8446, 4.4.3) @param hash of the transcript up to its Certificate */
export const signedContent = (hash: Uint8Array): Uint8Array =>
  joined(new Uint8Array(64).fill(0x20), TEXT.encode("SSU 1, server CertificateVerify"), Uint8Array.of(0), hash);

/** Finds messages in the bodies of records, wherever they were cut. @returns the first whole one and what is behind it */
export function splitMessage(pending: Uint8Array): { message: Uint8Array; rest: Uint8Array } | undefined {
  if (pending.length < MESSAGE_HEADER_LENGTH) return undefined;
  const end = MESSAGE_HEADER_LENGTH + (((pending[1] as number) << 8) | (pending[2] as number));
  if (end > MESSAGE_MAX) throw new Alert("decodeError", `a message of ${end} bytes`);
  return pending.length < end ? undefined : { message: pending.subarray(0, end), rest: pending.subarray(end) };
}

/** Takes fields from a message one after the other. */
class FieldReader {
  readonly #data: Uint8Array;
  #at = MESSAGE_HEADER_LENGTH;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw new Alert("decodeError", `a field of ${length} bytes, ${this.left} are there`);
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  number(length: 1 | 2 | 4): number {
    return this.bytes(length).reduce((value, byte) => value * 256 + byte, 0);
  }

  flag(): boolean {
    const value = this.number(1);
    if (value > 1) throw new Alert("illegalParameter", `a flag of ${value}`);
    return value === 1;
  }

  text(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes(length));
    } catch (error) {
      throw error instanceof Alert ? error : new Alert("decodeError", "a text that is no UTF-8");
    }
  }
}

function whole<T>(data: Uint8Array, read: (reader: FieldReader) => T): T {
  const reader = new FieldReader(data);
  const value = read(reader);
  if (reader.left > 0) throw new Alert("decodeError", `${reader.left} bytes too many in a message of type ${data[0]}`);
  return value;
}

const flag = (value: boolean): Uint8Array => Uint8Array.of(value ? 1 : 0);
const number16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

function number32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
