import { type ExchangeLimits, ExchangeSource, type ExchangeTask } from "../exchange-source.ts";
import type { RsuRequest } from "../host-request.ts";
import type { Inventory } from "../update-source.ts";
import { compareDotted, isDotted } from "./dotted-version.ts";

/** Where a vehicle gets its firmware over RSU, and how patient it is. */
export interface RsuSourceConfig extends ExchangeLimits {
  /** "rsu://host:port" */
  readonly server: string;
  readonly ca: string;
  readonly serverName?: string;
  readonly identity?: RsuRequest["identity"];
  /** Which firmware is asked for; the server's first one if not given. An ECU by that name tells the version. */
  readonly target?: string;
  /** How long the server may wait for something newer, seconds; it answers at once if not given. */
  readonly wait?: number;
}

/** Older than anything: that of a device that does not know. */
const NO_VERSION = "0.0.0";

/** The device side of the RSU update system; its exchanges are an {@link RsuClient}'s, in hil. (docs/protocols/rsu.md) */
export class RsuSource extends ExchangeSource {
  /** @throws {UsageError} for limits that can't be */
  constructor(config: RsuSourceConfig) {
    super(
      {
        system: "rsu",
        kind: "rsu",
        clause: "docs/protocols/rsu.md",
        request: (task, bodyMax) => requestOf(config, task, bodyMax),
      },
      config,
    );
  }
}

function requestOf(config: RsuSourceConfig, task: ExchangeTask, bodyMax: number): RsuRequest | undefined {
  if (task.name === "report") return undefined; // this system has none
  const { server, target, ca, serverName, identity, wait } = config;
  return {
    kind: "rsu",
    method: task.name,
    url: server,
    ...(target !== undefined && { target }),
    version: versionOf(task.inventory, target),
    ca,
    bodyMax,
    ...(serverName !== undefined && { serverName }),
    ...(identity !== undefined && { identity }),
    ...(task.name === "look" && wait !== undefined && { wait }),
    ...(task.name === "fetch" && task.resume !== undefined && { resume: task.resume }),
  };
}

/** The version of the ECU that the target names; otherwise the lowest of all, so that nothing is missed. */
function versionOf({ ecus }: Inventory, target: string | undefined): string {
  const named = ecus.find(({ id }) => id === target);
  if (named !== undefined) return isDotted(named.version) ? named.version : NO_VERSION;
  const versions = ecus.map(({ version }) => (isDotted(version) ? version : NO_VERSION));
  return versions.reduce(
    (lowest, version) => (compareDotted(version, lowest) < 0 ? version : lowest),
    versions[0] ?? NO_VERSION,
  );
}
