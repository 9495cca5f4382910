import { z } from "zod";
import type { Behaviour } from "../../emulator/ecu/behaviours.ts";
import { ms } from "../../emulator/kernel/time.ts";
import { Sid } from "../../emulator/wire/uds.ts";

const byte = z.int().min(0).max(0xff);
const count = z.int().min(1).max(1_000_000);

const match = {
  /** Service of the requests that are struck. */
  sid: byte,
  atBlock: count.optional(),
  occurrence: count.optional(),
  times: count.optional(),
};

/** Which segmented messages are struck. */
const transfer = { sid: byte.optional(), occurrence: count.optional(), times: count.optional() };
const milliseconds = z.number().min(0).max(3_600_000);
const stMinMs = z.number().min(0).max(127);

/** A misbehaviour of an ECU as files give it. (docs/protocols/ecu.md) */
export const behaviourSchema: z.ZodType<Behaviour> = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("negativeResponse"), nrc: byte, ...match }),
  z.strictObject({ name: z.literal("noResponse"), ...match }),
  z.strictObject({ name: z.literal("responsePendingForever"), ...match }),
  z
    .strictObject({ name: z.literal("answerAfterP2"), byMs: milliseconds, ...match })
    .transform(({ byMs, ...rest }) => ({ ...rest, by: ms(byMs) })),
  z.strictObject({ name: z.literal("wrongCounterEcho"), ...match, sid: byte.default(Sid.TransferData) }),
  z
    .strictObject({
      name: z.literal("resetInTheMiddle"),
      afterMs: milliseconds.default(0),
      ...match,
      sid: byte.default(Sid.TransferData),
    })
    .transform(({ afterMs, ...rest }) => ({ ...rest, after: ms(afterMs) })),
  z.strictObject({ name: z.literal("hang"), ...match }),
  z.strictObject({
    name: z.literal("seedNeverChanges"),
    seed: z.int().min(1).max(0xffffffff).default(0x5eed5eed),
  }),
  z.strictObject({ name: z.literal("crashOnTrial"), times: count.optional() }),
  z.strictObject({ name: z.literal("bootloaderCrashOnTrial"), times: count.optional() }),
  z
    .strictObject({ name: z.literal("lateFlowControl"), delayMs: milliseconds, block: count.optional(), ...transfer })
    .transform(({ delayMs, ...rest }) => ({ ...rest, delay: ms(delayMs) })),
  z.strictObject({ name: z.literal("missingFlowControl"), block: count.optional(), ...transfer }),
  z
    .strictObject({
      name: z.literal("changingFlowControl"),
      parameters: z
        .array(z.strictObject({ blockSize: byte, stMinMs }))
        .min(1)
        .max(1000),
      ...transfer,
    })
    .transform(({ parameters, ...rest }) => ({
      ...rest,
      parameters: parameters.map((each) => ({ blockSize: each.blockSize, stMin: ms(each.stMinMs) })),
    })),
  z.strictObject({ name: z.literal("wrongSequenceNumber"), frame: count, ...transfer }),
  z.strictObject({ name: z.literal("overflowAtBlock"), block: count, ...transfer }),
  z
    .strictObject({
      name: z.literal("waitForever"),
      // An interval of nothing would fill the bus.
      intervalMs: milliseconds.min(1),
      block: count.optional(),
      ...transfer,
    })
    .transform(({ intervalMs, ...rest }) => ({ ...rest, interval: ms(intervalMs) })),
]) as z.ZodType<Behaviour>;
