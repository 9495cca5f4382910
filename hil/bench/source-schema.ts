import { z } from "zod";
import { SRUP_SIGNATURES } from "../../gateway/source/srup/key-text.ts";
import { isFileName } from "../../gateway/source/ssu/file-name.ts";

const path = z.string().regex(/^\/[\x21\x22\x24-\x7e]*$/, "is no path on a server");

const https = z.strictObject({
  system: z.literal("https"),
  /** As the vehicle knows it; its certificate must be for that name. */
  server: z.string().default("https://localhost:4443"),
  path: path.default("/firmware_v2.bin"),
  /** That of the file with ".sig" behind it, if not given. */
  signaturePath: path.optional(),
  /** "1.2" also takes ECDHE-RSA-AES256-GCM-SHA384 under TLS 1.2. */
  tlsMin: z.enum(["1.3", "1.2"]).default("1.3"),
  /** The most that one request asks for; all that is missing, if not given. */
  windowKiB: z.int().min(1).max(1_048_576).optional(),
});

const rsu = z.strictObject({
  system: z.literal("rsu"),
  /** As the vehicle knows it; its certificate must be for that name. */
  server: z.string().default("rsu://localhost:4433"),
  /** Another name that its certificate must be for. */
  serverName: z.string().optional(),
  /** Which firmware is asked for: the server's first one, if not given. An ECU of that name tells its version. */
  target: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "is no name of up to 64 letters, digits, _, . and -")
    .optional(),
  /** How long the server may wait for something newer before it answers. */
  waitS: z.int().min(0).max(3_600).optional(),
});

const srup = z.strictObject({
  system: z.literal("srup"),
  /** The key service, as the vehicle knows it. */
  server: z
    .string()
    .regex(/^https?:\/\//, "begins with neither http:// nor https://")
    .default("https://localhost:8443"),
  join: z.enum(["simple", "human", "observed"]).default("simple"),
  /** Identity of the device that confirms an observed join; on the bench one is made. */
  observer: z.string().optional(),
  /** What all parties of the bench sign with; what is kept in `state`, or RSA, if left out. */
  signatures: z.enum(SRUP_SIGNATURES).optional(),
  /** How long an update is waited for after the join. */
  waitS: z.number().min(0.1).max(3_600).default(5),
  /** How long the person, the observer and the order to install may take. */
  patienceS: z.number().min(1).max(86_400).default(600),
  /** Folder where the device's identity is kept; a new device each time without. */
  state: z.string().optional(),
  /** On the bench: whether the person says what is seen, or refuses or fails every join. */
  operator: z.enum(["honest", "refuse", "fail"]).default("honest"),
  /** On the bench: further devices of the same server that take the same update. */
  others: z.int().min(0).max(8).default(0),
  /** On the bench: the server waits until a home server asks for the update through a syndication device. */
  syndicated: z.boolean().default(false),
});

const fileName = z.string().refine(isFileName, "is no name of a file");

const ssu = z.strictObject({
  system: z.literal("ssu"),
  /** As the vehicle knows it; its certificate must be for that name. */
  server: z.string().default("ssu://localhost:7400"),
  /** Another name that its certificate must be for. */
  serverName: z.string().optional(),
  file: fileName.default("firmware_v2.bin"),
  /** That of the file with ".sig" behind it, if not given. */
  signatureFile: fileName.optional(),
  /** "plain": what comes can be read and changed on its way; signatures are all that holds. */
  security: z.enum(["secure", "plain"]).default("secure"),
});

/** Which update system a vehicle gets its software from, and how. (docs/vehicles.md) */
export const sourceSchema = z.discriminatedUnion("system", [https, rsu, srup, ssu]);

export type SourceSettings = z.infer<typeof sourceSchema>;
export type SystemName = SourceSettings["system"];
export type SettingsOf<Name extends SystemName> = Extract<SourceSettings, { system: Name }>;

export const SYSTEM_NAMES = ["https", "rsu", "srup", "ssu"] as const satisfies readonly SystemName[];

/** What holds where nothing else is said. */
export const defaultSource = (system: SystemName): SourceSettings => sourceSchema.parse({ system });
