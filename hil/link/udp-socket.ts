import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { LinkError } from "../../emulator/kernel/errors.ts";
import { type Instant, ns } from "../../emulator/kernel/time.ts";

/** A datagram and who sent it: "address:port", an IPv6 address in brackets. */
type OnDatagram = (data: Uint8Array, from: string) => void;

const BUFFER = 4 * 1024 * 1024;

/** One UDP socket. What can't be sent is lost, as on the way. */
export class UdpSocket {
  readonly #socket: Socket;
  /** Datagrams that the system refused. */
  refused = 0;

  private constructor(socket: Socket, onDatagram: OnDatagram, onRefused: (() => void) | undefined) {
    this.#socket = socket;
    socket.on("message", (data, { address, port, family }) => {
      onDatagram(data, family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`);
    });
    socket.on("error", () => {
      this.refused++;
      onRefused?.();
    });
  }

  /** @param host a numeric address @throws {LinkError} "LINK_REFUSED" when the port can't be had */
  static async bind(host: string, port: number, onDatagram: OnDatagram): Promise<UdpSocket> {
    const socket = newSocket(host);
    try {
      const listening = once(socket, "listening"); // which may come before bind returns
      socket.bind(port, host);
      await listening;
    } catch (cause) {
      socket.close();
      throw new LinkError("LINK_REFUSED", `can't listen on UDP ${host}:${port}`, { cause });
    }
    return new UdpSocket(enlarged(socket), onDatagram, undefined);
  }

  /** A socket that hears one peer only. @param onRefused the peer's system says that there is nobody */
  static async connect(host: string, port: number, onDatagram: OnDatagram, onRefused: () => void): Promise<UdpSocket> {
    const socket = newSocket(host);
    try {
      const connected = once(socket, "connect");
      socket.connect(port, host);
      await connected;
    } catch (cause) {
      socket.close();
      throw new LinkError("LINK_REFUSED", `there is no way to UDP ${host}:${port}`, { cause });
    }
    return new UdpSocket(enlarged(socket), onDatagram, onRefused);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get address(): string {
    return this.#socket.address().address;
  }

  /** @param to as {@link OnDatagram} names it; left out on a socket that has one peer */
  send(data: Uint8Array, to?: string): void {
    if (to === undefined) {
      this.#socket.send(data, () => {});
      return;
    }
    const colon = to.lastIndexOf(":");
    const host = to.slice(0, colon).replace(/^\[|\]$/g, "");
    this.#socket.send(data, Number(to.slice(colon + 1)), host, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners("message");
    try {
      this.#socket.close();
    } catch {
      // it is closed already
    }
  }
}

/** Addresses are numeric, so there is nothing to be looked up. */
function newSocket(host: string): Socket {
  const family = isIPv6(host) ? 6 : 4;
  return createSocket({
    type: family === 6 ? "udp6" : "udp4",
    lookup: (name, _options, callback) => callback(null, name, family),
  });
}

function enlarged(socket: Socket): Socket {
  try {
    socket.setRecvBufferSize(BUFFER);
    socket.setSendBufferSize(BUFFER);
  } catch {
    // the system's own size will do
  }
  return socket;
}

/** The wall clock as instants of a machine. */
export const wallInstant = (): Instant => ns(performance.now() * 1e6) as number as Instant;
