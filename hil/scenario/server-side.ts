import { UsageError } from "../../emulator/kernel/errors.ts";
import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import type { UpdateSource } from "../../gateway/source/update-source.ts";
import { RecordedDriver } from "../bench/recorded-driver.ts";
import type { SourceSettings, SystemName } from "../bench/source-schema.ts";
import { makeTls, type TlsMaterial } from "../crypto/keys.ts";
import type { HostDriver } from "../link/host-driver.ts";
import type { ServerFault } from "../server/server-faults.ts";
import { makeDriver } from "../system/drivers.ts";
import { updateSystem } from "../system/systems.ts";
import type { Publication, UpdateSystem } from "../system/update-system.ts";
import type { Fault } from "./fault-schema.ts";

/** Another end for a vehicle's update source: a server on loopback, somebody else's, or a run that was recorded. */
export interface ServerSide {
  readonly source: UpdateSource;
  readonly driver: HostDriver;
  /** The server, as the vehicle addresses it; where it really listens is nothing that a run may depend on. */
  readonly peer: string;
  /** Where the server really is, by the origin that the vehicle knows it by. */
  readonly routes: ReadonlyMap<string, string>;
  /** How often something was sent again, by either end that is ours; undefined where the transport does not tell. */
  retransmissions(): number | undefined;
  /** Puts a release onto a server for one step. @returns what takes it away again */
  serve(publication: Publication, faults: readonly Fault[]): Promise<() => Promise<void>>;
}

/** A real server for each step, on a port of its own. */
export function ownServerSide(settings: SourceSettings, tls: TlsMaterial): ServerSide {
  const system = updateSystem(settings);
  const routes = new Map<string, string>();
  const [scheme] = system.server.split("//");
  const driver = system.makeDriver?.() ?? makeDriver();
  let byServers: number | undefined;
  return {
    ...deviceOf(system, tls),
    driver,
    routes,
    retransmissions() {
      const byDevice = driver.retransmissions();
      return byDevice === undefined && byServers === undefined ? undefined : (byDevice ?? 0) + (byServers ?? 0);
    },
    async serve(publication, faults) {
      const { certificate, privateKey } = faults.some(({ fault }) => fault === "wrongCa") ? makeTls() : tls;
      const onServer = faults.flatMap((fault) => serverFault(fault, settings.system));
      const server = await system.startServer({ certificate, privateKey, faults: onServer });
      server.publish(publication);
      routes.set(system.server, `${scheme}//localhost:${server.port}`);
      return () => {
        const again = server.retransmissions?.();
        if (again !== undefined) byServers = (byServers ?? 0) + again;
        return server.close();
      };
    },
  };
}

/** What a recorded run was told, told again; there is no server. */
export function recordedServerSide(
  settings: SourceSettings,
  tls: TlsMaterial,
  events: Iterable<TraceEvent>,
): ServerSide {
  return {
    ...deviceOf(updateSystem(settings), tls),
    driver: new RecordedDriver(events),
    routes: new Map(),
    retransmissions: () => undefined,
    serve: async () => async () => {},
  };
}

/** A server that is somebody else's: it runs already and has its files. */
export interface ForeignServer {
  /** "scheme://host:port", the scheme being that of its system: "https", "rsu". */
  readonly url: string;
  /** Certificates that the server's must lead to, PEM. */
  readonly ca: string;
  /** "1.2" also takes ECDHE-RSA-AES256-GCM-SHA384 under TLS 1.2, for an https server that has nothing newer. */
  readonly tlsMin: "1.2" | "1.3";
}

/** @throws {UsageError} for anything that is no origin of a URL of that system */
export function foreignServerSide(settings: SourceSettings, { url, ca, tlsMin }: ForeignServer): ServerSide {
  // The vehicle knows it by this name, so that its certificate is checked for it, and asks for the same things.
  const there = { ...settings, server: url };
  const system = updateSystem(there.system === "https" ? { ...there, tlsMin } : there);
  const driver = system.makeDriver?.() ?? makeDriver();
  return {
    ...deviceOf(system, { ca }),
    driver,
    routes: new Map(),
    retransmissions: () => driver.retransmissions(),
    async serve(_, faults) {
      const ours = faults.find(({ fault }) => VICTIMS[fault] === "server");
      if (ours !== undefined) throw new UsageError(`the fault "${ours.fault}" can't be put upon the server at ${url}`);
      return async () => {};
    },
  };
}

/** Whom a fault strikes: the vehicle, or the server and what it publishes. */
const VICTIMS: Readonly<Record<Fault["fault"], "server" | "vehicle">> = {
  wrongSignature: "server",
  flippedByte: "server",
  truncated: "server",
  wrongTarget: "server",
  wrongImageSignature: "server",
  otherImageSignature: "server",
  serverDies: "server",
  datagramsLost: "server",
  wrongCa: "server",
  powerCut: "vehicle",
  supply: "vehicle",
  dropFrame: "vehicle",
  behaviour: "vehicle",
  babble: "vehicle",
  openWire: "vehicle",
  shortCircuit: "vehicle",
  wrongBitRate: "vehicle",
  corruptBit: "vehicle",
};

const deviceOf = (system: UpdateSystem, { ca }: Pick<TlsMaterial, "ca">): Pick<ServerSide, "source" | "peer"> => ({
  source: system.makeSource({ ca }),
  peer: system.peer,
});

/** @throws {UsageError} for a fault that the system's transport can't have */
function serverFault(fault: Fault, system: SystemName): ServerFault[] {
  if (fault.fault === "datagramsLost") {
    if (system !== "ssu")
      throw new UsageError(`the fault "datagramsLost" is none of ${system}, which leaves its transport to others`);
    return [{ name: "loseDatagrams", oneIn: fault.oneIn }];
  }
  if (fault.fault !== "serverDies") return [];
  return [{ name: "dieAfterBytes", bytes: fault.afterBytes, requests: fault.times }];
}
