import { crc32 } from "../../emulator/wire/crc32.ts";
import { compareDotted, isDotted } from "../../gateway/source/rsu/dotted-version.ts";
import {
  decodeError,
  decodeOffer,
  decodeTerms,
  encodeError,
  encodeOffer,
  encodeTerms,
} from "../../gateway/source/rsu/extensions.ts";
import { decodePdu, encodePdu } from "../../gateway/source/rsu/pdu.ts";
import { SPLITTER_START, splitPdus } from "../../gateway/source/rsu/pdu-splitter.ts";
import { Alert } from "../../gateway/source/ssu/alerts.ts";
import { encodeFrame, FrameReader } from "../../gateway/source/ssu/app-frames.ts";
import {
  encodeCertificate,
  encodeCertificateVerify,
  encodeClientHello,
  encodeEncryptedExtensions,
  encodeEndOfEarlyData,
  encodeFinished,
  encodeNewSessionTicket,
  encodeServerHello,
  readCertificate,
  readCertificateVerify,
  readClientHello,
  readEncryptedExtensions,
  readEndOfEarlyData,
  readFinished,
  readNewSessionTicket,
  readServerHello,
  splitMessage,
} from "../../gateway/source/ssu/handshake-messages.ts";
import { decodePacket, encodePacket } from "../../gateway/source/ssu/packet.ts";
import { decodeOptions, encodeOptions } from "../../gateway/source/ssu/packet-options.ts";
import { openRecord, plainRecord, RecordReader, recordKeys, sealRecord } from "../../gateway/source/ssu/records.ts";
import { nodeSsuCrypto } from "../../hil/crypto/ssu-crypto.ts";
import type { Decoder } from "./decoder.ts";

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index);

/** What comes in pieces, each as long as its first byte says. */
function* pieces(data: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < data.length; ) {
    const length = 1 + ((data[offset] as number) % 16);
    yield data.subarray(offset, offset + length);
    offset += length;
  }
}

function sameBytes(read: Uint8Array, from: Uint8Array): void {
  if (Buffer.compare(read, from.subarray(0, read.length)) !== 0) throw new Error("other bytes");
}

const SHA256 = "ab".repeat(32);
const OFFER = encodeOffer({
  capabilities: ["resume", "target"],
  target: "fw",
  resume: { from: 5, of: SHA256 },
  wait: 3,
});
const TERMS = encodeTerms({ capabilities: ["sha256"], size: 10, sha256: SHA256, from: 2, signature: bytes(4) });
const PDUS = [
  encodePdu({ type: 0, protocolVersion: "2.0.0", firmwareVersion: "1.0.0", payload: OFFER }),
  encodePdu({ type: 6, payload: bytes(30) }),
  encodePdu({ type: 9, payload: encodeError("BUSY", "later") }),
];

const RSU: Readonly<Record<string, Decoder>> = {
  decodePdu: {
    samples: PDUS,
    decode: (input) => {
      const read = decodePdu(input);
      if ("reason" in read) {
        if (read.reason === "") throw new Error("no reason");
        return;
      }
      const again = decodePdu(encodePdu(read));
      if (JSON.stringify(again) !== JSON.stringify(read)) throw new Error("another PDU");
    },
  },
  splitPdus: {
    samples: [Buffer.concat(PDUS)],
    decode: (input) => {
      const whole = splitPdus(SPLITTER_START, input);
      let state = SPLITTER_START;
      const objects: Uint8Array[] = [];
      for (const piece of pieces(input)) {
        const split = splitPdus(state, piece);
        objects.push(...split.objects);
        if (split.error !== undefined) break;
        ({ state } = split);
      }
      if (Buffer.compare(Buffer.concat(whole.objects), Buffer.concat(objects)) !== 0)
        throw new Error("other PDUs when they come in pieces");
    },
  },
  decodeOffer: { samples: [OFFER], decode: (input) => void decodeOffer(input) },
  decodeTerms: {
    samples: [TERMS],
    decode: (input) => {
      const terms = decodeTerms(input);
      if (terms !== undefined && terms.from > terms.size) throw new Error("begins behind its end");
    },
  },
  decodeError: {
    samples: [encodeError("BUSY", "later")],
    decode: (input) => {
      if (/[^\x20-\x7e]/.test(decodeError(input).reason)) throw new Error("a reason that can't be printed");
    },
  },
  compareDotted: {
    samples: ["1.2.3 1.2.4", "1.10 1.9.0", "2 2.0"].map((each) => new TextEncoder().encode(each)),
    decode: (input) => {
      const [a = "", b = ""] = text(input).split(" ");
      if (!isDotted(a) || !isDotted(b)) return;
      if (Math.sign(compareDotted(a, b)) !== -Math.sign(compareDotted(b, a))) throw new Error("no order");
    },
  },
};

const crypto = nodeSsuCrypto((length) => bytes(length));
const KEYS = recordKeys(crypto, bytes(32));
const PACKETS = [
  encodePacket({
    flags: 1,
    to: 0n,
    seq: 0,
    ack: 0,
    window: 65_536,
    options: { sourceId: 5n, security: 1, maxDatagram: 1200 },
    payload: bytes(0),
  }),
  encodePacket({
    flags: 2,
    to: 7n,
    seq: 9,
    ack: 5,
    window: 9,
    options: { sack: [{ start: 3, end: 8 }] },
    payload: bytes(20),
  }),
];
const OPTIONS = [
  { sourceId: 5n, maxDatagram: 1200, cookie: bytes(20) },
  { sack: [{ start: 3, end: 8 }], pad: 4 },
  { reason: 40 },
];
const HELLO = {
  random: bytes(32),
  share: bytes(32),
  serverName: "ssu.example",
  early: false,
  ticket: bytes(5),
  binder: bytes(32),
};
const FRAMES = [
  encodeFrame({ type: "list" }),
  encodeFrame({ type: "get", offset: 5, digest: bytes(32), name: "a.bin" }),
  encodeFrame({ type: "files", files: [{ name: "a.bin", size: 5, digest: bytes(32) }] }),
  encodeFrame({ type: "said", number: 1, at: 1_790_000_000_000, nick: "ada", text: "ready" }),
  encodeFrame({ type: "error", code: 3, reason: "no such file" }),
];

/** What it throws is an {@link Alert}. */
function alerting(read: (input: Uint8Array) => void): (input: Uint8Array) => void {
  return (input) => {
    try {
      read(input);
    } catch (error) {
      if (!(error instanceof Alert) || error.message === "") throw error;
    }
  };
}

/** A message of the handshake; what is read from it is written as it was. */
const handshake = <Message>(
  sample: Message,
  read: (data: Uint8Array) => Message,
  encode: (message: Message) => Uint8Array,
): Decoder => ({
  samples: [encode(sample)],
  decode: alerting((input) => {
    const again = encode(read(input));
    // type and length were looked at by whoever cut it out of the stream
    if (Buffer.compare(again.subarray(3), input.subarray(3)) !== 0) throw new Error("other bytes");
  }),
});

const SSU: Readonly<Record<string, Decoder>> = {
  decodePacket: {
    samples: PACKETS,
    decode: (input) => {
      // the sum is put right in every second one, so that what lies behind it is tried
      const packet = input.slice();
      if (packet.length >= 4 && ((packet.at(-1) as number) & 1) === 0)
        new DataView(packet.buffer).setUint32(0, crc32(packet.subarray(4)));
      const read = decodePacket(packet);
      if (read.type === "malformed" && read.reason === "") throw new Error("no reason");
    },
  },
  decodeOptions: {
    samples: OPTIONS.map(encodeOptions),
    decode: (input) => {
      const read = decodeOptions(input);
      if (read.type === "malformed" && read.reason === "") throw new Error("no reason");
    },
  },
  readClientHello: {
    samples: [encodeClientHello(HELLO), encodeClientHello({ ...HELLO, ticket: bytes(0), binder: bytes(0) })],
    decode: alerting((input) => void readClientHello(input)),
  },
  readServerHello: handshake(
    { random: bytes(32), share: bytes(32), resumed: true },
    readServerHello,
    encodeServerHello,
  ),
  readEncryptedExtensions: handshake(true, readEncryptedExtensions, encodeEncryptedExtensions),
  readCertificate: handshake([bytes(9), bytes(3)], readCertificate, encodeCertificate),
  readCertificateVerify: handshake(
    { scheme: 0x0807, signature: bytes(64) },
    readCertificateVerify,
    encodeCertificateVerify,
  ),
  readFinished: handshake(bytes(32), readFinished, encodeFinished),
  readEndOfEarlyData: handshake(3, readEndOfEarlyData, encodeEndOfEarlyData),
  readNewSessionTicket: handshake(
    { lifetime: 600, earlyMax: 1000, nonce: bytes(2), ticket: bytes(30) },
    readNewSessionTicket,
    encodeNewSessionTicket,
  ),
  splitMessage: {
    samples: [encodeFinished(bytes(32)), encodeEndOfEarlyData(2)],
    decode: alerting((input) => {
      for (let rest = input; ; ) {
        const split = splitMessage(rest);
        if (split === undefined) return;
        ({ rest } = split);
      }
    }),
  },
  RecordReader: {
    samples: [plainRecord(0x16, bytes(40)), sealRecord(crypto, KEYS, 0x17, bytes(10))],
    decode: alerting((input) => {
      const reader = new RecordReader();
      for (const piece of pieces(input)) {
        reader.push(piece);
        for (let next = reader.next(); next !== undefined; next = reader.next())
          sameBytes(next.body.subarray(0, 0), input);
      }
    }),
  },
  openRecord: {
    samples: [sealRecord(crypto, KEYS, 0x17, bytes(10))],
    decode: (input) => {
      const opened = openRecord(crypto, KEYS, { type: 0x17, body: input.subarray(3) });
      if (opened !== undefined) sameBytes(sealRecord(crypto, KEYS, 0x17, opened).subarray(3), input.subarray(3));
    },
  },
  FrameReader: {
    samples: [...FRAMES, Buffer.concat(FRAMES)],
    decode: (input) => {
      const reader = new FrameReader();
      for (const piece of pieces(input)) {
        reader.push(piece);
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          if (next.type !== "malformed") continue;
          if (next.reason === "") throw new Error("no reason");
          return;
        }
      }
    },
  },
};

/** Every decoder of gateway/source/rsu and gateway/source/ssu, by the name of its function or class. */
export const SOURCE_DECODERS: Readonly<Record<string, Decoder>> = { ...RSU, ...SSU };
