/** One function that takes bytes from outside. It must end, and throw nothing but what it says it throws. */
export interface Decoder {
  /** Right inputs, to be changed. */
  readonly samples: readonly Uint8Array[];
  /** Of bytes at random; 64 unless told. */
  readonly lengthMax?: number;
  /** @throws {Error} when the result can't be right */
  readonly decode: (bytes: Uint8Array) => void;
}
