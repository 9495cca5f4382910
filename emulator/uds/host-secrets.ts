import type { Crypto } from "../kernel/crypto.ts";

/** What services need that check or make signatures. */
export interface SecretsHost {
  readonly crypto: Crypto;
  /** By the seed of the run. */
  random(length: number): Uint8Array;
}
