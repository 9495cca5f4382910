import { readFileSync } from "node:fs";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { fromHex, toHex } from "../../../../emulator/wire/text.ts";
import { encodeFrame, PREAMBLE } from "../../../../gateway/source/ssu/app-frames.ts";
import { ClientHandshake } from "../../../../gateway/source/ssu/client-handshake.ts";
import type { Protection } from "../../../../gateway/source/ssu/connection-io.ts";
import type { SsuTicket } from "../../../../gateway/source/ssu/credentials.ts";
import { joined } from "../../../../gateway/source/ssu/joined.ts";
import { encodePacket, type Packet, PacketFlag } from "../../../../gateway/source/ssu/packet.ts";
import { encodeOptions } from "../../../../gateway/source/ssu/packet-options.ts";
import { recordKeys } from "../../../../gateway/source/ssu/records.ts";
import { type ChannelOutput, SecureChannel } from "../../../../gateway/source/ssu/secure-channel.ts";
import { ServerHandshake } from "../../../../gateway/source/ssu/server-handshake.ts";
import type { SsuCrypto } from "../../../../gateway/source/ssu/ssu-crypto.ts";
import { TicketIssuer } from "../../../../gateway/source/ssu/tickets.ts";
import { ssuIdentity, ssuTrust } from "../../../../hil/crypto/ssu-credentials.ts";
import { nodeSsuCrypto } from "../../../../hil/crypto/ssu-crypto.ts";

const FOLDER = "fixtures/vectors/ssu";
const TEXT = new TextEncoder();
const CLIENT_ID = 0x0102030405060708n;
const SERVER_ID = 0x1112131415161718n;
const COOKIE = TEXT.encode("cookie");
const NOTHING = new Uint8Array(0);

const SYN_OPTIONS = { sourceId: CLIENT_ID, maxDatagram: 1200, security: 1, pad: 193 } as const;
const SYN_ACK_OPTIONS = { sourceId: SERVER_ID, maxDatagram: 1200, security: 1, cookie: COOKIE } as const;

type Example = readonly [title: string, hex: string];

const packet = (fields: Partial<Packet>): Packet => ({
  flags: PacketFlag.Ack,
  to: SERVER_ID,
  seq: 1001,
  ack: 2001,
  window: 262_144,
  options: {},
  payload: NOTHING,
  ...fields,
});

/** Random bytes that count up: 00 01 02 …, or from another beginning on. */
function counting(first: number): (length: number) => Uint8Array {
  let next = first;
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
}

/** Cryptography that notes what is derived from which label. */
function noting(first: number, labels: Map<string, string>): SsuCrypto {
  const crypto = nodeSsuCrypto(counting(first));
  return {
    ...crypto,
    hmacSha256(key, data) {
      const result = crypto.hmacSha256(key, data);
      const label = /ssu1 ([cs] (?:hs|ap) traffic|res master)/.exec(Buffer.from(data).toString("latin1"))?.[1];
      if (label !== undefined) labels.set(label, toHex(result));
      return result;
    },
  };
}

interface Wire {
  readonly records: Uint8Array[];
  protection: Protection | undefined;
  ticket: SsuTicket | undefined;
}

/** What both channels say until neither has anything more to say. */
export function handshake(client: SecureChannel, server: SecureChannel): [Wire, Wire] {
  const wires: [Wire, Wire] = [
    { records: [], protection: undefined, ticket: undefined },
    { records: [], protection: undefined, ticket: undefined },
  ];
  for (let turn = 0; turn < 6; turn++) {
    const [from, to] = turn % 2 === 0 ? [client, server] : [server, client];
    for (let output = from.poll(); output !== undefined; output = from.poll()) {
      note(output, wires[turn % 2] as Wire);
      if (output.type === "send") to.receive(output.data, RUN_START);
    }
  }
  return wires;
}

function note(output: ChannelOutput, wire: Wire): void {
  if (output.type === "alertSent") throw new Error(output.reason);
  if (output.type === "protect") wire.protection = output.protection;
  if (output.type === "ticket") wire.ticket = output.ticket;
  if (output.type === "send") wire.records.push(output.data);
}

function packetExamples(): Example[] {
  const hex = (fields: Partial<Packet>): string => toHex(encodePacket(packet(fields)));
  const window = 262_144;
  return [
    [
      "SYN, asks for a secure stream; 193 bytes of padding",
      hex({ flags: PacketFlag.Syn, to: 0n, seq: 1000, ack: 0, window, options: SYN_OPTIONS }),
    ],
    [
      "SYN-ACK, settles it",
      hex({ flags: 0x12, to: CLIENT_ID, seq: 2000, ack: 1001, window: 16_384, options: SYN_ACK_OPTIONS }),
    ],
    ["ACK of the client, with the cookie", hex({ options: { cookie: COOKIE } })],
    ['the bytes "hello" of a plaintext stream', hex({ payload: TEXT.encode("hello") })],
    [
      "ACK of 1001; 1006 to 1010 and 1021 to 1030 have come, the latter last",
      hex({
        to: CLIENT_ID,
        seq: 2001,
        ack: 1001,
        options: {
          sack: [
            { start: 1021, end: 1031 },
            { start: 1006, end: 1011 },
          ],
        },
      }),
    ],
    ["FIN behind these five bytes", hex({ flags: 0x11, seq: 1006 })],
    ["RST, user_canceled", hex({ flags: 0x14, seq: 1006, options: { reason: 90 } })],
  ];
}

const openingDigests = (crypto: SsuCrypto): Uint8Array =>
  joined(crypto.sha256(encodeOptions(SYN_OPTIONS)), crypto.sha256(encodeOptions(SYN_ACK_OPTIONS)));

interface Ends {
  readonly labels: Map<string, string>;
  readonly crypto: SsuCrypto;
  readonly clientHandshake: ClientHandshake;
  readonly client: SecureChannel;
  readonly server: SecureChannel;
}

const tickets = new TicketIssuer(nodeSsuCrypto(counting(0xc0)));

/** Both ends of a handshake. @param first bytes that are random for them: the client's, the server's */
export function ends(first: readonly [number, number], ticket?: SsuTicket): Ends {
  const labels = new Map<string, string>();
  const crypto = noting(first[0], labels);
  const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, "utf8");
  const trust = ssuTrust({ ca: read("ca.pem"), now: () => 1_800_000_000 });
  const identity = ssuIdentity(read("server.pem"), read("server.key.pem"));
  const transcript = openingDigests(crypto);
  const early = ticket !== undefined;
  const clientHandshake = new ClientHandshake({ trust, serverName: "localhost", early, ticket });
  const client = new SecureChannel(
    { crypto, handshake: clientHandshake, transcript, earlyMax: 0, earlyBorne: 0 },
    RUN_START,
  );
  const serverHandshake = new ServerHandshake({ identity, tickets, earlyMax: 16_384 });
  const early16k = { earlyMax: 16_384, earlyBorne: 16_384 };
  const server = new SecureChannel(
    { crypto: nodeSsuCrypto(counting(first[1])), handshake: serverHandshake, transcript, ...early16k },
    RUN_START,
  );
  return { labels, crypto, clientHandshake, client, server };
}

const hexOf = (data: Uint8Array | undefined): string => toHex(data ?? NOTHING);

function secureExamples(): { examples: Example[]; ticket: SsuTicket } {
  const { labels, crypto, client, server } = ends([0x00, 0x80]);
  const [up, down] = handshake(client, server);
  const { protection, ticket } = up;
  if (protection === undefined || ticket === undefined) throw new Error("no keys for packets, or no ticket");
  const shared = crypto.x25519(counting(0x20)(32), crypto.x25519Public(counting(0x80)(32)));
  client.write(TEXT.encode("hello"));
  const hello = client.poll();
  client.end();
  const end = client.poll();
  const tagged = encodePacket(packet({ seq: 1300 }), (covered) =>
    crypto.hmacSha256(protection.sendKey, covered).subarray(0, 16),
  );
  const traffic = (label: string, title: string): Example[] => {
    const secret = labels.get(label) ?? "";
    const { key, iv } = recordKeys(crypto, fromHex(secret) ?? NOTHING);
    return [
      [title, secret],
      [`${title}: record key`, toHex(key)],
      [`${title}: record IV`, toHex(iv)],
    ];
  };
  const examples: Example[] = [
    ["begin of the transcript", toHex(openingDigests(crypto))],
    ["the client's private key", toHex(counting(0x20)(32))],
    ["the server's private key", toHex(counting(0x80)(32))],
    ["shared secret", hexOf(shared)],
    ["ClientHello, for localhost, in its record", hexOf(up.records[0])],
    ["ServerHello, in its record", hexOf(down.records[0])],
    ...traffic("c hs traffic", "client handshake traffic"),
    ...traffic("s hs traffic", "server handshake traffic"),
    ["EncryptedExtensions, encrypted", hexOf(down.records[1])],
    ["Certificate, encrypted (server.pem of fixtures/vectors/ssu)", hexOf(down.records[2])],
    ["CertificateVerify, encrypted", hexOf(down.records[3])],
    ["Finished of the server, encrypted", hexOf(down.records[4])],
    ["Finished of the client, encrypted", hexOf(up.records[1])],
    ...traffic("c ap traffic", "client data traffic"),
    ...traffic("s ap traffic", "server data traffic"),
    ['the client\'s first record of data, "hello"', hello?.type === "send" ? toHex(hello.data) : ""],
    ["its next one, close_notify", end?.type === "send" ? toHex(end.data) : ""],
    ["packet key of the client", toHex(protection.sendKey)],
    ["packet key of the server", toHex(protection.receiveKey)],
    ["an ACK of the client with its tag", toHex(tagged)],
    ["resumption", labels.get("res master") ?? ""],
    ["NewSessionTicket, the server's first record of data keys", hexOf(down.records[5])],
    ["PSK of the ticket", toHex(ticket.psk)],
  ];
  return { examples, ticket };
}

function resumedExamples(ticket: SsuTicket): Example[] {
  const { labels, clientHandshake, client, server } = ends([0x40, 0xa0], ticket);
  const secret = clientHandshake.earlySecret(client.io());
  if (secret === undefined) throw new Error("no early data");
  client.writeEarly(encodeFrame({ type: "list" }), secret);
  const [up, down] = handshake(client, server);
  return [
    ["ClientHello with the ticket, in its record", hexOf(up.records[0])],
    ["client early traffic", toHex(secret)],
    ["early data, the frame LIST (8.1)", hexOf(up.records[1])],
    ["ServerHello, in its record", hexOf(down.records[0])],
    ["server handshake traffic", labels.get("s hs traffic") ?? ""],
    ["EncryptedExtensions, encrypted", hexOf(down.records[1])],
    ["Finished of the server, encrypted", hexOf(down.records[2])],
    ["client handshake traffic", labels.get("c hs traffic") ?? ""],
    ["EndOfEarlyData, encrypted", hexOf(up.records[2])],
    ["Finished of the client, encrypted", hexOf(up.records[3])],
  ];
}

const frameExamples = (): Example[] => [
  ["a client's first bytes", toHex(PREAMBLE)],
  ["STAT fw.bin", toHex(encodeFrame({ type: "stat", name: "fw.bin" }))],
  [
    "GET fw.bin from 65536 on",
    toHex(encodeFrame({ type: "get", offset: 65_536, digest: counting(0)(32), name: "fw.bin" })),
  ],
  ["FILE", toHex(encodeFrame({ type: "file", size: 100_000, digest: counting(0)(32), offset: 65_536 }))],
  ["ERROR 3", toHex(encodeFrame({ type: "error", code: 3, reason: "there is no such file" }))],
];

/** The part of the page between its two marks. */
export function examplesText(): string {
  const block = ([title, hex]: Example): string => {
    const lines = hex.match(/.{1,100}/g) ?? [];
    return `${title}:\n\n${lines.map((line) => `    ${line}`).join("\n")}\n`;
  };
  const blocks = (examples: readonly Example[]): string => examples.map(block).join("\n");
  const { examples, ticket } = secureExamples();
  return `
### 9.1 Packets

${blocks(packetExamples())}
### 9.2 A secure handshake

Options as in the SYN and SYN-ACK above. The client's random is 00 01 02 … 1f, its private key 20 21 … 3f; the server's private key 80 81 …
9f, its random a0 a1 … bf. Certificates and the server's signing key are in \`fixtures/vectors/ssu\`; Ed25519 signatures have no chance in them.

${blocks(examples)}
### 9.3 The ticket is used, with early data

The same options again (in truth ids and cookie are new ones every time). The client's random is 40 41 … 5f, its private key 60 61 … 7f; the
server's private key a0 a1 … bf, its random c0 c1 … df.

${blocks(resumedExamples(ticket))}
### 9.4 Frames

${blocks(frameExamples())}`;
}
