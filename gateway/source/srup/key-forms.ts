import { decodeBase64, encodeBase64 } from "../../../emulator/wire/base64.ts";
import { readKeyText } from "./key-text.ts";
import { encodeText } from "./values.ts";

/** The forms in which keys and signatures travel through the key-exchange service. (docs/protocols/srup.md, Key exchange) */

const PEM_COLUMNS = 64;
const MIME_COLUMNS = 76;

/** Base64 in lines of 76 columns, each with its newline. (RFC 2045, 6.8) */
export const toMimeBase64 = (bytes: Uint8Array): string => `${lines(encodeBase64(bytes), MIME_COLUMNS).join("\n")}\n`;

/** Total; line breaks are ignored wherever they stand. @returns undefined for anything else that is not base64 */
export const fromBase64 = (text: string): Uint8Array | undefined => decodeBase64(text.replace(/[\r\n]/g, ""));

/**
 * Public keys as they are registered: one key as what stands between the two lines of its PEM, in one line; two, of
 * version 6, as the base64 of both PEMs, in one line.
 */
export const registrationKey = (keys: string): string =>
  readKeyText(keys).version === 5 ? bodyOf(keys) : encodeBase64(encodeText(keys));

/** Public keys as they are handed out: MIME base64 of their PEMs, one behind the other, without a newline at the end. */
export function handedOutKey(keys: string): string {
  const { version, rsa, signing } = readKeyText(keys);
  const pems = version === 5 ? [rsa] : [rsa, signing];
  return toMimeBase64(encodeText(pems.map((pem) => restoredPem(bodyOf(pem))).join("\n")));
}

/** The PEM of a registered key: lines of 64 columns, no newline at the end. */
export const restoredPem = (key: string): string =>
  `-----BEGIN PUBLIC KEY-----\n${lines(key, PEM_COLUMNS).join("\n")}\n-----END PUBLIC KEY-----`;

/**
 * The eight characters by which the original names its key files: a Fletcher-32 of the identity's text whose two sums are
 * reduced once in 360 characters only.
 * @public
 */
export function shortName(identity: string): string {
  let low = 0;
  let high = 0;
  for (let index = 0; index < identity.length; index++) {
    low += identity.charCodeAt(index);
    high += low;
    if (index % 360 === 359 || index === identity.length - 1) {
      low %= 0xffff;
      high %= 0xffff;
    }
  }
  return (high * 0x1_0000 + low).toString(16).toUpperCase().padStart(8, "0");
}

const bodyOf = (pem: string): string => pem.replace(/-----[A-Z ]+-----|\s/g, "");

const lines = (text: string, columns: number): string[] => text.match(new RegExp(`.{1,${columns}}`, "g")) ?? [];
