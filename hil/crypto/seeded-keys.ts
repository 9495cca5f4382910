import { checkPrimeSync, createPrivateKey, hkdfSync, type KeyObject } from "node:crypto";

/**
 * Private keys made from a text: the same seed gives the same key on every machine, so that everything signed with it
 * is the same too. Whoever knows the seed has the key; these are keys for a bench.
 */

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const PRIME_BYTES = 128;
const RSA_EXPONENT = 65537n;
/** Odd numbers tried from one starting point; a gap between primes of this size is about 700. */
const PRIME_STEPS_MAX = 100_000;

/** @param label what the key is for; keys of one seed with different labels have nothing in common */
export function seededP256Key(seed: string, label: string): KeyObject {
  // 16 bytes more than the order has, so that the remainder has no bias to speak of (FIPS 186-5, A.2.1)
  const d = (toBigInt(stream(seed, label, 48)) % (P256_ORDER - 1n)) + 1n;
  const ecPrivateKey = Buffer.concat([Buffer.from("30310201010420", "hex"), toBytes(d, 32), P256_PARAMETERS]);
  return createPrivateKey({ key: ecPrivateKey, format: "der", type: "sec1" });
}

/** namedCurve prime256v1 as parameters [0] of an ECPrivateKey. (RFC 5915, 3) */
const P256_PARAMETERS = Buffer.from("a00a06082a8648ce3d030107", "hex");

export function seededEd25519Key(seed: string, label: string): KeyObject {
  const key = Buffer.concat([ED25519_PREFIX, stream(seed, label, 32)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

export function seededMlDsa65Key(seed: string, label: string): KeyObject {
  const key = Buffer.concat([ML_DSA_65_PREFIX, stream(seed, label, 32)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** PrivateKeyInfo up to the 32 bytes of the key. (RFC 8410, 7) */
const ED25519_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
/** PrivateKeyInfo up to the 32 bytes of the seed. (RFC 9881, 6) */
const ML_DSA_65_PREFIX = Buffer.from("3034020100300b060960864801650304031204228020", "hex");

/** RSA, 2048 bits, public exponent 65537. */
export function seededRsaKey(seed: string, label: string): KeyObject {
  const primes: bigint[] = [];
  for (let index = 0; primes.length < 2; index++) {
    const prime = findPrime(stream(seed, `${label}/prime ${index}`, PRIME_BYTES));
    if (prime !== undefined && !primes.includes(prime)) primes.push(prime);
  }
  const [p, q] = primes.sort((a, b) => (a > b ? -1 : 1)) as [bigint, bigint];
  const d = inverse(RSA_EXPONENT, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e: RSA_EXPONENT, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, base64Url(number)]));
  return createPrivateKey({ key: { kty: "RSA", ...jwk }, format: "jwk" });
}

/** The first fitting prime from a starting point on; its two top bits are set, so that two of them give 2048 bits. */
function findPrime(start: Uint8Array): bigint | undefined {
  start[0] = (start[0] as number) | 0xc0;
  start[PRIME_BYTES - 1] = (start[PRIME_BYTES - 1] as number) | 1;
  const base = toBigInt(start);
  const remainders = SMALL_PRIMES.map((prime) => Number(base % BigInt(prime)));
  for (let step = 0; step < 2 * PRIME_STEPS_MAX; step += 2) {
    if (SMALL_PRIMES.some((prime, index) => ((remainders[index] as number) + step) % prime === 0)) continue;
    const candidate = base + BigInt(step);
    if ((candidate - 1n) % RSA_EXPONENT !== 0n && checkPrimeSync(candidate)) return candidate;
  }
  return undefined;
}

const SMALL_PRIMES: readonly number[] = primesBelow(8192);

function primesBelow(limit: number): number[] {
  const composite = new Uint8Array(limit);
  const primes: number[] = [];
  for (let number = 3; number < limit; number += 2) {
    if (composite[number] === 1) continue;
    primes.push(number);
    for (let multiple = number * number; multiple < limit; multiple += 2 * number) composite[multiple] = 1;
  }
  return primes;
}

const stream = (seed: string, label: string, length: number): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", seed, "otabench keys", label, length));

/** The inverse of `a` modulo `modulus`, which have no common divisor. */
function inverse(a: bigint, modulus: bigint): bigint {
  let [previous, current] = [modulus, a % modulus];
  let [x, y] = [0n, 1n];
  while (current > 1n) {
    const quotient = previous / current;
    [previous, current] = [current, previous % current];
    [x, y] = [y, x - quotient * y];
  }
  return y < 0n ? y + modulus : y;
}

const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

const toBytes = (number: bigint, length: number): Buffer =>
  Buffer.from(number.toString(16).padStart(2 * length, "0"), "hex");

const base64Url = (number: bigint): string => {
  const digits = number.toString(16);
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex").toString("base64url");
};
