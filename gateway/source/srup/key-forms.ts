/** The forms in which keys and signatures travel through the key-exchange service. (docs/protocols/srup.md, Key exchange) */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES: ReadonlyMap<string, number> = new Map(DIGITS.split("").map((digit, value) => [digit, value]));
const PEM_COLUMNS = 64;
const MIME_COLUMNS = 76;

/** Base64 in one line. (RFC 4648, 4) */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; index += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(index, index + 3);
    const group = (a << 16) | (b << 8) | c;
    const digits = [18, 12, 6, 0].map((shift) => DIGITS[(group >> shift) & 63]).join("");
    const missing = Math.max(0, index + 3 - bytes.length);
    text += digits.slice(0, 4 - missing) + "=".repeat(missing);
  }
  return text;
}

/** Base64 in lines of 76 columns, each with its newline. (RFC 2045, 6.8) */
export const toMimeBase64 = (bytes: Uint8Array): string => `${lines(toBase64(bytes), MIME_COLUMNS).join("\n")}\n`;

/** Total; line breaks are ignored wherever they stand. @returns undefined for anything else that is not base64 */
export function fromBase64(text: string): Uint8Array | undefined {
  const joined = text.replace(/[\r\n]/g, "");
  if (joined.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(joined)) return undefined;
  const digits = joined.replace(/=+$/, "");
  if (digits.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  for (let index = 0, group = 0; index < digits.length; index++) {
    group = ((group << 6) | (VALUES.get(digits[index] as string) as number)) & 0xff_ffff;
    const place = index % 4;
    if (place > 0) bytes[Math.floor(index / 4) * 3 + place - 1] = (group >> (6 - 2 * place)) & 0xff;
  }
  return bytes;
}

/** A public key as it is registered: what stands between the two lines of its PEM, in one line. */
export const registrationKey = (pem: string): string => pem.replace(/-----[A-Z ]+-----|\s/g, "");

/** The PEM of a registered key: lines of 64 columns, no newline at the end. */
export const restoredPem = (key: string): string =>
  `-----BEGIN PUBLIC KEY-----\n${lines(key, PEM_COLUMNS).join("\n")}\n-----END PUBLIC KEY-----`;

/**
 * The eight characters by which the original names its key files: a Fletcher-32 of the identity's text whose two sums are
 * reduced once in 360 characters only.
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

const lines = (text: string, columns: number): string[] => text.match(new RegExp(`.{1,${columns}}`, "g")) ?? [];
