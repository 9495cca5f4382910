/** What the bytes of a record mean, in their order. (ISO 14229-1:2020, C.2 to C.5) */
export type Scaling =
  | {
      readonly type:
        | "unsigned"
        | "signed"
        | "bitMapped"
        | "binaryCodedDecimal"
        | "stateEncoded"
        | "ascii"
        | "float"
        | "packet";
      /** Bytes of the record; those over 15 go on in a further scalingByte. */
      readonly length: number;
    }
  /** @param mask which bits mean something; as long as the bytes it is for */
  | { readonly type: "bitMappedWithMask"; readonly mask: Uint8Array }
  /** @param formula formulaIdentifier (Table C.4) with its constants C0, C1, …, each mantissa times 10^exponent */
  | {
      readonly type: "formula";
      readonly formula: number;
      readonly constants: readonly { readonly mantissa: number; readonly exponent: number }[];
    }
  /** @param code of unit or format (Table C.5) */
  | { readonly type: "unit"; readonly code: number }
  | { readonly type: "stateAndConnection"; readonly code: number };

/** High nibble of a scalingByte. (ISO 14229-1:2020, Table C.2) */
const TYPE = {
  unsigned: 0x0,
  signed: 0x1,
  bitMapped: 0x2,
  bitMappedWithMask: 0x3,
  binaryCodedDecimal: 0x4,
  stateEncoded: 0x5,
  ascii: 0x6,
  float: 0x7,
  packet: 0x8,
  formula: 0x9,
  unit: 0xa,
  stateAndConnection: 0xb,
} as const satisfies Record<Scaling["type"], number>;
const LENGTH_MAX = 0x0f;

/** scalingBytes with their extensions, as 0x24 answers them. */
export const encodeScaling = (items: readonly Scaling[]): Uint8Array => Uint8Array.from(items.flatMap(encodeItem));

function encodeItem(item: Scaling): readonly number[] {
  const scalingByte = (length: number): number => TYPE[item.type] * 0x10 + length;
  switch (item.type) {
    case "bitMappedWithMask":
      return [scalingByte(item.mask.length), ...item.mask];
    case "formula":
      return [scalingByte(1 + 2 * item.constants.length), item.formula, ...item.constants.flatMap(encodeConstant)];
    case "unit":
    case "stateAndConnection":
      return [scalingByte(1), item.code];
    case "unsigned":
    case "signed":
    case "bitMapped":
    case "binaryCodedDecimal":
    case "stateEncoded":
    case "ascii":
    case "float":
    case "packet": {
      const whole = Math.floor(item.length / LENGTH_MAX);
      const rest = item.length % LENGTH_MAX;
      const bytes = Array.from({ length: whole }, () => scalingByte(LENGTH_MAX));
      return rest === 0 ? bytes : [...bytes, scalingByte(rest)];
    }
  }
}

/** Four bits of exponent, twelve of mantissa, both two's complement. (ISO 14229-1:2020, C.4) */
function encodeConstant({ mantissa, exponent }: { readonly mantissa: number; readonly exponent: number }) {
  const word = ((exponent & 0xf) << 12) | (mantissa & 0xfff);
  return [word >>> 8, word & 0xff];
}
