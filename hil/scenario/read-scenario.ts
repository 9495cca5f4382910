import { readYaml } from "../bench/read-yaml.ts";
import { readVehicle, type Vehicle, vehiclePath } from "../bench/vehicle-file.ts";
import { type Scenario, scenarioSchema } from "./scenario-file.ts";
import { checkNames } from "./scenario-names.ts";

/** A scenario and the vehicle that it is run on; no name in it is unknown. */
interface ScenarioFile {
  readonly scenario: Scenario;
  readonly vehicle: Vehicle;
}

/** @throws {FileInvalidError} @throws {FileError} FILE_UNREADABLE */
export async function readScenario(path: string): Promise<ScenarioFile> {
  const file = await readYaml(path, scenarioSchema);
  const vehicle = await readVehicle(vehiclePath(path, file.data.vehicle));
  checkNames(file, vehicle);
  return { scenario: file.data, vehicle };
}
