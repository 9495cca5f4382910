import type { SourceSettings } from "../bench/source-schema.ts";
import { httpsSystem } from "./https-system.ts";
import { rsuSystem } from "./rsu-system.ts";
import { srupSystem } from "./srup-system.ts";
import { ssuSystem } from "./ssu-system.ts";
import type { UpdateSystem } from "./update-system.ts";

/** The update system that a vehicle is set to. @throws {UsageError} for settings that can't be */
export function updateSystem(settings: SourceSettings): UpdateSystem {
  switch (settings.system) {
    case "https":
      return httpsSystem(settings);
    case "rsu":
      return rsuSystem(settings);
    case "srup":
      return srupSystem(settings);
    case "ssu":
      return ssuSystem(settings);
  }
}
