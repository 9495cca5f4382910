import { z } from "zod";
import type { Behaviour } from "../../emulator/ecu/behaviours.ts";

const byte = z.int().min(0).max(0xff);
const count = z.int().min(1).max(1_000_000);

const match = {
  /** Service of the requests that are struck. */
  sid: byte,
  atBlock: count.optional(),
  occurrence: count.optional(),
  times: count.optional(),
};

/** A misbehaviour of an ECU as files give it. (docs/protocols/ecu.md) */
export const behaviourSchema: z.ZodType<Behaviour> = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("negativeResponse"), nrc: byte, ...match }),
  z.strictObject({ name: z.literal("noResponse"), ...match }),
  z.strictObject({ name: z.literal("crashOnTrial"), times: count.optional() }),
]) as z.ZodType<Behaviour>;
