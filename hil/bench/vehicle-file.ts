import { dirname, resolve } from "node:path";
import { z } from "zod";
import { frameAddress, type NAi } from "../../emulator/isotp/addressing.ts";
import type { ImageSignatureName } from "../../emulator/wire/image-header.ts";
import { fromHex } from "../../emulator/wire/text.ts";
import { packVersion } from "../../emulator/wire/version.ts";
import { behaviourSchema } from "./behaviour-schema.ts";
import { busControllerSchema, canSchema, controllerSchema } from "./can-schema.ts";
import { FileInvalidError, readYaml } from "./read-yaml.ts";
import { sourceSchema } from "./source-schema.ts";

const version = z.string().refine((text) => packVersion(text) !== undefined, "is no version x.y.z");
const uint16 = z.int().min(0).max(0xffff);
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,15}$/, "is no name of up to 16 letters, digits and _");
const milliseconds = z.number().min(0).max(3_600_000);

const messageId = { id: z.int().min(0).max(0x1fffffff), extended: z.boolean().default(false) };
const fitsId = ({ id, extended }: { readonly id: number; readonly extended: boolean }): boolean =>
  extended || id <= 0x7ff;
const ID_TOO_LONG = "has an identifier over 11 bits and is not extended";
export const imageSignature: z.ZodType<ImageSignatureName> = z.enum(["ecdsaP256", "ed25519", "mlDsa65"]);

const hexKey = (lengthMin: number, lengthMax: number) =>
  z.string().transform((text, context): Uint8Array => {
    const key = fromHex(text);
    if (key !== undefined && key.length >= lengthMin && key.length <= lengthMax) return key;
    context.addIssue(
      `is no key of ${lengthMin === lengthMax ? "" : `${lengthMin} to `}${lengthMax} bytes, hexadecimal`,
    );
    return z.NEVER;
  });

const ecu = z
  .strictObject({
    id: name,
    /** DoIP logical address. */
    address: uint16,
    can: canSchema,
    hardwareVersion: version,
    serialNumber: z.string().max(16),
    partNumber: z.string().max(16).default("95910-S9000"),
    supplier: z.string().max(16).default("HYUNDAI MOBIS"),
    manufacturingDate: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/, "is no date YYYY-MM-DD")
      .default("2024-11-21"),
    /** What it runs when it leaves the factory. */
    software: z.strictObject({ version, firmware: z.string() }),
    /** What it has for a bootloader; then that can be updated too. */
    bootloader: z.strictObject({ version, firmware: z.string() }).optional(),
    /** How its images must be signed. */
    signature: imageSignature.default("ecdsaP256"),
    seedKey: z.enum(["tc375Bootloader", "xorAbcd1234", "xorA5a5a5a5", "identity"]).default("tc375Bootloader"),
    /** Whose manners its UDS server has. */
    dialect: z.enum(["iso14229", "familyBootloader"]).default("iso14229"),
    /** What it has of 0x84. */
    secured: z
      .strictObject({
        services: z.array(z.int().min(0).max(0xff)).default([]),
        hmacSha256Key: hexKey(16, 64).optional(),
        aes128GcmKey: hexKey(16, 16).optional(),
      })
      .optional(),
    /** 0 first; ECUs of one bus are programmed in that order. */
    priority: z.int().min(0).max(255).default(0),
    /** Erase cycles that a sector of its code flash bears. */
    eraseCyclesMax: z.int().min(1).max(1_000_000).optional(),
    healthyRunMs: milliseconds.default(2_000),
    /** How long what runs may hang, and who is watched so. */
    watchdog: z
      .strictObject({
        periodMs: z.number().min(1).max(600_000).default(500),
        guards: z
          .array(z.enum(["application", "bootloader"]))
          .max(2)
          .default(["application", "bootloader"]),
      })
      .optional(),
    /** Messages of its application, beside diagnostics. */
    messages: z
      .strictObject({
        cyclic: z
          .array(
            z
              .strictObject({
                ...messageId,
                periodMs: z.number().min(1).max(60_000),
                /** Behind the counter. */
                data: z.array(z.int().min(0).max(255)).max(7).default([]),
              })
              .refine(fitsId, ID_TOO_LONG),
          )
          .max(16)
          .default([]),
        supervised: z
          .array(
            z
              .strictObject({
                ...messageId,
                timeoutMs: z.number().min(1).max(60_000),
              })
              .refine(fitsId, ID_TOO_LONG),
          )
          .max(16)
          .default([]),
      })
      .optional(),
    behaviours: z.array(behaviourSchema).default([]),
  })
  .refine(
    ({ dialect, secured }) => secured === undefined || dialect === "iso14229",
    "has a secured, which the family's bootloader has not",
  );

const zone = z.strictObject({
  id: name,
  number: z.int().min(1).max(16),
  gateway: z.strictObject({
    name,
    address: uint16,
    ip: z.ipv4(),
    /** Whose manners it has. */
    mode: z.enum(["strict", "family-113", "family-100"]).default("strict"),
    controller: controllerSchema.default({}),
  }),
  bus: z.strictObject({
    name,
    bitRate: z.int().min(10_000).max(1_000_000),
    /** Given: a CAN FD bus. */
    dataBitRate: z.int().min(10_000).max(8_000_000).optional(),
    /** Of every node of the bus that is not told otherwise. */
    controller: busControllerSchema.prefault({}),
  }),
  ecus: z.array(ecu).min(1).max(12),
});

const vehicle = z.strictObject({
  name: z.string(),
  vin: z.string().length(17),
  model: z.string().max(32),
  modelYear: z.int().min(1980).max(2100),
  vehicleGateway: z.strictObject({ name, address: uint16, ip: z.ipv4() }),
  /** Where it gets its software from. */
  source: sourceSchema.prefault({ system: "https" }),
  zones: z.array(zone).min(1).max(16),
});

/** A vehicle file: buses, ECUs and gateways, and nothing of how they are wired. (docs/vehicles.md) */
export type Vehicle = z.infer<typeof vehicle>;
export type VehicleZone = z.infer<typeof zone>;
export type VehicleEcu = z.infer<typeof ecu>;

/** Where the vehicle file of a scenario is: its path begins at the scenario's folder. */
export const vehiclePath = (scenarioPath: string, vehicle: string): string => resolve(dirname(scenarioPath), vehicle);

/** @throws {FileInvalidError} @throws {FileError} FILE_UNREADABLE */
export async function readVehicle(path: string): Promise<Vehicle> {
  const { data: read } = await readYaml(path, vehicle);
  const zones = read.zones;
  const ecus = zones.flatMap((each) => each.ecus);
  const once = (what: string, values: readonly (string | number)[]): void => {
    const twice = values.find((value, index) => values.indexOf(value) !== index);
    if (twice !== undefined) throw new FileInvalidError(`${path}: ${what} ${twice} is there twice`);
  };
  const nodes = [read.vehicleGateway, ...zones.map(({ gateway }) => gateway)];
  once("the name", [...nodes.map((node) => node.name), ...ecus.map(({ id }) => id)]);
  once(
    "the address",
    [...nodes, ...ecus].map(({ address }) => address),
  );
  once(
    "the bus",
    zones.map(({ bus }) => bus.name),
  );
  once(
    "the zone number",
    zones.map(({ number }) => number),
  );
  for (const { bus, ecus: inZone } of zones) {
    once(
      `${bus.name}: the identifier`,
      inZone.flatMap(({ can }) => [addressText(can.request), addressText(can.response)]),
    );
    const long = inZone.find(({ can }) => bus.dataBitRate === undefined && (can.txDl ?? 8) > 8);
    if (long !== undefined)
      throw new FileInvalidError(`${path}: ${long.id}: txDl over 8 on the classic bus ${bus.name}`);
  }
  return read;
}

/** Two addresses of one bus must differ in it: "0x7e0", "0x6f1 15". */
function addressText(nAi: NAi): string {
  const { id, extended, addressByte } = frameAddress(nAi);
  const width = extended ? " (29 bits)" : "";
  return `0x${id.toString(16)}${width}${addressByte === undefined ? "" : ` ${addressByte.toString(16)}`}`;
}
