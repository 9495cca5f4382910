import type { Stateful } from "./machine.ts";

/** The state of a {@link Prng}: four 32-bit words. */
export type PrngState = readonly [number, number, number, number];

/**
 * Seeded random numbers (xoshiro128** 1.1): the same seed gives the same numbers on every machine.
 * Not for cryptography outside a test bench.
 */
export class Prng implements Stateful<PrngState> {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** @param seed any number or text; both are mixed, so that neighbouring seeds have nothing in common */
  constructor(seed: number | string) {
    let mix = 0x9e3779b9;
    for (const character of String(seed)) mix = Math.imul(mix ^ (character.codePointAt(0) as number), 0x01000193);
    const word = (): number => {
      mix = (mix + 0x9e3779b9) | 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#a = word();
    this.#b = word();
    this.#c = word();
    this.#d = word() | 1; // never all zero
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** An integer from 0 to `bound` - 1, each equally likely. @param bound 1 to 2^32 */
  below(bound: number): number {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % bound;
  }

  bytes(length: number): Uint8Array {
    const data = new Uint8Array(length);
    for (let index = 0; index < length; index++) data[index] = this.uint32() >>> 24;
    return data;
  }

  save(): PrngState {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  load(state: PrngState): void {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }
}

const rotateLeft = (word: number, count: number): number => (word << count) | (word >>> (32 - count));
