import { z } from "zod";
import { CanFlag, type CanFrame, canFrameFault } from "../../emulator/wire/can-frame.ts";
import { fromHex } from "../../emulator/wire/text.ts";
import { occurrence, trigger } from "./trigger-schema.ts";

const forMs = z.number().min(0).max(3_600_000).default(500);
/** An ECU or a zonal gateway. */
const node = z.string();

const frame = z
  .strictObject({
    id: z.int().min(0).max(0x1fff_ffff),
    extended: z.boolean().default(false),
    /** A CAN FD frame, with its bit rate switch. */
    fd: z.boolean().default(false),
    /** Hexadecimal digits. */
    data: z
      .string()
      .regex(/^([0-9a-f]{2})*$/i, "is not hexadecimal digits in pairs")
      .default(""),
  })
  .transform(({ id, extended, fd, data }): CanFrame => {
    const flags = (extended ? CanFlag.Extended : 0) | (fd ? CanFlag.Fd | CanFlag.BitRateSwitch : 0);
    return { id, flags, data: fromHex(data) ?? new Uint8Array() };
  })
  .refine((given) => canFrameFault(given) === undefined, { error: ({ input }) => canFrameFault(input as CanFrame) });

/** Something is wrong with a bus, or with one node on it, from a moment on and for a while. (ISO 11898-1:2015) */
export const busFaults = [
  /** The node sends that frame without pause, and nothing else. */
  z.strictObject({ fault: z.literal("babble"), node, frame, when: trigger, forMs }),
  /** The node is cut off from its bus. */
  z.strictObject({ fault: z.literal("openWire"), node, when: trigger, forMs }),
  /** The wires touch each other, or the supply. */
  z.strictObject({
    fault: z.literal("shortCircuit"),
    bus: z.string(),
    level: z.enum(["dominant", "recessive"]),
    when: trigger,
    forMs,
  }),
  /** The node follows another nominal bit rate than its bus, bit/s. */
  z.strictObject({
    fault: z.literal("wrongBitRate"),
    node,
    bitRate: z.int().min(10_000).max(2_000_000),
    when: trigger,
    forMs,
  }),
  /** One bit of some frames is seen turned over. */
  z.strictObject({
    fault: z.literal("corruptBit"),
    bus: z.string(),
    /** 0 is SOF; stuff bits count. */
    bit: z.int().min(0).max(799),
    /** The one node that sees it so. */
    seenBy: node.optional(),
    id: z.int().min(0).max(0x1fff_ffff).optional(),
    extended: z.boolean().optional(),
    occurrence: occurrence.default(1),
    count: z.union([occurrence, z.literal("all")]).default(1),
    when: trigger,
    /** For `count: all`. */
    forMs,
  }),
] as const;
