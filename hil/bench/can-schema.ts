import { z } from "zod";
import { DEFAULT_CAN_NODE } from "../../emulator/bus/can-node.ts";
import { frameAddress, type NAi } from "../../emulator/isotp/addressing.ts";

const byte = z.int().min(0).max(0xff);
const id11 = z.int().min(0).max(0x7ff);
const id29 = z.int().min(0).max(0x1fff_ffff);
const extended = z.boolean().default(false);

/** N_AI of one direction; a number alone is the identifier of normal addressing. */
const direction = z.union([
  id29,
  z.discriminatedUnion("format", [
    z.strictObject({ format: z.literal("normal"), id: id29, extended }),
    z.strictObject({ format: z.literal("normalFixed"), target: byte, source: byte }),
    z.strictObject({ format: z.literal("extended"), id: id29, extended, target: byte }),
    z.strictObject({ format: z.literal("mixed"), id: id11, addressExtension: byte }),
    z.strictObject({ format: z.literal("mixed29"), target: byte, source: byte, addressExtension: byte }),
  ]),
]);

const transmitOrder = z.enum(["fifo", "priority"]);
const busOffRecovery = z.enum(["automatic", "onRequest"]);

/** How the CAN controllers on a bus are set up. */
export const busControllerSchema = z.strictObject({
  transmitOrder: transmitOrder.default(DEFAULT_CAN_NODE.transmitOrder),
  busOffRecovery: busOffRecovery.default(DEFAULT_CAN_NODE.busOffRecovery),
});

/** The same of one node; what is left out is as on the rest of its bus. */
export const controllerSchema = z.strictObject({
  transmitOrder: transmitOrder.optional(),
  busOffRecovery: busOffRecovery.optional(),
});

/** The lengths that TX_DL may have. (ISO 15765-2:2016, 9.5.2) */
const txDl = z.literal([8, 12, 16, 20, 24, 32, 48, 64]);

/** How one ECU is reached on its bus. (docs/vehicles.md) */
export const canSchema = z
  .strictObject({
    /** 29-bit identifiers, where identifiers are given as numbers. */
    extended,
    /** Of requests to the ECU. */
    request: direction,
    response: direction,
    functional: direction.optional(),
    blockSize: byte.default(0),
    stMinMs: z.number().min(0).max(127).default(0),
    padding: byte.nullable().default(0xcc),
    controller: controllerSchema.default({}),
    /** Of the ECU and of its gateway; 8 on a classic bus and 64 on CAN FD when left out. */
    txDl: txDl.optional(),
    /** Before each FC.CTS the ECU sends so many FC.WAIT, that far apart. */
    waitFrames: z
      .strictObject({ count: z.int().min(0).max(255), intervalMs: z.number().min(0).max(10_000) })
      .default({ count: 0, intervalMs: 0 }),
  })
  .transform(({ extended: wide, request, response, functional, ...rest }) => {
    const nAi = (given: z.infer<typeof direction>): NAi =>
      typeof given === "number" ? { format: "normal", id: given, extended: wide } : given;
    const requests = functional === undefined ? {} : { functional: nAi(functional) };
    return { ...rest, request: nAi(request), response: nAi(response), ...requests };
  })
  .refine(
    ({ request, functional }) =>
      functional === undefined || frameAddress(request).extended === frameAddress(functional, true).extended,
    "physical and functional requests have identifiers of different length",
  )
  .refine(
    ({ request, response, functional }) =>
      [request, response, ...(functional === undefined ? [] : [functional])].every(isPossible),
    "an 11-bit identifier is at most 0x7FF; extended: true makes it one of 29 bits",
  );

const isPossible = (nAi: NAi): boolean => {
  const { id, extended: wide } = frameAddress(nAi);
  return wide || id <= 0x7ff;
};
