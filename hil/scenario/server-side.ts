import { UsageError } from "../../emulator/kernel/errors.ts";
import type { TraceEvent } from "../../emulator/kernel/trace.ts";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import type { UpdateSource } from "../../gateway/source/update-source.ts";
import { RecordedDriver } from "../bench/recorded-driver.ts";
import { makeTls, type TlsMaterial } from "../crypto/keys.ts";
import type { HostDriver } from "../link/host-driver.ts";
import { HttpDriver } from "../link/http-driver.ts";
import type { HttpsFault } from "../server/https/faults.ts";
import { startHttpsServer } from "../server/https/https-server.ts";
import type { Fault } from "./fault-schema.ts";
import type { Publication } from "./publish.ts";

/** Another end for a vehicle's update source: a server on loopback, or a run that was recorded. */
export interface ServerSide {
  readonly source: UpdateSource;
  readonly driver: HostDriver;
  /** Where the server really is, by the origin that the vehicle knows it by. */
  readonly routes: ReadonlyMap<string, string>;
  /** Puts a release onto a server for one step. @returns what takes it away again */
  serve(publication: Publication, faults: readonly Fault[]): Promise<() => Promise<void>>;
}

/** How the vehicle knows its server; where it really listens is nothing that a run may depend on. */
const ORIGIN = "https://localhost:4443";
const FILE_PATH = "/firmware_v2.bin";
/** The server, as the vehicle addresses it. */
export const HTTPS_PEER = ORIGIN + FILE_PATH;

/** A real HTTPS server for each step, on a port of its own. */
export function httpsServerSide(tls: TlsMaterial): ServerSide {
  const routes = new Map<string, string>();
  return {
    source: httpsSource(tls),
    driver: new HttpDriver(),
    routes,
    async serve(publication, faults) {
      const shown = faults.some(({ fault }) => fault === "wrongCa") ? makeTls() : tls;
      const { certificate, privateKey } = shown;
      const server = await startHttpsServer({ certificate, privateKey, faults: faults.flatMap(httpsFault) });
      server.publish(FILE_PATH, publication.file, publication.builtAt);
      server.publish(`${FILE_PATH}.sig`, publication.signature, publication.builtAt);
      routes.set(ORIGIN, `https://localhost:${server.port}`);
      return () => server.close();
    },
  };
}

/** What a recorded run was told, told again; there is no server. */
export function recordedServerSide(tls: TlsMaterial, events: Iterable<TraceEvent>): ServerSide {
  return {
    source: httpsSource(tls),
    driver: new RecordedDriver(events),
    routes: new Map(),
    serve: async () => async () => {},
  };
}

/** A server that is somebody else's: it runs already and has its files. */
export interface ForeignServer {
  /** "https://host:port" */
  readonly url: string;
  /** Certificates that the server's must lead to, PEM. */
  readonly ca: string;
  /** "1.2" also takes ECDHE-RSA-AES256-GCM-SHA384 under TLS 1.2, for a server that has nothing newer. */
  readonly tlsMin: "1.2" | "1.3";
}

/** @throws {UsageError} for anything that is no origin of an https URL */
export function foreignServerSide({ url, ca, tlsMin }: ForeignServer): ServerSide {
  if (!URL.canParse(url) || new URL(url).protocol !== "https:" || new URL(url).pathname !== "/") {
    throw new UsageError(`"${url}" is no https://HOST:PORT`);
  }
  const { origin, host } = new URL(url);
  return {
    // The vehicle knows it by this name, so that its certificate is checked for it, and asks for the same paths.
    source: new HttpsSource({ baseUrl: origin, path: FILE_PATH, ca, tlsMin }),
    driver: new HttpDriver(),
    routes: new Map(),
    async serve(_, faults) {
      const ours = faults.find(({ fault }) => !VEHICLE_FAULTS.has(fault));
      if (ours !== undefined) throw new UsageError(`the fault "${ours.fault}" can't be put upon the server at ${host}`);
      return async () => {};
    },
  };
}

const VEHICLE_FAULTS: ReadonlySet<Fault["fault"]> = new Set(["powerCut", "supply", "dropFrame", "behaviour"] as const);

const httpsSource = ({ ca }: TlsMaterial): HttpsSource => new HttpsSource({ baseUrl: ORIGIN, path: FILE_PATH, ca });

function httpsFault(fault: Fault): HttpsFault[] {
  if (fault.fault !== "serverDies") return [];
  return [{ name: "dieAfterBytes", bytes: fault.afterBytes, requests: fault.times, path: FILE_PATH }];
}
