import { z } from "zod";
import { packVersion } from "../../emulator/wire/version.ts";
import { defaultSource, type SourceSettings, SYSTEM_NAMES, sourceSchema } from "../bench/source-schema.ts";
import { fault } from "./fault-schema.ts";

const version = z.string().refine((text) => packVersion(text) !== undefined, "is no version x.y.z");
const ecuId = z.string();

const release = z.strictObject({
  /** Goes into the package as its build time; a run never asks the wall clock. */
  builtAt: z.iso.datetime().default("2026-01-15T10:00:00Z"),
  /** The version of the whole release, as the package carries it. */
  version: version.default("2.0.0"),
  ecus: z.record(
    ecuId,
    z.strictObject({
      version,
      firmware: z.string(),
      /** Other ECUs and the least version that each must have or get. */
      dependencies: z.record(ecuId, version).default({}),
    }),
  ),
});

const ecuVerdict = z.enum(["updated", "unchanged", "rolledBack", "failed"]);

const expectation = z.strictObject({
  /** How the campaign ends; "interrupted" when the vehicle gateway lost power in the middle. */
  verdict: z.enum(["updated", "upToDate", "refused", "failed", "rolledBack", "mixed", "interrupted"]),
  /** The code of the error that the campaign tells. */
  error: z.string().optional(),
  /** For all ECUs, or for some by name. */
  ecus: z.union([ecuVerdict, z.record(ecuId, ecuVerdict)]).optional(),
  /** Events that must have come during the step, at least so many times. */
  events: z.record(z.string(), z.int().min(0)).optional(),
});

const step = z.strictObject({
  name: z.string(),
  /** Which of the releases is published for it. */
  update: z.string(),
  faults: z.array(fault).default([]),
  expect: expectation,
});

export const scenarioSchema = z
  .strictObject({
    name: z.string(),
    /** One sentence: what it shows. */
    about: z.string().optional(),
    vehicle: z.string(),
    seed: z.union([z.string(), z.int()]).default("1"),
    /** Short for a `source` of that system as it is by default. */
    system: z.enum(SYSTEM_NAMES).optional(),
    /** Which update system carries the packages, and how; that of the vehicle, if neither is given. */
    source: sourceSchema.optional(),
    clock: z.enum(["virtual", "real"]).default("virtual"),
    /** The run is given up after that much time on its timeline. */
    timeoutS: z.number().min(1).max(86_400).default(3_600),
    releases: z.record(z.string(), release),
    steps: z.array(step).min(1),
  })
  .refine(({ system, source }) => system === undefined || source === undefined || system === source.system, {
    path: ["source", "system"],
    message: "is another one than `system`",
  });

/** A scenario file: what is done to a vehicle and what must come of it. (docs/scenarios.md) */
export type Scenario = z.infer<typeof scenarioSchema>;
export type ScenarioStep = z.infer<typeof step>;
export type ScenarioRelease = z.infer<typeof release>;
export type Expectation = z.infer<typeof expectation>;

/** Where the vehicle of a scenario gets its packages from. */
export function sourceOf({ source, system }: Scenario, ofVehicle: SourceSettings): SourceSettings {
  if (source !== undefined) return source;
  return system === undefined || system === ofVehicle.system ? ofVehicle : defaultSource(system);
}
