/** One value of DER: its tag, its contents, and all its bytes. (ITU-T X.690, 8.1) */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

const LENGTH_BYTES_MAX = 4;

/** Values one after the other. @throws {RangeError} for a length that lies; tag numbers over 30 are not needed */
export function readDer(data: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < data.length; ) {
    const tag = byteAt(data, at);
    const first = byteAt(data, at + 1);
    let contentAt = at + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > LENGTH_BYTES_MAX) throw new RangeError(`a length of ${count} bytes`);
      length = 0;
      for (let index = 0; index < count; index++) length = length * 256 + byteAt(data, contentAt + index);
      contentAt += count;
    }
    const end = contentAt + length;
    if (end > data.length) throw new RangeError(`a value of ${length} bytes, ${data.length - contentAt} are there`);
    values.push({ tag, content: data.subarray(contentAt, end), whole: data.subarray(at, end) });
    at = end;
  }
  return values;
}

/** The values inside one. @param tag that it must have */
export function inside(value: DerValue | undefined, tag: number): DerValue[] {
  if (value?.tag !== tag) throw new RangeError(`tag ${value?.tag} where ${tag} is due`);
  return readDer(value.content);
}

/** "1.2.840.113549". */
export function identifierOf({ tag, content }: DerValue): string {
  if (tag !== 0x06) throw new RangeError(`tag ${tag} is no object identifier`);
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(
      ...(arcs.length === 0
        ? [Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40))]
        : [arc]),
    );
    arc = 0;
  }
  return arcs.join(".");
}

/** Unix time in seconds of a UTCTime or GeneralizedTime. (RFC 5280, 4.1.2.5) */
export function timeOf({ tag, content }: DerValue): number {
  const text = Buffer.from(content).toString("latin1");
  const year = tag === 0x17 ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text.slice(0, 2)}` : text.slice(0, 4);
  const rest = tag === 0x17 ? text.slice(2) : text.slice(4);
  const parts = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(rest);
  if ((tag !== 0x17 && tag !== 0x18) || parts === null) throw new RangeError(`"${text}" is no time`);
  const [, month, day, hour, minute, second] = parts;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw new RangeError(`"${text}" is no time`);
  return at / 1000;
}

function byteAt(data: Uint8Array, at: number): number {
  const byte = data[at];
  if (byte === undefined) throw new RangeError("a value is cut off");
  return byte;
}
