import { type ExchangeLimits, ExchangeSource, type Wanted } from "../exchange-source.ts";
import type { SsuRequest } from "../host-request.ts";

/** Where a vehicle gets its firmware over secure streams. */
export interface SsuSourceConfig extends ExchangeLimits {
  /** "ssu://host:port" */
  readonly server: string;
  readonly ca: string;
  readonly serverName?: string;
  /** Name of the file, and of the one with its signature. */
  readonly name: string;
  readonly signatureName: string;
  /** "secure" if not given; never the other one than this. */
  readonly security?: SsuRequest["security"];
}

/** The device side of the ssu update system: files of a server of docs/protocols/ssu.md, 8. The stream is in hil. */
export class SsuSource extends ExchangeSource {
  /** @throws {UsageError} for limits that can't be */
  constructor(config: SsuSourceConfig) {
    const { server, ca, serverName, name, signatureName, security = "secure" } = config;
    const request = ({ method, resume, bodyMax }: Wanted): SsuRequest => ({
      kind: "ssu",
      method,
      url: server,
      name,
      signatureName,
      security,
      ca,
      bodyMax,
      ...(serverName !== undefined && { serverName }),
      ...(resume !== undefined && { resume }),
    });
    const clause = "docs/protocols/ssu.md, 8";
    super({ system: "ssu", kind: "ssu", clause, request, versionOf: () => "", release: name }, config);
  }
}
