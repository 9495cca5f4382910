import { createPrivateKey } from "node:crypto";

/** No key is longer; what is longer is not looked at as DER. */
const KEY_LENGTH_MAX = 32_768;

/** PEM somewhere in it, or DER, of whichever kind, encrypted or not. (RFC 7468, 10 and 11; RFC 5958; RFC 8017; RFC 5915) */
export function isPrivateKey(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(bytes.toString("latin1"))) return true;
  if (bytes.length > KEY_LENGTH_MAX) return false;
  return (["pkcs8", "pkcs1", "sec1"] as const).some((type) => {
    try {
      createPrivateKey({ key: bytes, format: "der", type });
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ERR_MISSING_PASSPHRASE";
    }
  });
}
