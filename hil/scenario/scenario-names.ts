import { TRACE_EVENTS } from "../../emulator/kernel/trace-events.ts";
import { FileInvalidError, type YamlFile } from "../bench/read-yaml.ts";
import type { Vehicle } from "../bench/vehicle-file.ts";
import type { Fault } from "./fault-schema.ts";
import type { Scenario, ScenarioStep } from "./scenario-file.ts";

type Field = readonly (string | number)[];

/** One name in a scenario, and what it must be a name of. */
interface Mention {
  readonly field: Field;
  readonly name: string;
  readonly known: readonly string[];
  readonly kind: string;
}

/** @throws {FileInvalidError} for a name that neither the scenario nor its vehicle knows, before anything runs */
export function checkNames({ data, at }: YamlFile<Scenario>, vehicle: Vehicle): void {
  for (const { field, name, known, kind } of mentions(data, vehicle)) {
    if (known.includes(name)) continue;
    throw new FileInvalidError(`${at(field)}: there is no ${kind} ${name}, only ${known.join(", ")}`);
  }
}

function* mentions({ releases, steps }: Scenario, vehicle: Vehicle): Generator<Mention> {
  const ecus = vehicle.zones.flatMap((zone) => zone.ecus.map(({ id }) => id));
  for (const [name, release] of Object.entries(releases))
    yield* keysOf(release.ecus, ["releases", name, "ecus"], ecus, "ECU");
  for (const [index, step] of steps.entries()) {
    const at = ["steps", index];
    yield { field: [...at, "update"], name: step.update, known: Object.keys(releases), kind: "release" };
    yield* expected(step, [...at, "expect"], ecus);
    const inRelease = Object.keys(releases[step.update]?.ecus ?? {});
    for (const [nth, fault] of step.faults.entries())
      yield* faultMentions(fault, [...at, "faults", nth], inRelease, vehicle);
  }
}

function* expected({ expect }: ScenarioStep, at: Field, ecus: readonly string[]): Generator<Mention> {
  if (typeof expect.ecus === "object") yield* keysOf(expect.ecus, [...at, "ecus"], ecus, "ECU");
  yield* keysOf(expect.events ?? {}, [...at, "events"], Object.keys(TRACE_EVENTS), "event");
}

function* faultMentions(
  fault: Fault,
  at: Field,
  inRelease: readonly string[],
  { vehicleGateway, zones }: Vehicle,
): Generator<Mention> {
  const ecus = zones.flatMap((zone) => zone.ecus.map(({ id }) => id));
  const names = fault as unknown as Readonly<Record<string, string>>;
  const mention = (field: string, known: readonly string[], kind: string): Mention[] =>
    names[field] === undefined ? [] : [{ field: [...at, field], name: names[field], known, kind }];
  const nodes = [...zones.map(({ gateway }) => gateway.name), ...ecus];
  yield* mention("node", nodes, "node on a bus");
  yield* mention("seenBy", nodes, "node on a bus");
  yield* mention(
    "bus",
    zones.map(({ bus }) => bus.name),
    "bus",
  );
  yield* mention("target", fault.fault === "powerCut" ? [vehicleGateway.name, ...ecus] : ecus, "target");
  const packed = fault.fault !== "behaviour";
  yield* mention("ecu", packed ? inRelease : ecus, packed ? "ECU in the release" : "ECU");
  yield* mention("imageOf", inRelease, "ECU in the release");
}

function* keysOf(
  record: Readonly<Record<string, unknown>>,
  at: Field,
  known: readonly string[],
  kind: string,
): Generator<Mention> {
  for (const name of Object.keys(record)) yield { field: [...at, name], name, known, kind };
}
