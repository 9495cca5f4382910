import { Alert } from "./alerts.ts";
import type { SsuTicket, SsuTrust } from "./credentials.ts";
import { type Handshake, type HandshakeIo, sameBytes } from "./handshake-io.ts";
import {
  BINDER_LENGTH,
  encodeClientHello,
  encodeEndOfEarlyData,
  encodeFinished,
  MessageType,
  readCertificate,
  readCertificateVerify,
  readEncryptedExtensions,
  readFinished,
  readNewSessionTicket,
  readServerHello,
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

export interface ClientHandshakeOptions {
  readonly trust: SsuTrust;
  readonly serverName: string;
  readonly ticket?: SsuTicket | undefined;
  /** Early data will be written. */
  readonly early: boolean;
}

type Step = "serverHello" | "encryptedExtensions" | "certificate" | "certificateVerify" | "finished" | "done";

interface Marks {
  readonly step: Step;
  readonly privateKey: Uint8Array;
  /** Whose ticket is offered; undefined once the server has passed over it. */
  readonly ticket: SsuTicket | undefined;
  readonly resumed: boolean;
  readonly earlyAccepted: boolean;
  readonly chain: readonly Uint8Array[];
  /** The handshake secret, then the one that tickets are made of. */
  readonly secret: Uint8Array;
  readonly clientTraffic: Uint8Array;
  readonly serverTraffic: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const EXPECTED: Readonly<Record<Step, number>> = {
  serverHello: MessageType.ServerHello,
  encryptedExtensions: MessageType.EncryptedExtensions,
  certificate: MessageType.Certificate,
  certificateVerify: MessageType.CertificateVerify,
  finished: MessageType.Finished,
  done: MessageType.NewSessionTicket,
};

/** The client's side. (docs/protocols/ssu.md, 6.4) */
export class ClientHandshake implements Handshake {
  readonly #options: ClientHandshakeOptions;
  #is: Marks;

  constructor(options: ClientHandshakeOptions) {
    this.#options = options;
    this.#is = {
      step: "serverHello",
      privateKey: NOTHING,
      ticket: usable(options),
      resumed: false,
      earlyAccepted: false,
      chain: [],
      secret: NOTHING,
      clientTraffic: NOTHING,
      serverTraffic: NOTHING,
    };
  }

  /** How much early data may be written, bytes. */
  get earlyMax(): number {
    return this.#options.early ? (this.#is.ticket?.earlyMax ?? 0) : 0;
  }

  /** The secret that early data goes out under; undefined when there is none to be. */
  earlySecret(io: HandshakeIo): Uint8Array | undefined {
    const { ticket } = this.#is;
    if (ticket === undefined || this.earlyMax === 0) return undefined;
    return deriveSecret(io.crypto, earlySecret(io.crypto, ticket.psk), "c e traffic", io.transcript());
  }

  start(io: HandshakeIo): void {
    const random = io.crypto.random(32);
    const privateKey = io.crypto.random(32);
    const { ticket } = this.#is;
    const hello = {
      random,
      share: io.crypto.x25519Public(privateKey),
      serverName: this.#options.serverName,
      early: this.earlyMax > 0,
      ticket: ticket?.ticket ?? NOTHING,
      binder: new Uint8Array(ticket === undefined ? 0 : BINDER_LENGTH),
    };
    const draft = encodeClientHello(hello);
    this.#is = { ...this.#is, privateKey };
    if (ticket === undefined) {
      io.send(draft);
      return;
    }
    const bound = joined(io.transcript(), draft.subarray(0, -BINDER_LENGTH));
    const key = binderKey(io.crypto, earlySecret(io.crypto, ticket.psk));
    io.send(encodeClientHello({ ...hello, binder: finishedData(io.crypto, key, bound) }));
  }

  handle(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { step } = this.#is;
    if (message[0] !== EXPECTED[step]) {
      throw new Alert("unexpectedMessage", `a message of type ${message[0]} where ${EXPECTED[step]} is due`);
    }
    switch (step) {
      case "serverHello":
        this.#serverHello(message, io);
        return;
      case "encryptedExtensions":
        this.#encryptedExtensions(message);
        return;
      case "certificate":
        this.#certificate(message);
        return;
      case "certificateVerify":
        this.#certificateVerify(message, before, io);
        return;
      case "finished":
        this.#finished(message, before, io);
        return;
      case "done":
        this.#newTicket(message, io);
        return;
    }
  }

  save(): unknown {
    return this.#is;
  }

  load(state: unknown): void {
    this.#is = state as Marks;
  }

  #serverHello(message: Uint8Array, io: HandshakeIo): void {
    const { share, resumed } = readServerHello(message);
    const { crypto } = io;
    const transcript = io.transcript();
    const { ticket, privateKey } = this.#is;
    if (resumed && ticket === undefined) throw new Alert("illegalParameter", "resumed without a ticket");
    const shared = crypto.x25519(privateKey, share);
    if (shared === undefined) throw new Alert("illegalParameter", "a key share that gives no secret");
    const secret = handshakeSecret(crypto, earlySecret(crypto, resumed ? ticket?.psk : undefined), shared);
    const clientTraffic = deriveSecret(crypto, secret, "c hs traffic", transcript);
    const serverTraffic = deriveSecret(crypto, secret, "s hs traffic", transcript);
    const chain = resumed ? (ticket?.chain ?? []) : [];
    const step = "encryptedExtensions";
    this.#is = { ...this.#is, step, resumed, secret, clientTraffic, serverTraffic, chain, privateKey: NOTHING };
    io.receiveUnder(serverTraffic);
    io.sendUnder(clientTraffic);
    this.#protect(io, false);
  }

  #encryptedExtensions(message: Uint8Array): void {
    const earlyAccepted = readEncryptedExtensions(message);
    const { resumed } = this.#is;
    if (earlyAccepted && !(resumed && this.earlyMax > 0))
      throw new Alert("illegalParameter", "early data that was not offered");
    this.#is = { ...this.#is, earlyAccepted, step: resumed ? "finished" : "certificate" };
  }

  #certificate(message: Uint8Array): void {
    const chain = readCertificate(message);
    const fault = this.#options.trust.check(chain, this.#options.serverName);
    if (fault !== undefined) throw new Alert(fault.alert, fault.reason);
    this.#is = { ...this.#is, chain, step: "certificateVerify" };
  }

  #certificateVerify(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { scheme, signature } = readCertificateVerify(message);
    const content = signedContent(io.crypto.sha256(before));
    const [certificate] = this.#is.chain;
    if (certificate === undefined || !this.#options.trust.verify(certificate, scheme, content, signature)) {
      throw new Alert("decryptError", "the signature of the server is not good");
    }
    this.#is = { ...this.#is, step: "finished" };
  }

  #finished(message: Uint8Array, before: Uint8Array, io: HandshakeIo): void {
    const { crypto } = io;
    const { serverTraffic, clientTraffic, secret, resumed, earlyAccepted } = this.#is;
    if (!sameBytes(readFinished(message), finishedData(crypto, serverTraffic, before))) {
      throw new Alert("decryptError", "the Finished of the server is wrong");
    }
    const master = masterSecret(crypto, secret);
    const clientData = deriveSecret(crypto, master, "c ap traffic", io.transcript());
    io.receiveUnder(deriveSecret(crypto, master, "s ap traffic", io.transcript()));
    if (earlyAccepted) io.send(encodeEndOfEarlyData(io.earlyRecords));
    io.send(encodeFinished(finishedData(crypto, clientTraffic, io.transcript())));
    io.sendUnder(clientData);
    this.#protect(io, true);
    this.#is = { ...this.#is, step: "done", secret: deriveSecret(crypto, master, "res master", io.transcript()) };
    io.writable();
    io.established({ resumed, earlyAccepted });
  }

  #newTicket(message: Uint8Array, { crypto, ticket: keep }: HandshakeIo): void {
    const { lifetime, earlyMax, nonce, ticket } = readNewSessionTicket(message);
    const { trust, serverName } = this.#options;
    const psk = expandLabel(crypto, this.#is.secret, "resumption", nonce, 32);
    keep({ serverName, ticket, psk, expiresAt: trust.now() + lifetime, earlyMax, chain: this.#is.chain });
  }

  #protect(io: HandshakeIo, required: boolean): void {
    const sendKey = packetKey(io.crypto, this.#is.clientTraffic);
    io.protect({ sendKey, receiveKey: packetKey(io.crypto, this.#is.serverTraffic), required });
  }
}

/** A ticket is of use until it expires, for its own server, and as long as that server would be believed anew. */
function usable({ ticket, serverName, trust }: ClientHandshakeOptions): SsuTicket | undefined {
  if (ticket === undefined || ticket.serverName !== serverName || ticket.expiresAt <= trust.now()) return undefined;
  return trust.check(ticket.chain, serverName) === undefined ? ticket : undefined;
}
