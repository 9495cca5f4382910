import { encodeTcpPacket, SEGMENT_LENGTH_MAX, type TcpEndpoint, TcpFlag } from "./tcp-packet.ts";

export type TcpEnd = "client" | "server";

/** How many segments may go out before the other end acknowledges. (RFC 9293, 3.8.6.3: at least every second one) */
const SEGMENTS_PER_ACKNOWLEDGMENT = 2;
const NOTHING = new Uint8Array(0);

/**
 * The packets that one TCP connection without loss would have been on the wire: what the bench's byte streams look like
 * in a capture. Each method answers Ethernet frames in order.
 */
export class TcpConversation {
  readonly #endpoints: Readonly<Record<TcpEnd, TcpEndpoint>>;
  readonly #next: Record<TcpEnd, number>;
  #packetId: number;
  #open = false;

  /** @param sequences the initial sequence numbers */
  constructor(endpoints: Readonly<Record<TcpEnd, TcpEndpoint>>, sequences: Readonly<Record<TcpEnd, number>>) {
    this.#endpoints = endpoints;
    this.#next = { ...sequences };
    this.#packetId = 1;
  }

  /** SYN, SYN with ACK, ACK. */
  opened(): Uint8Array[] {
    this.#open = true;
    return [
      this.#packet("client", TcpFlag.Syn, NOTHING, false),
      this.#packet("server", TcpFlag.Syn),
      this.#packet("client", 0),
    ];
  }

  /** SYN, answered by RST. */
  refused(): Uint8Array[] {
    return [this.#packet("client", TcpFlag.Syn, NOTHING, false), this.#packet("server", TcpFlag.Rst)];
  }

  /** Nothing while the connection is not open. */
  data(from: TcpEnd, bytes: Uint8Array): Uint8Array[] {
    const packets: Uint8Array[] = [];
    if (!this.#open) return packets;
    let unacknowledged = 0;
    for (let offset = 0; offset < bytes.length; offset += SEGMENT_LENGTH_MAX) {
      const end = Math.min(offset + SEGMENT_LENGTH_MAX, bytes.length);
      const last = end === bytes.length;
      packets.push(this.#packet(from, last ? TcpFlag.Psh : 0, bytes.subarray(offset, end)));
      if (++unacknowledged === SEGMENTS_PER_ACKNOWLEDGMENT || last) {
        packets.push(this.#packet(other(from), 0));
        unacknowledged = 0;
      }
    }
    return packets;
  }

  /** FIN from both ends, `by` first; or one RST when it ended badly. */
  closed(by: TcpEnd, abruptly: boolean): Uint8Array[] {
    if (!this.#open) return [];
    this.#open = false;
    if (abruptly) return [this.#packet(by, TcpFlag.Rst)];
    return [this.#packet(by, TcpFlag.Fin), this.#packet(other(by), TcpFlag.Fin), this.#packet(by, 0)];
  }

  #packet(from: TcpEnd, flags: number, payload: Uint8Array = NOTHING, acknowledges = true): Uint8Array {
    const to = other(from);
    const packet = encodeTcpPacket(this.#endpoints[from], this.#endpoints[to], {
      flags: flags | (acknowledges ? TcpFlag.Ack : 0),
      sequence: this.#next[from],
      acknowledgment: acknowledges ? this.#next[to] : 0,
      packetId: this.#packetId++,
      payload,
    });
    const taken = payload.length + ((flags & (TcpFlag.Syn | TcpFlag.Fin)) !== 0 ? 1 : 0);
    this.#next[from] = (this.#next[from] + taken) >>> 0;
    return packet;
  }
}

const other = (end: TcpEnd): TcpEnd => (end === "client" ? "server" : "client");
