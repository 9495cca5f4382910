import { z } from "zod";
import { TRACE_EVENTS, type TraceEventType } from "../../emulator/kernel/trace-events.ts";

export const occurrence = z.int().min(1).max(1_000_000);

/** The moment of a fault: the nth event of a type, with some of its fields given. */
export const trigger = z.strictObject({
  event: z.string().refine((type) => Object.hasOwn(TRACE_EVENTS, type), "is no event of the trace"),
  /** The node that says it. */
  source: z.string().optional(),
  /** Fields and what they must be. */
  where: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  occurrence: occurrence.default(1),
  /** How long after the event. */
  afterUs: z.number().min(0).max(3.6e9).default(0),
});

export type Trigger = Omit<z.infer<typeof trigger>, "event"> & { readonly event: string };

/** The event type of a trigger; the schema has checked that it is one. */
export const eventType = (when: Trigger): TraceEventType => when.event as TraceEventType;
