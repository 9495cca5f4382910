import fc from "fast-check";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";

const LENGTHS_FD = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64];

/** Every CAN frame that there can be. */
export function anyFrame(): fc.Arbitrary<CanFrame> {
  const classic = fc.record({
    kind: fc.constantFrom(0, CanFlag.Remote),
    data: fc.uint8Array({ maxLength: 8 }),
  });
  const fd = fc.record({
    kind: fc.constantFrom(
      CanFlag.Fd,
      CanFlag.Fd | CanFlag.BitRateSwitch,
      CanFlag.Fd | CanFlag.ErrorStateIndicator,
      CanFlag.Fd | CanFlag.BitRateSwitch | CanFlag.ErrorStateIndicator,
    ),
    data: fc.constantFrom(...LENGTHS_FD).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
  });
  const id = fc.oneof(
    fc.record({ extended: fc.constant(0), id: fc.integer({ min: 0, max: 0x7ff }) }),
    fc.record({ extended: fc.constant(CanFlag.Extended), id: fc.integer({ min: 0, max: 0x1fff_ffff }) }),
  );
  return fc.tuple(id, fc.oneof(classic, fd)).map(([{ id: number, extended }, { kind, data }]) => ({
    id: number,
    flags: extended | kind,
    // a remote frame has a length and no data
    data: (kind & CanFlag.Remote) !== 0 ? new Uint8Array(data.length) : Uint8Array.from(data),
  }));
}
