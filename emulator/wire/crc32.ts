const SLICES = 8;
const SLICE = 256;

/** Row n: the CRC of each byte with n zero bytes behind it. */
const TABLE = new Int32Array(SLICES * SLICE);
for (let index = 0; index < SLICE; index++) {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  TABLE[index] = crc;
}
for (let at = SLICE; at < TABLE.length; at++) {
  const before = TABLE[at - SLICE] as number;
  TABLE[at] = (before >>> 8) ^ (TABLE[before & 0xff] as number);
}

/**
 * CRC-32 as in Ethernet and zlib: polynomial EDB88320 reflected, initial and final value FFFFFFFF.
 * @param previous the CRC of what came before, to go on from there
 */
export function crc32(data: Uint8Array, previous = 0): number {
  let crc = ~previous;
  let index = 0;
  for (const end = data.length - (data.length % SLICES); index < end; index += SLICES) crc = eight(crc, data, index);
  for (; index < data.length; index++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (data[index] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

/** Eight bytes at once. */
function eight(crc: number, data: Uint8Array, at: number): number {
  return (
    (TABLE[7 * SLICE + ((crc ^ (data[at] as number)) & 0xff)] as number) ^
    (TABLE[6 * SLICE + (((crc >>> 8) ^ (data[at + 1] as number)) & 0xff)] as number) ^
    (TABLE[5 * SLICE + (((crc >>> 16) ^ (data[at + 2] as number)) & 0xff)] as number) ^
    (TABLE[4 * SLICE + ((crc >>> 24) ^ (data[at + 3] as number))] as number) ^
    (TABLE[3 * SLICE + (data[at + 4] as number)] as number) ^
    (TABLE[2 * SLICE + (data[at + 5] as number)] as number) ^
    (TABLE[SLICE + (data[at + 6] as number)] as number) ^
    (TABLE[data[at + 7] as number] as number)
  );
}
