import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { Aedes } from "aedes";
import { LinkError } from "../../../emulator/kernel/errors.ts";

export interface BrokerOptions {
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Clients must show a certificate that leads to this one, PEM. */
  readonly ca: string;
  /** "127.0.0.1" if not given. */
  readonly host?: string;
  /** 0, if not given: any free one. */
  readonly port?: number;
}

/** An MQTT broker of our own, with TLS and client certificates. */
export interface Broker {
  readonly port: number;
  close(): Promise<void>;
}

/** Longer than any message of SRUP with its topic; bytes. */
const PACKET_MAX = 70_000;

/**
 * A client that calls itself a party of SRUP must have the certificate of that party, or it could push the true one off the
 * broker. Every client may publish and subscribe like every other: who may say what is decided by signatures, not here.
 * @throws {LinkError} "LINK_REFUSED" when the port can't be had
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { certificate, privateKey, ca, host = "127.0.0.1", port = 0 } = options;
  const broker = await Aedes.createBroker({
    queueLimit: 1_000,
    authenticate: (client, _name, _password, done) => done(null, isWhoItSays(client.conn, client.id)),
    authorizePublish: (_, packet, done) => {
      const isOurs = packet.topic.startsWith("SRUP/") && !packet.retain && packet.payload.length <= PACKET_MAX;
      done(isOurs ? null : new Error("no topic of SRUP"));
    },
    authorizeSubscribe: (_, subscription, done) => {
      done(null, subscription.topic.startsWith("SRUP/") ? subscription : null);
    },
  });
  const sockets = new Set<TLSSocket>();
  const tls = createServer({ cert: certificate, key: privateKey, ca, requestCert: true, rejectUnauthorized: true });
  tls.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    broker.handle(socket);
  });
  tls.on("tlsClientError", () => {});
  broker.on("clientError", () => {});
  broker.on("connectionError", () => {});
  try {
    tls.listen(port, host);
    await once(tls, "listening");
  } catch (cause) {
    broker.close();
    throw new LinkError("LINK_REFUSED", `can't listen on ${host}:${port}`, { cause });
  }
  return {
    port: (tls.address() as AddressInfo).port,
    async close() {
      const closed = once(tls, "close");
      tls.close();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** By the certificate, for names such as "SRUP Client: 1a2b"; other names are nobody's. */
function isWhoItSays(connection: unknown, name: string): boolean {
  const [, identity] = /^SRUP Client: (.*)$/s.exec(name) ?? [];
  return identity === undefined || (connection as TLSSocket).getPeerCertificate().subject?.CN === identity;
}
