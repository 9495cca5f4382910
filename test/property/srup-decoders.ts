import { encodeBase64 } from "../../emulator/wire/base64.ts";
import { decodeEnvelope, openEnvelope } from "../../gateway/source/srup/envelope.ts";
import { identityText, parseIdentity } from "../../gateway/source/srup/identity.ts";
import { fromBase64 } from "../../gateway/source/srup/key-forms.ts";
import { readKeyText } from "../../gateway/source/srup/key-text.ts";
import { decodeSrup, decodeSrupHeader, encodeSrup, type SrupVersion } from "../../gateway/source/srup/srup-message.ts";
import { srupStatusText } from "../../gateway/source/srup/status.ts";
import {
  decodeCString,
  decodeSrupValue,
  decodeText,
  encodeText,
  type SrupValueType,
} from "../../gateway/source/srup/values.ts";
import { nodeSrupCrypto } from "../../hil/crypto/srup-crypto.ts";
import { bytesOf, pemOf, VECTORS } from "../gateway/source/srup/vectors.ts";
import type { Decoder } from "./decoder.ts";

const crypto = nodeSrupCrypto();
const DEVICE = pemOf("keys/device.pem");
const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const texts = (...samples: string[]): Uint8Array[] => samples.map(encodeText);

const MESSAGES = VECTORS.filter(({ name }) => name.endsWith("/typical-1")).map(({ hex }) => bytesOf(hex));
const ENVELOPES = VECTORS.filter(({ type, valid }) => type === "CRYPTO_ENVELOPE" && valid).map(({ hex }) =>
  bytesOf(hex),
);
/** With signatures as long as those of ML-DSA-65. */
const NEWER = MESSAGES.map((message) => {
  const decoded = decodeSrup(message, "all");
  return decoded.type === "malformed" ? message : encodeSrup({ ...decoded, signature: new Uint8Array(3309) }, 6);
});
const TYPES: readonly SrupValueType[] = ["int8", "uint16", "int32", "uint64", "float", "double", "text"];

/** A message that was read is written as it was, up to what lies behind its last field. */
function decodeMessage(bytes: Uint8Array, version: SrupVersion = 5): void {
  for (const types of ["current", "all"] as const) {
    const decoded = decodeSrup(bytes, types, version);
    if (decoded.type === "malformed") {
      if (decoded.reason === "") throw new Error("no reason");
      continue;
    }
    const again = encodeSrup(decoded, version);
    const pad = decoded.message.type === "SYNDICATED_C2_REQUEST" ? 2 : 0;
    for (let index = 0; index < again.length - pad; index++) {
      if (again[index] !== bytes[index]) throw new Error(`other bytes from ${index} on`);
    }
  }
}

export const SRUP_DECODERS: Readonly<Record<string, Decoder>> = {
  decodeSrup: { samples: MESSAGES, lengthMax: 512, decode: (bytes) => decodeMessage(bytes) },
  "decodeSrup of version 6": { samples: NEWER, lengthMax: 4096, decode: (bytes) => decodeMessage(bytes, 6) },
  decodeSrupHeader: { samples: MESSAGES, decode: (bytes) => void decodeSrupHeader(bytes) },
  "decodeSrupHeader of version 6": {
    samples: NEWER,
    decode: (bytes) => {
      const header = decodeSrupHeader(bytes, 6);
      if (header.type === "header" && (bytes[0] !== 6 || header.end > bytes.length)) throw new Error("no header");
    },
  },
  readKeyText: {
    samples: texts("-----BEGIN A-----\n-----BEGIN B-----", "-----BEGIN A-----"),
    decode: (bytes) => {
      const { version, rsa, signing } = readKeyText(text(bytes));
      if (version === 6 && signing !== "" && rsa + signing !== text(bytes)) throw new Error("another text");
    },
  },
  decodeEnvelope: {
    samples: ENVELOPES,
    lengthMax: 400,
    decode: (bytes) => {
      const envelope = decodeEnvelope(bytes);
      if (envelope.type === "envelope" && envelope.plainLength >= envelope.ciphertext.length)
        throw new Error("too long");
    },
  },
  openEnvelope: { samples: ENVELOPES, lengthMax: 400, decode: (bytes) => void openEnvelope(bytes, DEVICE, crypto) },
  decodeSrupValue: {
    samples: texts("hello"),
    decode: (bytes) => {
      for (const type of TYPES) decodeSrupValue(type, bytes);
    },
  },
  decodeText: {
    samples: texts("Grüße"),
    decode: (bytes) => {
      const read = decodeText(bytes);
      if (read !== undefined && text(encodeText(read)) !== text(bytes)) throw new Error("other bytes");
    },
  },
  decodeCString: {
    samples: texts("http://fw.example/x.bin\0", "\0"),
    decode: (bytes) => {
      if (decodeCString(bytes)?.includes("\0")) throw new Error("a NUL");
    },
  },
  fromBase64: {
    samples: texts("AAECAwQ=", "QUJD\nREVG\n"),
    decode: (bytes) => {
      const read = fromBase64(text(bytes));
      if (read !== undefined && fromBase64(encodeBase64(read))?.length !== read.length) throw new Error("other bytes");
    },
  },
  parseIdentity: {
    samples: texts("b9d077e223834cf6", "0"),
    decode: (bytes) => {
      const read = parseIdentity(text(bytes));
      if (read !== undefined && identityText(read) !== text(bytes)) throw new Error("another text");
    },
  },
  srupStatusText: { samples: [], decode: ([code = 0]) => void srupStatusText(code) },
};
