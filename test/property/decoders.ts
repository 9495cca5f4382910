import { readdirSync, readFileSync } from "node:fs";
import { decodeBase64, encodeBase64 } from "../../emulator/wire/base64.ts";
import { canFrameFault } from "../../emulator/wire/can-frame.ts";
import { decodeDoip, decodeDoipHeader, encodeDoip } from "../../emulator/wire/doip.ts";
import { DoipFramer } from "../../emulator/wire/doip-framer.ts";
import { checkImage, decodeImageHeader } from "../../emulator/wire/image-header.ts";
import {
  decodeNPdu,
  decodeStMin,
  encodeConsecutiveFrame,
  encodeFirstFrame,
  encodeFlowControl,
  encodeSingleFrame,
} from "../../emulator/wire/n-pci.ts";
import { decodeSlcan } from "../../emulator/wire/slcan.ts";
import { decodeSocketcand } from "../../emulator/wire/socketcand.ts";
import { fromHex, readAscii, toHex } from "../../emulator/wire/text.ts";
import { imageStatusText, nrcText } from "../../emulator/wire/uds.ts";
import { compareVersions, packVersion } from "../../emulator/wire/version.ts";
import { readEcuPackage } from "../../gateway/package/ecu-package.ts";
import { readName } from "../../gateway/package/fields.ts";
import { openPackage } from "../../gateway/package/open-package.ts";
import { readSwpg, swpgEcu, swpgPlain, swpgTargetId } from "../../gateway/package/swpg.ts";
import { readVehiclePackage } from "../../gateway/package/vehicle-package.ts";
import { PackageError } from "../../gateway/package/verified-package.ts";
import { readZonePackage } from "../../gateway/package/zone-package.ts";
import { inflate } from "../../hil/crypto/inflate.ts";
import { nodeCrypto } from "../../hil/crypto/node-crypto.ts";
import { seededP256Key } from "../../hil/crypto/seeded-keys.ts";
import { signingKey } from "../../hil/crypto/signing-key.ts";
import { buildImage } from "../../hil/release/build-image.ts";
import type { Decoder } from "./decoder.ts";
import { FILE_DECODERS } from "./file-decoders.ts";
import { SOURCE_DECODERS } from "./source-decoders.ts";
import { SRUP_DECODERS } from "./srup-decoders.ts";

const VECTORS = "fixtures/vectors/ota";
const VIN = "KMHXX00XXXX000001";
const TEXT = new TextEncoder();
const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);

const vectors = (prefix: string): Uint8Array[] =>
  readdirSync(VECTORS)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".bin"))
    .map((name) => new Uint8Array(readFileSync(`${VECTORS}/${name}`)));

const message = Uint8Array.from({ length: 100 }, (_, index) => index);
const FRAMES = [8, 64].flatMap((txDl) =>
  [{}, { addressByte: 0xf1 }].flatMap((address) => [
    encodeSingleFrame(message.subarray(0, 5), { txDl, ...address }),
    encodeFirstFrame(message, { txDl, ...address }),
    encodeFirstFrame(new Uint8Array(5000), { txDl, ...address }),
    encodeConsecutiveFrame(message, 6, 1, { txDl, ...address }),
    encodeFlowControl(0, 8, 0xf1, { txDl, ...address }),
  ]),
);

const DOIP = [
  encodeDoip({ type: "routingActivationRequest", source: 0x0e00, activationType: 0 }),
  encodeDoip({ type: "diagnosticMessage", source: 0x0e00, target: 0x100b, data: message }),
  encodeDoip({ type: "vehicleIdentificationRequest" }),
];

const key = signingKey(seededP256Key("property tests", "image"));
const IMAGE = buildImage(
  { ecu: "ECU_011", version: "1.1.0", hardwareVersion: "1.0.0", buildTime: 1_790_000_000, code: message },
  key,
);

/** What a decoder gives: something right, or why not. */
function checked(result: { readonly type: string; readonly reason?: string }): void {
  if (result.type === "malformed" && !result.reason) throw new Error("malformed, but no reason is given");
}

const POLICY = {
  trusted: [{ algorithm: "RSA-PKCS1-SHA256", publicKey: key.publicKey }],
  signature: { algorithm: "RSA-PKCS1-SHA256", signature: new Uint8Array(64) },
  vin: VIN,
  installed: [
    { id: "ECU_011", version: "1.0.0" },
    { id: "VMG", version: "1.0.0" },
  ],
  raw: { ecu: "ECU_011" },
  sizeMax: 1_000_000,
} as const;
/** Whatever is signed at all is let in, so that what comes behind the signature is tried. */
const TOOLS = { crypto: { ...nodeCrypto, verify: () => true }, inflate };

/** A path in the bytes: each piece as long as its first byte says. */
function framer(bytes: Uint8Array): void {
  const cutter = new DoipFramer(4096);
  for (let offset = 0; offset < bytes.length; ) {
    const length = 1 + ((bytes[offset] as number) % 16);
    cutter.push(bytes.subarray(offset, offset + length));
    for (let next = cutter.next(); next !== undefined; next = cutter.next()) checked(next);
    offset += length;
  }
}

/** Every decoder of what comes from outside, by the name of its function or class. */
export const DECODERS: Readonly<Record<string, Decoder>> = {
  decodeNPdu: {
    samples: FRAMES,
    decode: (bytes) => {
      for (const addressLength of [0, 1] as const) {
        const pdu = decodeNPdu(bytes, addressLength);
        checked(pdu);
        if (pdu.type === "SF" && pdu.start + pdu.length > bytes.length) throw new Error("SF over its frame");
        if (pdu.type === "FF" && pdu.length <= bytes.length - pdu.start) throw new Error("FF that a SF would hold");
      }
    },
  },
  decodeStMin: {
    samples: [],
    decode: ([code = 0]) => {
      if (!(decodeStMin(code) >= 0)) throw new Error("no time");
    },
  },
  canFrameFault: {
    samples: FRAMES,
    decode: (bytes) => {
      const [a = 0, b = 0, flags = 0] = bytes;
      const fault = canFrameFault({ id: (a << 8) | b, flags, data: bytes.subarray(3) });
      if (fault === "") throw new Error("a fault without a reason");
    },
  },
  decodeDoipHeader: { samples: DOIP, decode: (bytes) => checked(decodeDoipHeader(bytes, 4096)) },
  decodeDoip: { samples: DOIP, decode: (bytes) => checked(decodeDoip(bytes)) },
  DoipFramer: { samples: [...DOIP, Uint8Array.from(DOIP.flatMap((each) => [...each]))], decode: framer },
  decodeImageHeader: { samples: [IMAGE], lengthMax: 8192, decode: (bytes) => checked(decodeImageHeader(bytes)) },
  checkImage: {
    samples: [IMAGE],
    decode: (bytes) => {
      const header = decodeImageHeader(bytes);
      if (header.type === "imageHeader")
        checkImage(header.header, bytes.subarray(4096), (data) => nodeCrypto.sha256(data));
    },
  },
  decodeSlcan: {
    samples: ["t7E08021001AABBCCDDEE", "T18DA15F12AABB", "S6", "d12390011223344556677889900AABB", "O"].map((line) =>
      TEXT.encode(line),
    ),
    decode: (bytes) => checked(decodeSlcan(text(bytes))),
  },
  decodeSocketcand: {
    samples: ["open can0", "send 7e0 2 10 01", "rawmode", "echo"].map((line) => TEXT.encode(line)),
    decode: (bytes) => checked(decodeSocketcand(text(bytes))),
  },
  fromHex: {
    samples: ["00ff", "7E 0 ", "0x12"].map((each) => TEXT.encode(each)),
    decode: (bytes) => {
      const read = fromHex(text(bytes));
      if (read !== undefined && toHex(read) !== text(bytes).toLowerCase()) throw new Error("other bytes");
    },
  },
  readAscii: {
    samples: [TEXT.encode("ECU_011\0")],
    decode: (bytes) => void readAscii(bytes, 0, bytes.length),
  },
  nrcText: { samples: [], decode: ([code = 0]) => void nrcText(code) },
  imageStatusText: { samples: [], decode: ([code = 0]) => void imageStatusText(code) },
  packVersion: {
    samples: ["1.2.3", "255.255.255", "1.2", "-1.0.0", "1e2.0.0"].map((each) => TEXT.encode(each)),
    decode: (bytes) => void packVersion(text(bytes)),
  },
  compareVersions: {
    samples: ["1.2.3 1.2.4"].map((each) => TEXT.encode(each)),
    decode: (bytes) => {
      const [a = "", b = ""] = text(bytes).split(" ");
      if (Math.sign(compareVersions(a, b)) !== -Math.sign(compareVersions(b, a))) throw new Error("no order");
    },
  },
  readEcuPackage: { samples: vectors("ecu-"), lengthMax: 2048, decode: (bytes) => checked(readEcuPackage(bytes)) },
  readName: { samples: [TEXT.encode("ECU_011\0\0\0\0\0\0\0\0\0")], decode: (bytes) => void readName(bytes, 0) },
  readSwpg: { samples: vectors("swpg-"), decode: (bytes) => checked(readSwpg(bytes)) },
  swpgPlain: {
    samples: vectors("swpg-"),
    decode: (bytes) => {
      const read = readSwpg(bytes);
      if (read.type === "swpg") checked(swpgPlain(read.package, inflate));
    },
  },
  swpgEcu: { samples: [], decode: ([a = 0, b = 0]) => void swpgEcu((a << 8) | b) },
  swpgTargetId: {
    samples: ["ECU_011", "VMG"].map((each) => TEXT.encode(each)),
    decode: (bytes) => void swpgTargetId(text(bytes)),
  },
  readVehiclePackage: { samples: vectors("veh-"), decode: (bytes) => checked(readVehiclePackage(bytes)) },
  readZonePackage: {
    samples: vectors("zone-"),
    decode: (bytes) => {
      for (const dialect of ["simulator", "vmg", "zgw"] as const) checked(readZonePackage(bytes, dialect));
    },
  },
  openPackage: {
    samples: [...vectors("swpg-"), ...vectors("veh-"), IMAGE],
    decode: (bytes) => {
      try {
        openPackage(bytes, POLICY, TOOLS);
      } catch (error) {
        if (!(error instanceof PackageError) || error.code === undefined) throw error;
      }
    },
  },
  decodeBase64: {
    samples: [TEXT.encode("AAECAwQ=")],
    decode: (bytes) => {
      const read = decodeBase64(text(bytes));
      if (read !== undefined && encodeBase64(read) !== text(bytes)) throw new Error("another text");
    },
  },
  ...SRUP_DECODERS,
  ...SOURCE_DECODERS,
  ...FILE_DECODERS,
};
