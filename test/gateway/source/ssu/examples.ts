import { readFileSync } from "node:fs";
import { RUN_START } from "../../../../emulator/kernel/time.ts";
import { toHex } from "../../../../emulator/wire/text.ts";
import { encodeFrame, PREAMBLE } from "../../../../gateway/source/ssu/app-frames.ts";
import { ClientHandshake } from "../../../../gateway/source/ssu/client-handshake.ts";
import type { Protection } from "../../../../gateway/source/ssu/connection-io.ts";
import { joined } from "../../../../gateway/source/ssu/joined.ts";
import { encodePacket, type Packet, PacketFlag } from "../../../../gateway/source/ssu/packet.ts";
import { encodeOptions } from "../../../../gateway/source/ssu/packet-options.ts";
import { SecureChannel } from "../../../../gateway/source/ssu/secure-channel.ts";
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
}

/** What both channels say until neither has anything more to say. */
function handshake(client: SecureChannel, server: SecureChannel): [Wire, Wire] {
  const wires: [Wire, Wire] = [
    { records: [], protection: undefined },
    { records: [], protection: undefined },
  ];
  for (let turn = 0; turn < 6; turn++) {
    const [from, to] = turn % 2 === 0 ? [client, server] : [server, client];
    const wire = wires[turn % 2] as Wire;
    for (let output = from.poll(); output !== undefined; output = from.poll()) {
      if (output.type === "alertSent") throw new Error(output.reason);
      if (output.type === "protect") wire.protection = output.protection;
      if (output.type !== "send") continue;
      wire.records.push(output.data);
      to.receive(output.data, RUN_START);
    }
  }
  return wires;
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

function secureExamples(): Example[] {
  const labels = new Map<string, string>();
  const clientCrypto = noting(0x00, labels);
  const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, "utf8");
  const trust = ssuTrust({ ca: read("ca.pem"), now: () => 1_800_000_000 });
  const identity = ssuIdentity(read("server.pem"), read("server.key.pem"));
  const transcript = joined(
    clientCrypto.sha256(encodeOptions(SYN_OPTIONS)),
    clientCrypto.sha256(encodeOptions(SYN_ACK_OPTIONS)),
  );
  const serverCrypto = nodeSsuCrypto(counting(0x80));
  const tickets = new TicketIssuer(nodeSsuCrypto(counting(0xc0)));
  const client = new SecureChannel(
    {
      crypto: clientCrypto,
      handshake: new ClientHandshake({ trust, serverName: "localhost", early: false }),
      transcript,
      earlyMax: 0,
    },
    RUN_START,
  );
  const server = new SecureChannel(
    {
      crypto: serverCrypto,
      handshake: new ServerHandshake({ identity, tickets, earlyMax: 0 }),
      transcript,
      earlyMax: 0,
    },
    RUN_START,
  );
  const [up, down] = handshake(client, server);
  const { protection } = up;
  if (protection === undefined) throw new Error("no keys for packets");
  const shared = clientCrypto.x25519(counting(0x20)(32), serverCrypto.x25519Public(counting(0x80)(32)));
  client.write(TEXT.encode("hello"));
  const hello = client.poll();
  const tagged = encodePacket(packet({ seq: 1300 }), (covered) =>
    clientCrypto.hmacSha256(protection.sendKey, covered).subarray(0, 16),
  );
  const [serverHello, extensions, certificate, verify, finished] = down.records;
  return [
    ["begin of the transcript", toHex(transcript)],
    ["the client's private key", toHex(counting(0x20)(32))],
    ["the server's private key", toHex(counting(0x80)(32))],
    ["shared secret", toHex(shared ?? NOTHING)],
    ["ClientHello, for localhost, in its record", toHex(up.records[0] ?? NOTHING)],
    ["ServerHello, in its record", toHex(serverHello ?? NOTHING)],
    ["client handshake traffic", labels.get("c hs traffic") ?? ""],
    ["server handshake traffic", labels.get("s hs traffic") ?? ""],
    ["EncryptedExtensions, encrypted", toHex(extensions ?? NOTHING)],
    ["Certificate, encrypted (server.pem of fixtures/vectors/ssu)", toHex(certificate ?? NOTHING)],
    ["CertificateVerify, encrypted", toHex(verify ?? NOTHING)],
    ["Finished of the server, encrypted", toHex(finished ?? NOTHING)],
    ["Finished of the client, encrypted", toHex(up.records[1] ?? NOTHING)],
    ["client data traffic", labels.get("c ap traffic") ?? ""],
    ["server data traffic", labels.get("s ap traffic") ?? ""],
    ["resumption", labels.get("res master") ?? ""],
    ['the client\'s first record of data, "hello"', hello?.type === "send" ? toHex(hello.data) : ""],
    ["packet key of the client", toHex(protection.sendKey)],
    ["packet key of the server", toHex(protection.receiveKey)],
    ["an ACK of the client with its tag", toHex(tagged)],
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
  return `
### 9.1 Packets

${packetExamples().map(block).join("\n")}
### 9.2 A secure handshake

Options as in the SYN and SYN-ACK above. The client's random is 00 01 02 … 1f, its private key 20 21 … 3f; the server's private key 80 81 …
9f, its random a0 a1 … bf. Certificates and the server's signing key are in \`fixtures/vectors/ssu\`; Ed25519 signatures have no chance in them.

${secureExamples().map(block).join("\n")}
### 9.3 Frames

${frameExamples().map(block).join("\n")}`;
}
