import fc from "fast-check";

/** What a field of 32 bits may hold that somebody did not think of. */
const ODD_NUMBERS = [0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

type Mutation = (bytes: Uint8Array) => Uint8Array;

const place = fc.nat({ max: 0xff_ffff });

const setByte: fc.Arbitrary<Mutation> = fc.tuple(place, fc.nat({ max: 0xff })).map(([at, value]) => (bytes) => {
  const changed = bytes.slice();
  if (changed.length > 0) changed[at % changed.length] = value;
  return changed;
});

/** A length, an offset or a count that lies, in either byte order. */
const setNumber: fc.Arbitrary<Mutation> = fc
  .tuple(place, fc.constantFrom(...ODD_NUMBERS), fc.boolean(), fc.constantFrom(1, 2, 4))
  .map(([at, value, littleEndian, size]) => (bytes) => {
    if (bytes.length < size) return bytes;
    const changed = bytes.slice();
    const view = new DataView(changed.buffer);
    const offset = at % (changed.length - size + 1);
    if (size === 4) view.setUint32(offset, value, littleEndian);
    else if (size === 2) view.setUint16(offset, value, littleEndian);
    else view.setUint8(offset, value);
    return changed;
  });

const cut: fc.Arbitrary<Mutation> = place.map((to) => (bytes) => bytes.slice(0, to % (bytes.length + 1)));

const lengthen: fc.Arbitrary<Mutation> = fc.uint8Array({ minLength: 1, maxLength: 32 }).map((more) => (bytes) => {
  const longer = new Uint8Array(bytes.length + more.length);
  longer.set(bytes);
  longer.set(more, bytes.length);
  return longer;
});

const mutation = fc.oneof(
  { weight: 4, arbitrary: setByte },
  { weight: 4, arbitrary: setNumber },
  { weight: 1, arbitrary: cut },
  { weight: 1, arbitrary: lengthen },
);

/** Bytes as a stranger may send them: at random, or right ones with up to six things wrong. */
export function strangeBytes(samples: readonly Uint8Array[], maxLength = 64): fc.Arbitrary<Uint8Array> {
  const random = fc.uint8Array({ maxLength });
  if (samples.length === 0) return random;
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.array(mutation, { maxLength: 6 }))
    .map(([sample, mutations]) => mutations.reduce((bytes, mutate) => mutate(bytes), sample));
  return fc.oneof({ weight: 1, arbitrary: random }, { weight: 3, arbitrary: changed });
}
