/** How an ECU turns a seed into the key it wants to see. (docs/protocols/ecu.md, security access) */
export type SeedKeyFormula = "tc375Bootloader" | "xorAbcd1234" | "xorA5a5a5a5" | "identity";

/** @param seed uint32 @returns uint32 */
export function seedKey(formula: SeedKeyFormula, seed: number): number {
  switch (formula) {
    case "tc375Bootloader": {
      const mixed = seed ^ 0xabcd1234;
      return (((mixed << 16) | (mixed >>> 16)) ^ 0x5a5a5a5a) >>> 0;
    }
    case "xorAbcd1234":
      return (seed ^ 0xabcd1234) >>> 0;
    case "xorA5a5a5a5":
      return (seed ^ 0xa5a5a5a5) >>> 0;
    case "identity":
      return seed >>> 0;
  }
}
