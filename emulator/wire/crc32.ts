const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * CRC-32 as in Ethernet and zlib: polynomial EDB88320 reflected, initial and final value FFFFFFFF.
 * @param previous the CRC of what came before, to go on from there
 */
export function crc32(data: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let index = 0; index < data.length; index++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (data[index] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
