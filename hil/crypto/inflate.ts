import { unzipSync } from "node:zlib";

/**
 * Inflates one zlib (RFC 1950) or gzip (RFC 1952) stream.
 * @param lengthMax the most bytes that may come out; a stream that holds more is refused before it fills the memory
 * @returns undefined when it is no such stream, is cut, has bytes behind its end, or is too long
 */
export function inflate(data: Uint8Array, lengthMax: number): Uint8Array | undefined {
  try {
    const { buffer, engine } = unzipSync(data, { maxOutputLength: Math.max(lengthMax, 1), info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten !== data.length || buffer.length > lengthMax) return undefined;
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch {
    return undefined;
  }
}
