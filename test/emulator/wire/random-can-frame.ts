import type { Prng } from "../../../emulator/kernel/prng.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";

const LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64] as const;

const PATTERNS: readonly ((data: Uint8Array, prng: Prng) => void)[] = [
  (data) => data.fill(0),
  (data) => data.fill(0xff),
  (data, prng) => data.set(data.map(() => (prng.below(2) === 1 ? 0xf8 : 0x07))),
  () => undefined,
  () => undefined,
  () => undefined,
];

/** Half of the frames are full of long runs, which random bytes seldom have. */
export function randomCanFrame(prng: Prng): CanFrame {
  const fd = prng.below(2) === 1;
  const extended = prng.below(2);
  const flags = fd ? CanFlag.Fd | (prng.below(4) << 2) : prng.below(8) === 0 ? CanFlag.Remote : 0;
  const data = prng.bytes(fd ? (LENGTHS[prng.below(16)] as number) : prng.below(9));
  PATTERNS[prng.below(6)]?.(data, prng);
  const id = prng.below(4) === 0 ? prng.below(4) * 31 : prng.below(extended === 1 ? 2 ** 29 : 2 ** 11);
  return { id, flags: flags | extended, data };
}
