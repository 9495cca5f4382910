import { UsageError } from "../../emulator/kernel/errors.ts";
import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import { DOIP_PORT } from "../../emulator/wire/doip.ts";
import { isAbrupt } from "./late-closes.ts";
import { TcpConversation, type TcpEnd } from "./tcp-conversation.ts";
import type { TcpEndpoint } from "./tcp-packet.ts";

/** Where a node is on the vehicle's Ethernet. */
export interface CaptureAddress {
  /** Dotted IPv4. */
  readonly ip: string;
  /** Six octets with colons; made from `ip` when it is absent. */
  readonly mac?: string;
}

/** Nodes that are not given an address by the vehicle file. */
const DEFAULT_ADDRESSES: Readonly<Record<string, CaptureAddress>> = {
  VMG: { ip: "192.168.1.100" },
  ZG_1: { ip: "192.168.1.10" },
  ZG_2: { ip: "192.168.1.11" },
};

const EPHEMERAL_PORT_MIN = 49_152;
const EPHEMERAL_PORT_COUNT = 16_384;
/** Keeps the sequence numbers of connections apart. */
const SEQUENCE_STEP = 0x0123_4567;

export interface StreamCaptureOptions {
  /** Added to VMG, ZG_1 and ZG_2; other nodes get addresses in 192.168.2.0/24 and following, in order of appearance. */
  readonly addresses?: Readonly<Record<string, CaptureAddress>>;
  /** The port of every server end; 13400 when absent. */
  readonly serverPort?: number;
}

type StreamEvent = Extract<TraceEvent, { type: "stream.opened" | "stream.data" | "stream.closed" }>;
interface Stream {
  readonly client: string;
  readonly server: string;
  conversation: TcpConversation;
}

/** Turns the stream events of a trace into Ethernet frames, as if each stream had been a TCP connection. */
export class StreamCapture {
  readonly #options: StreamCaptureOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #invented = new Map<string, CaptureAddress>();
  #connections = 0;

  constructor(options: StreamCaptureOptions = {}) {
    this.#options = options;
  }

  /** Events of streams whose beginning is not in the trace give nothing: their ends are not known. */
  packets(event: StreamEvent): Uint8Array[] {
    if (event.type === "stream.opened") {
      const conversation = this.#connect(event.client, event.server);
      this.#streams.set(event.source, { client: event.client, server: event.server, conversation });
      return conversation.opened();
    }
    const stream = this.#streams.get(event.source);
    if (stream === undefined) return [];
    if (event.type === "stream.data") return stream.conversation.data(endOf(stream, event.from), event.data);
    if (event.reason === "refused") return this.#connect(stream.client, stream.server).refused();
    return stream.conversation.closed(endOf(stream, event.by), isAbrupt(event));
  }

  #connect(client: string, server: string): TcpConversation {
    const number = this.#connections++;
    const port = EPHEMERAL_PORT_MIN + (number % EPHEMERAL_PORT_COUNT);
    const endpoints = {
      client: this.#endpoint(client, port),
      server: this.#endpoint(server, this.#options.serverPort ?? DOIP_PORT),
    };
    const sequence = Math.imul(number + 1, SEQUENCE_STEP) >>> 0;
    return new TcpConversation(endpoints, { client: sequence, server: ~sequence >>> 0 });
  }

  #endpoint(node: string, port: number): TcpEndpoint {
    const { ip, mac } = this.#options.addresses?.[node] ?? DEFAULT_ADDRESSES[node] ?? this.#invent(node);
    const address = parseIp(ip);
    return { ip: address, mac: mac === undefined ? Uint8Array.of(0x02, 0x00, ...address) : parseMac(mac), port };
  }

  #invent(node: string): CaptureAddress {
    const known = this.#invented.get(node);
    if (known !== undefined) return known;
    const number = this.#invented.size;
    const address = { ip: `192.168.${2 + (Math.floor(number / 254) % 250)}.${1 + (number % 254)}` };
    this.#invented.set(node, address);
    return address;
  }
}

/** The event may name the end or the node that is there. */
const endOf = (stream: Stream, name: string): TcpEnd =>
  name === "server" || (name === stream.server && name !== stream.client) ? "server" : "client";

function parseIp(text: string): Uint8Array {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255)) {
    throw new UsageError(`"${text}" is no IPv4 address`);
  }
  return Uint8Array.from(parts);
}

function parseMac(text: string): Uint8Array {
  const parts = text.split(":");
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{2}$/.test(part))) {
    throw new UsageError(`"${text}" is no MAC address`);
  }
  return Uint8Array.from(parts, (part) => Number.parseInt(part, 16));
}
