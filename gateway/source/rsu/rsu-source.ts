import { type ExchangeLimits, ExchangeSource, type Wanted } from "../exchange-source.ts";
import type { RsuRequest } from "../host-request.ts";
import type { Inventory } from "../update-source.ts";
import { compareDotted, isDotted } from "./dotted-version.ts";

/** Where a vehicle gets its firmware over RSU. */
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

/** The device side of the RSU update system. The exchange itself is an {@link RsuClient}'s. (docs/protocols/rsu.md) */
export class RsuSource extends ExchangeSource {
  /** @throws {UsageError} for limits that can't be */
  constructor(config: RsuSourceConfig) {
    const { server, target, ca, serverName, identity, wait } = config;
    const request = ({ method, version, resume, bodyMax }: Wanted): RsuRequest => ({
      kind: "rsu",
      method,
      url: server,
      ...(target !== undefined && { target }),
      version,
      ca,
      bodyMax,
      ...(serverName !== undefined && { serverName }),
      ...(identity !== undefined && { identity }),
      ...(method === "look" && wait !== undefined && { wait }),
      ...(resume !== undefined && { resume }),
    });
    const versionTold = (inventory: Inventory): string => versionOf(inventory, target);
    const clause = "docs/protocols/rsu.md";
    super({ system: "rsu", kind: "rsu", clause, request, versionOf: versionTold, release: "" }, config);
  }
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
