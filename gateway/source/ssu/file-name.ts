const BYTES_MAX = 200;
/** Separators of any system, what shells and terminals take for something else, and what turns text around. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|\ufffd]/u;

/**
 * Whether a text names a file and nothing but a file: one part of a path, in the one form that Unicode has for it (NFC),
 * with neither a dot nor a space at its ends, 1 to 200 bytes of UTF-8. (docs/protocols/ssu.md, 8.3)
 */
export function isFileName(name: string): boolean {
  if (name === "" || new TextEncoder().encode(name).length > BYTES_MAX) return false;
  if (FORBIDDEN.test(name) || name !== name.normalize("NFC")) return false;
  return !/^[. ]|[. ]$/.test(name) && name.isWellFormed();
}
