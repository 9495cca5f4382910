import { z } from "zod";
import { behaviourSchema } from "../bench/behaviour-schema.ts";
import { imageSignature } from "../bench/vehicle-file.ts";
import { busFaults } from "./bus-fault-schema.ts";
import { occurrence, trigger } from "./trigger-schema.ts";

/** Something is wrong with what the server publishes. */
const releaseFaults = [
  /** The package is signed with a key that the vehicle does not trust. */
  z.strictObject({ fault: z.literal("wrongSignature") }),
  /** One byte is changed after signing. */
  z.strictObject({ fault: z.literal("flippedByte"), at: z.int().min(0) }),
  /** The file ends too early; its signature is that of the whole. */
  z.strictObject({ fault: z.literal("truncated"), to: z.int().min(0) }),
  /** The image of one ECU stands in the place of another's; everything is signed as it should be. */
  z.strictObject({ fault: z.literal("wrongTarget"), ecu: z.string(), imageOf: z.string() }),
  /** The package is in order, the image in it is signed with a key that the ECU does not trust. */
  z.strictObject({ fault: z.literal("wrongImageSignature"), ecu: z.string() }),
  /** The image is signed with a key of the bench, but in another way than the ECU is configured for. */
  z.strictObject({ fault: z.literal("otherImageSignature"), ecu: z.string(), signature: imageSignature }),
] as const;

/** Something is wrong with the server. */
const serverFaults = [
  /** The connection dies after that many bytes of a body, that many times. */
  z.strictObject({ fault: z.literal("serverDies"), afterBytes: z.int().min(0), times: z.int().min(1).default(1) }),
  /** Of the datagrams between server and vehicle each so-many-th is lost; ssu only. */
  z.strictObject({ fault: z.literal("datagramsLost"), oneIn: z.int().min(3).max(1_000_000) }),
  /** The server shows a certificate of another CA. */
  z.strictObject({ fault: z.literal("wrongCa") }),
] as const;

/** Something happens to the vehicle. */
const vehicleFaults = [
  z.strictObject({
    fault: z.literal("powerCut"),
    /** An ECU, or the vehicle gateway. */
    target: z.string(),
    when: trigger,
    /** How long power stays away. */
    forMs: z.number().min(0).max(3_600_000).default(500),
  }),
  z.strictObject({
    fault: z.literal("supply"),
    /** An ECU. */
    target: z.string(),
    when: trigger,
    /** The voltage that it falls, or rises, to. */
    mV: z.int().min(0).max(60_000),
    /** How long it stays there, once it is there. */
    forMs: z.number().min(0).max(3_600_000).default(500),
    /** How long it takes to get there, and back, in ten steps. */
    rampMs: z.number().min(0).max(60_000).default(0),
  }),
  z.strictObject({
    fault: z.literal("dropFrame"),
    /** The node whose connection to its bus loses the frame. */
    node: z.string(),
    direction: z.enum(["transmit", "receive"]),
    nPdu: z.enum(["SF", "FF", "CF", "FC"]).optional(),
    occurrence: occurrence.default(1),
    count: occurrence.default(1),
  }),
  z.strictObject({
    fault: z.literal("behaviour"),
    ecu: z.string(),
    behaviour: behaviourSchema,
  }),
] as const;

export const fault = z.discriminatedUnion("fault", [...releaseFaults, ...serverFaults, ...vehicleFaults, ...busFaults]);

export type Fault = z.infer<typeof fault>;
export type FaultOf<Name extends Fault["fault"]> = Extract<Fault, { fault: Name }>;
