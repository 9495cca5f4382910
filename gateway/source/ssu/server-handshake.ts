import { Alert } from "./alerts.ts";
import type { SsuIdentity } from "./credentials.ts";
import { type Handshake, type HandshakeIo, sameBytes } from "./handshake-io.ts";
import {
  BINDER_LENGTH,
  type ClientHello,
  encodeCertificate,
  encodeCertificateVerify,
  encodeEncryptedExtensions,
  encodeFinished,
  encodeNewSessionTicket,
  encodeServerHello,
  MessageType,
  readClientHello,
  readEndOfEarlyData,
  readFinished,
  signedContent,
} from "./handshake-messages.ts";
import { joined } from "./joined.ts";
import {
  binderKey,
  deriveSecret,
  earlySecret,
  expandLabel,
  finishedData,
  handshakeSecret,
  masterSecret,
  packetKey,
} from "./key-schedule.ts";
import { TICKET_LIFETIME_S, type TicketIssuer } from "./tickets.ts";

export interface ServerHandshakeOptions {
  readonly identity: SsuIdentity;
  readonly tickets: TicketIssuer;
  /** How much is taken of a client before the handshake has ended, bytes; 0: nothing. */
  readonly earlyMax: number;
}

interface Marks {
  readonly step: "clientHello" | "endOfEarlyData" | "finished" | "done";
  readonly serverName: string;
  readonly resumed: boolean;
  readonly earlyAccepted: boolean;
  readonly master: Uint8Array;
  readonly clientTraffic: Uint8Array;
  readonly serverTraffic: Uint8Array;
  /** The client's secret for data. */
  readonly clientData: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const TICKET_NONCE = Uint8Array.of(0);
const EXPECTED: Readonly<Record<Marks["step"], number | undefined>> = {
  clientHello: MessageType.ClientHello,
  endOfEarlyData: MessageType.EndOfEarlyData,
  finished: MessageType.Finished,
  done: undefined,
};

/** The server's side. (docs/protocols/ssu.md, 6.4) */
export class ServerHandshake implements Handshake {
  readonly #options: ServerHandshakeOptions;
  #is: Marks = {
    step: "clientHello",
    serverName: "",
    resumed: false,
    earlyAccepted: false,
    master: NOTHING,
    clientTraffic: NOTHING,
    serverTraffic: NOTHING,
    clientData: NOTHING,
  };

  constructor(options: ServerHandshakeOptions) {
    this.#options = options;
  }

  start(): void {
    // the client speaks first
  }

  handle(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { step } = this.#is;
    if (message[0] !== EXPECTED[step])
      throw new Alert("unexpectedMessage", `a message of type ${message[0]} in "${step}"`);
    if (step === "clientHello") this.#clientHello(message, before, io);
    else if (step === "endOfEarlyData") this.#endOfEarlyData(message, io);
    else this.#finished(message, before, io);
  }

  save(): unknown {
    return this.#is;
  }

  load(state: unknown): void {
    this.#is = state as Marks;
  }

  #clientHello(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { crypto } = io;
    const hello = readClientHello(message);
    const psk = this.#redeem(hello, joined(before, message.subarray(0, -BINDER_LENGTH)), io);
    const resumed = psk !== undefined;
    const earlyAccepted = resumed && hello.early && this.#options.earlyMax > 0;
    const early = earlySecret(crypto, psk);
    io.receiveEarly(earlyAccepted ? deriveSecret(crypto, early, "c e traffic", io.transcript()) : undefined);

    const privateKey = crypto.random(32);
    const shared = crypto.x25519(privateKey, hello.share);
    if (shared === undefined) throw new Alert("illegalParameter", "a key share that gives no secret");
    io.send(encodeServerHello({ random: crypto.random(32), share: crypto.x25519Public(privateKey), resumed }));

    const secret = handshakeSecret(crypto, early, shared);
    const clientTraffic = deriveSecret(crypto, secret, "c hs traffic", io.transcript());
    const serverTraffic = deriveSecret(crypto, secret, "s hs traffic", io.transcript());
    const { serverName } = hello;
    this.#is = { ...this.#is, serverName, resumed, earlyAccepted, clientTraffic, serverTraffic };
    io.receiveUnder(clientTraffic);
    io.sendUnder(serverTraffic);
    this.#protect(io, false);
    this.#answer(io, masterSecret(crypto, secret));
  }

  /** @returns the secret of a ticket that is good @throws {Alert} when the client offers a ticket that it knows nothing of */
  #redeem({ ticket, serverName, binder }: ClientHello, bound: Uint8Array, io: HandshakeIo): Uint8Array | undefined {
    if (ticket.length === 0) return undefined;
    const psk = this.#options.tickets.redeem(ticket, serverName, io.now);
    if (psk === undefined) return undefined;
    const key = binderKey(io.crypto, earlySecret(io.crypto, psk));
    if (!sameBytes(binder, finishedData(io.crypto, key, bound))) throw new Alert("decryptError", "the binder is wrong");
    return psk;
  }

  #answer(io: HandshakeIo, master: Uint8Array): void {
    const { crypto } = io;
    const { resumed, earlyAccepted, serverTraffic } = this.#is;
    const { identity } = this.#options;
    io.send(encodeEncryptedExtensions(earlyAccepted));
    if (!resumed) {
      io.send(encodeCertificate(identity.chain));
      const signature = identity.sign(signedContent(crypto.sha256(io.transcript())));
      io.send(encodeCertificateVerify({ scheme: identity.scheme, signature }));
    }
    io.send(encodeFinished(finishedData(crypto, serverTraffic, io.transcript())));
    io.sendUnder(deriveSecret(crypto, master, "s ap traffic", io.transcript()));
    const clientData = deriveSecret(crypto, master, "c ap traffic", io.transcript());
    this.#is = { ...this.#is, step: earlyAccepted ? "endOfEarlyData" : "finished", master, clientData };
    if (earlyAccepted) io.writable();
  }

  /** It tells how many records there were, so that none of them can have been taken away. */
  #endOfEarlyData(message: Uint8Array, io: HandshakeIo): void {
    const records = readEndOfEarlyData(message);
    if (records !== io.earlyRecords) {
      throw new Alert("unexpectedMessage", `${io.earlyRecords} records of early data, ${records} were sent`);
    }
    io.receiveEarly(undefined);
    this.#is = { ...this.#is, step: "finished" };
  }

  #finished(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { crypto } = io;
    const { clientTraffic, clientData, master, serverName, resumed, earlyAccepted } = this.#is;
    if (!sameBytes(readFinished(message), finishedData(crypto, clientTraffic, before))) {
      throw new Alert("decryptError", "the Finished of the client is wrong");
    }
    io.receiveUnder(clientData);
    this.#protect(io, true);
    const resumption = deriveSecret(crypto, master, "res master", io.transcript());
    const psk = expandLabel(crypto, resumption, "resumption", TICKET_NONCE, 32);
    const ticket = this.#options.tickets.issue(psk, serverName, io.now);
    const { earlyMax } = this.#options;
    io.sendLater(encodeNewSessionTicket({ lifetime: TICKET_LIFETIME_S, earlyMax, nonce: TICKET_NONCE, ticket }));
    this.#is = { ...this.#is, step: "done", master: NOTHING, clientData: NOTHING };
    if (!earlyAccepted) io.writable();
    io.established({ resumed, earlyAccepted });
  }

  #protect(io: HandshakeIo, required: boolean): void {
    const sendKey = packetKey(io.crypto, this.#is.serverTraffic);
    io.protect({ sendKey, receiveKey: packetKey(io.crypto, this.#is.clientTraffic), required });
  }
}
