import { z } from "zod";
import type { StateFolder } from "./state-folder.ts";

const FILE = "state.json";
const APPLIED_MAX = 32;
/** Digests of releases that were left behind: so many are remembered. */
const LEFT_MAX = 1024;

const at = z.string();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const versions = z.record(z.string(), z.string());

const schema = z.strictObject({
  format: z.literal(1),
  /** What the server had when it was asked last. */
  offer: z
    .strictObject({ release: z.string(), size: z.number().optional(), validator: z.string().optional(), at })
    .optional(),
  /** What lies in the folder, whole. */
  downloaded: z
    .strictObject({ release: z.string(), validator: z.string().optional(), size: z.number(), sha256, at })
    .optional(),
  verified: z.strictObject({ sha256, at }).optional(),
  /** Begun and not ended: left over when the power went in the middle. */
  applying: z.strictObject({ sha256, at }).optional(),
  /** Newest last. */
  applied: z.array(
    z.strictObject({
      release: z.string(),
      validator: z.string().optional(),
      sha256,
      versions,
      verdict: z.string(),
      at,
    }),
  ),
  left: z.array(sha256),
  /** The least version by ECU that is still taken. */
  floor: versions,
});

export type DeviceState = z.infer<typeof schema>;

const NOTHING: DeviceState = { format: 1, applied: [], left: [], floor: {} };

/** @throws {DeviceError} STATE_DAMAGED */
export const readState = (folder: StateFolder): DeviceState => folder.read(FILE, schema) ?? NOTHING;

export function writeState(folder: StateFolder, state: DeviceState): void {
  folder.write(FILE, { ...state, applied: state.applied.slice(-APPLIED_MAX), left: state.left.slice(-LEFT_MAX) });
}

/** What the target has by the last update that went well. */
export const lastUpdated = ({ applied }: DeviceState): DeviceState["applied"][number] | undefined =>
  applied.findLast(({ verdict }) => verdict === "updated");
