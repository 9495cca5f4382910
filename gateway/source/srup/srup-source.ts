import { type ExchangeLimits, ExchangeSource, type Wanted } from "../exchange-source.ts";
import type { SrupRequest } from "../host-request.ts";

/** How a vehicle gets its firmware over SRUP. */
export interface SrupSourceConfig extends ExchangeLimits, Partial<Pick<SrupRequest, "waitMs" | "patienceMs">> {
  /** The key service, "http://host:port" or "https://host:port": from there comes everything else. */
  readonly server: string;
  readonly ca: string;
  /** Tells devices of one process apart; "vehicle" if not given. */
  readonly device?: string;
  readonly join?: SrupRequest["join"];
  readonly observer?: string;
  readonly signatures?: SrupRequest["signatures"];
  /** Folder where the device's identity is kept. */
  readonly state?: string;
}

const IDENTIFICATION = "otabench vehicle";
const WAIT_MS = 5_000;
const PATIENCE_MS = 600_000;

/** The device side of SRUP as a vehicle's source; its role is a {@link SrupDevice}'s, in hil. (docs/protocols/srup.md) */
export class SrupSource extends ExchangeSource {
  /** @throws {UsageError} for limits that can't be */
  constructor(config: SrupSourceConfig) {
    const { server, ca, device = "vehicle", join = "simple", observer, signatures, state } = config;
    const { waitMs = WAIT_MS, patienceMs = PATIENCE_MS } = config;
    const session = {
      kind: "srup",
      url: server,
      device,
      join,
      identification: IDENTIFICATION,
      waitMs,
      patienceMs,
      ca,
      ...(observer !== undefined && { observer }),
      ...(signatures !== undefined && { signatures }),
      ...(state !== undefined && { state }),
    } as const;
    const request = ({ method, resume, bodyMax }: Wanted): SrupRequest => ({
      ...session,
      method,
      bodyMax,
      ...(resume !== undefined && { resume }),
    });
    const report = (verdict: string): SrupRequest => ({ ...session, method: "report", bodyMax: 0, verdict });
    const clause = "docs/protocols/srup.md";
    super({ system: "srup", kind: "srup", clause, request, report, versionOf: () => "", release: "" }, config);
  }
}
