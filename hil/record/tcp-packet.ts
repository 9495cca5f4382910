/** One end of a captured TCP connection. */
export interface TcpEndpoint {
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** 4 bytes. */
  readonly ip: Uint8Array;
  readonly port: number;
}

/** Flags of a TCP header. (RFC 9293, 3.1) */
export const TcpFlag = { Fin: 0x01, Syn: 0x02, Rst: 0x04, Psh: 0x08, Ack: 0x10 } as const;

/** The longest payload of one segment on Ethernet: 1500 - 20 - 20. */
export const SEGMENT_LENGTH_MAX = 1460;

const ETHERNET_LENGTH = 14;
const IP_LENGTH = 20;
const TCP_LENGTH = 20;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_TCP = 6;
const DONT_FRAGMENT = 0x4000;
const TIME_TO_LIVE = 64;
const WINDOW = 65_535;
/** Maximum segment size, told in both SYNs. (RFC 9293, 3.7.1) */
const MSS_OPTION = Uint8Array.of(2, 4, SEGMENT_LENGTH_MAX >> 8, SEGMENT_LENGTH_MAX & 0xff);

/** What the header of one segment says. */
export interface TcpSegment {
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  /** Identification of the IPv4 packet, modulo 65 536. */
  readonly packetId: number;
  readonly payload: Uint8Array;
}

/** One Ethernet frame with an IPv4 packet and its TCP segment, checksums included. (RFC 894, RFC 791, RFC 9293) */
export function encodeTcpPacket(from: TcpEndpoint, to: TcpEndpoint, segment: TcpSegment): Uint8Array {
  const options = (segment.flags & TcpFlag.Syn) !== 0 ? MSS_OPTION : new Uint8Array(0);
  const headerLength = TCP_LENGTH + options.length;
  const tcpLength = headerLength + segment.payload.length;
  const packet = new Uint8Array(ETHERNET_LENGTH + IP_LENGTH + tcpLength);
  const view = new DataView(packet.buffer);
  packet.set(to.mac, 0);
  packet.set(from.mac, 6);
  view.setUint16(12, ETHERTYPE_IPV4);

  const ip = ETHERNET_LENGTH;
  packet[ip] = 0x40 | (IP_LENGTH / 4);
  view.setUint16(ip + 2, IP_LENGTH + tcpLength);
  view.setUint16(ip + 4, segment.packetId & 0xffff);
  view.setUint16(ip + 6, DONT_FRAGMENT);
  packet[ip + 8] = TIME_TO_LIVE;
  packet[ip + 9] = PROTOCOL_TCP;
  packet.set(from.ip, ip + 12);
  packet.set(to.ip, ip + 16);
  view.setUint16(ip + 10, checksum(packet.subarray(ip, ip + IP_LENGTH)));

  const tcp = ip + IP_LENGTH;
  view.setUint16(tcp, from.port);
  view.setUint16(tcp + 2, to.port);
  view.setUint32(tcp + 4, segment.sequence);
  view.setUint32(tcp + 8, segment.acknowledgment);
  packet[tcp + 12] = (headerLength / 4) << 4;
  packet[tcp + 13] = segment.flags;
  view.setUint16(tcp + 14, WINDOW);
  packet.set(options, tcp + TCP_LENGTH);
  packet.set(segment.payload, tcp + headerLength);
  // the pseudo header: both addresses, the protocol and the length
  const pseudo = sumOf(packet.subarray(ip + 12, ip + 20), PROTOCOL_TCP + tcpLength);
  view.setUint16(tcp + 16, checksum(packet.subarray(tcp), pseudo));
  return packet;
}

/** The Internet checksum. (RFC 1071) @param start sum of what comes before @internal exported for its vectors */
export const checksum = (bytes: Uint8Array, start = 0): number => {
  let sum = sumOf(bytes, start);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
};

function sumOf(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += (bytes[index] as number) * 0x100 + (bytes[index + 1] ?? 0);
  }
  return sum;
}
