import { createHash } from "node:crypto";

/**
 * Signing by ML-DSA-65, the deterministic variant: node:crypto signs with fresh randomness only, and what a run does must
 * come from its seed. Nothing here is constant in time; keys are for a bench. (FIPS 204)
 */

const Q = 8380417;
const N = 256;
const K = 6;
const L = 5;
const D = 13;
const ETA = 4;
const TAU = 49;
const BETA = TAU * ETA;
const OMEGA = 55;
const GAMMA1 = 2 ** 19;
const GAMMA2 = (Q - 1) / 32;
const CHALLENGE_LENGTH = 48;

/** 256 coefficients, each from 0 to q - 1 unless said otherwise. */
type Poly = Int32Array;

const hash = (length: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const shake = createHash("shake256", { outputLength: length });
  for (const part of parts) shake.update(part);
  return new Uint8Array(shake.digest());
};

const mod = (value: number): number => ((value % Q) + Q) % Q;
/** The representative from -q/2 to q/2. */
const centred = (value: number): number => (value > (Q - 1) / 2 ? value - Q : value);
const poly = (coefficient: (index: number) => number): Poly => Int32Array.from({ length: N }, (_, i) => coefficient(i));
const vector = (length: number, each: (index: number) => Poly): Poly[] => Array.from({ length }, (_, i) => each(i));
const sum = (a: Poly, b: Poly): Poly => poly((i) => mod((a[i] as number) + (b[i] as number)));
const difference = (a: Poly, b: Poly): Poly => poly((i) => mod((a[i] as number) - (b[i] as number)));
const product = (a: Poly, b: Poly): Poly => poly((i) => ((a[i] as number) * (b[i] as number)) % Q);

const ZETAS: readonly number[] = zetas();

/** Powers of 1753 in bit-reversed order. (FIPS 204, Appendix B) */
function zetas(): number[] {
  const powers = [1];
  while (powers.length < N) powers.push(((powers[powers.length - 1] as number) * 1753) % Q);
  const reversed = (index: number): number =>
    Number.parseInt(index.toString(2).padStart(8, "0").split("").reverse().join(""), 2);
  return powers.map((_, index) => powers[reversed(index)] as number);
}

/** (FIPS 204, Algorithm 41) */
function ntt(values: Poly): Poly {
  const w = values.slice();
  let m = 0;
  for (let length = 128; length >= 1; length /= 2) {
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = ZETAS[++m] as number;
      for (let j = start; j < start + length; j++) {
        const t = (zeta * (w[j + length] as number)) % Q;
        const low = w[j] as number;
        w[j + length] = mod(low - t);
        w[j] = mod(low + t);
      }
    }
  }
  return w;
}

/** (FIPS 204, Algorithm 42) */
function inverseNtt(values: Poly): Poly {
  const w = values.slice();
  let m = N;
  for (let length = 1; length < N; length *= 2) {
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = Q - (ZETAS[--m] as number);
      for (let j = start; j < start + length; j++) {
        const low = w[j] as number;
        const high = w[j + length] as number;
        w[j] = mod(low + high);
        w[j + length] = (zeta * mod(low - high)) % Q;
      }
    }
  }
  return w.map((value) => (value * 8347681) % Q);
}

/** One entry of the matrix A, in the NTT domain. (FIPS 204, Algorithms 30 and 32) */
function matrixEntry(rho: Uint8Array, row: number, column: number): Poly {
  const shake = createHash("shake128", { outputLength: 3 * 4 * N });
  const bytes = shake.update(rho).update(Uint8Array.of(column, row)).digest();
  const found = new Int32Array(N);
  for (let at = 0, count = 0; count < N; at += 3) {
    const value = bytes.readUIntLE(at, 3) & 0x7fffff;
    if (value < Q) found[count++] = value;
  }
  return found;
}

/** A short secret polynomial. (FIPS 204, Algorithm 31) */
function secret(seed: Uint8Array, index: number): Poly {
  const nibbles = [...hash(4 * N, seed, uint16(index))].flatMap((byte) => [byte & 0x0f, byte >>> 4]);
  const fitting = nibbles.filter((nibble) => nibble < 2 * ETA + 1);
  return poly((i) => mod(ETA - (fitting[i] as number)));
}

/** (FIPS 204, Algorithm 34) */
const mask = (seed: Uint8Array, index: number): Poly => {
  const values = unpacked(hash(640, seed, uint16(index)), 20);
  return poly((i) => mod(GAMMA1 - (values[i] as number)));
};

/** (FIPS 204, Algorithm 29) */
function inBall(challenge: Uint8Array): Poly {
  const stream = hash(8 + 4 * N, challenge);
  const signs = new DataView(stream.buffer).getBigUint64(0, true);
  const c = new Int32Array(N);
  let at = 8;
  for (let i = N - TAU; i < N; i++) {
    while ((stream[at] as number) > i) at++;
    const j = stream[at++] as number;
    c[i] = c[j] as number;
    c[j] = (signs >> BigInt(i + TAU - N)) & 1n ? Q - 1 : 1;
  }
  return c;
}

/** High and low part of a coefficient. (FIPS 204, Algorithm 36) */
function decomposed(value: number): readonly [high: number, low: number] {
  let low = value % (2 * GAMMA2);
  if (low > GAMMA2) low -= 2 * GAMMA2;
  return value - low === Q - 1 ? [0, low - 1] : [(value - low) / (2 * GAMMA2), low];
}

const highBits = (value: number): number => decomposed(value)[0];
const uint16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >>> 8);
const norm = (polys: readonly Poly[], of: (value: number) => number): number =>
  polys.reduce((most, each) => each.reduce((found, value) => Math.max(found, Math.abs(of(value))), most), 0);

/** @param bits of each value, at most 20; the least significant first */
function packed(values: Int32Array, bits: number): Uint8Array {
  const out = new Uint8Array((values.length * bits) / 8);
  values.forEach((value, index) => {
    for (let bit = 0; bit < bits; bit++) {
      const at = index * bits + bit;
      if ((value >>> bit) & 1) out[at >>> 3] = (out[at >>> 3] as number) | (1 << (at & 7));
    }
  });
  return out;
}

function unpacked(bytes: Uint8Array, bits: number): Int32Array {
  return poly((index) => {
    let value = 0;
    for (let bit = 0; bit < bits; bit++) {
      const at = index * bits + bit;
      value |= (((bytes[at >>> 3] as number) >>> (at & 7)) & 1) << bit;
    }
    return value;
  });
}

interface Expanded {
  /** A, s1, s2 and t0 in the NTT domain. */
  readonly a: readonly (readonly Poly[])[];
  readonly s1: readonly Poly[];
  readonly s2: readonly Poly[];
  readonly t0: readonly Poly[];
  readonly key: Uint8Array;
  readonly tr: Uint8Array;
}

const times = (a: readonly (readonly Poly[])[], v: readonly Poly[]): Poly[] =>
  a.map((row) => inverseNtt(row.map((entry, i) => product(entry, v[i] as Poly)).reduce(sum)));

/** Private and public key from the seed. (FIPS 204, Algorithm 6) */
function expanded(seed: Uint8Array): Expanded {
  const bytes = hash(128, seed, Uint8Array.of(K, L));
  const rho = bytes.subarray(0, 32);
  const short = vector(L + K, (i) => secret(bytes.subarray(32, 96), i));
  const a = Array.from({ length: K }, (_, row) => vector(L, (column) => matrixEntry(rho, row, column)));
  const s1 = short.slice(0, L).map(ntt);
  const t = times(a, s1).map((each, i) => sum(each, short[L + i] as Poly));
  const high = t.map((each) => each.map((value) => (value + 2 ** (D - 1) - 1) >>> D));
  const t0 = t.map((each, i) => poly((j) => mod((each[j] as number) - ((high[i] as Poly)[j] as number) * 2 ** D)));
  const tr = hash(64, rho, ...high.map((each) => packed(each, 10)));
  return { a, s1, s2: short.slice(L).map(ntt), t0: t0.map(ntt), key: bytes.subarray(96), tr };
}

/**
 * @param seed the private key in its short form, 32 bytes
 * @returns 3309 bytes; pure, with an empty context (FIPS 204, Algorithms 2 and 7)
 */
export function signMlDsa65(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const whole = expanded(seed);
  const mu = hash(64, whole.tr, Uint8Array.of(0, 0), message);
  const rho = hash(64, whole.key, new Uint8Array(32), mu);
  for (let kappa = 0; ; kappa += L) {
    const signature = attempt(whole, mu, rho, kappa);
    if (signature !== undefined) return signature;
  }
}

/** One round of rejection sampling. */
function attempt(whole: Expanded, mu: Uint8Array, rho: Uint8Array, kappa: number): Uint8Array | undefined {
  const { a, s1, s2, t0 } = whole;
  const y = vector(L, (i) => mask(rho, kappa + i));
  const w = times(a, y.map(ntt));
  const challenge = hash(CHALLENGE_LENGTH, mu, ...w.map((each) => packed(each.map(highBits), 4)));
  const c = ntt(inBall(challenge));
  const z = y.map((each, i) => sum(each, inverseNtt(product(c, s1[i] as Poly))));
  const r = w.map((each, i) => difference(each, inverseNtt(product(c, s2[i] as Poly))));
  if (norm(z, centred) >= GAMMA1 - BETA || norm(r, (value) => decomposed(value)[1]) >= GAMMA2 - BETA) return undefined;
  const ct0 = t0.map((each) => inverseNtt(product(c, each)));
  if (norm(ct0, centred) >= GAMMA2) return undefined;
  const hints = packedHints(r, ct0);
  if (hints === undefined) return undefined;
  const parts = [
    challenge,
    ...z.map((each) =>
      packed(
        each.map((value) => GAMMA1 - centred(value)),
        20,
      ),
    ),
    hints,
  ];
  return new Uint8Array(Buffer.concat(parts));
}

/** Where c t0 carries into the high bits; undefined when there are too many such places. (FIPS 204, Algorithm 20) */
function packedHints(r: readonly Poly[], ct0: readonly Poly[]): Uint8Array | undefined {
  const out = new Uint8Array(OMEGA + K);
  let count = 0;
  for (const [i, each] of r.entries()) {
    for (let j = 0; j < N; j++) {
      const value = each[j] as number;
      if (highBits(value) === highBits(mod(value + ((ct0[i] as Poly)[j] as number)))) continue;
      if (count === OMEGA) return undefined;
      out[count++] = j;
    }
    out[OMEGA + i] = count;
  }
  return out;
}
