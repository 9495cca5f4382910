const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = 0x3d;
const CODES = Uint8Array.from(DIGITS, (digit) => digit.charCodeAt(0));
const NO_DIGIT = 0xff;
const VALUES = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, code] of CODES.entries()) VALUES[code] = value;

/** Standard alphabet, padded. (RFC 4648, 4) */
export function encodeBase64(data: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(data.length / 3) * 4).fill(PAD);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    const left = data.length - from;
    const bits = ((data[from] as number) << 16) | ((data[from + 1] ?? 0) << 8) | (data[from + 2] ?? 0);
    out[to] = CODES[bits >> 18] as number;
    out[to + 1] = CODES[(bits >> 12) & 63] as number;
    if (left > 1) out[to + 2] = CODES[(bits >> 6) & 63] as number;
    if (left > 2) out[to + 3] = CODES[bits & 63] as number;
  }
  return new TextDecoder().decode(out);
}

/**
 * The reverse, strictly: whole groups of four, padding at the end only, unused bits zero, nothing else in between.
 * (RFC 4648, 3.3 and 3.5) @returns undefined for any other text
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const pads = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - pads;
  const out = new Uint8Array((text.length / 4) * 3);
  for (let from = 0, to = 0; from < text.length; from += 4, to += 3) {
    let bits = 0;
    for (let place = from; place < from + 4; place++) {
      const value = place < digits ? digitOf(text.charCodeAt(place)) : 0;
      if (value === NO_DIGIT) return undefined;
      bits = (bits << 6) | value;
    }
    out[to] = bits >> 16;
    out[to + 1] = (bits >> 8) & 0xff;
    out[to + 2] = bits & 0xff;
  }
  const length = out.length - pads;
  return out.subarray(length).every((byte) => byte === 0) ? out.subarray(0, length) : undefined;
}

const digitOf = (code: number): number => (code < VALUES.length ? (VALUES[code] as number) : NO_DIGIT);
