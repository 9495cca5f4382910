import { dirname, join, resolve } from "node:path";
import type { Instant } from "../../emulator/kernel/time.ts";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import type { HostPort } from "../../gateway/vehicle/vehicle-gateway.ts";
import { type Bench, buildBench } from "../bench/build-bench.ts";
import { provisionEcus } from "../bench/provision.ts";
import { readVehicle, type Vehicle } from "../bench/vehicle-file.ts";
import { otabenchVersion } from "../cli/version.ts";
import { RealClock } from "../clock/real-clock.ts";
import { inflate } from "../crypto/inflate.ts";
import { readKeys } from "../crypto/key-files.ts";
import { imagePublicKeys, type KeySet, makeKeys } from "../crypto/keys.ts";
import { nodeCrypto } from "../crypto/node-crypto.ts";
import { candumpLines } from "../record/candump.ts";
import { framesOf } from "../record/captured-frame.ts";
import { claimFile } from "../record/claim.ts";
import { pcapngOfTrace } from "../record/pcapng-writer.ts";
import { writePieces } from "../record/pieces.ts";
import { writeTraceFile } from "../record/trace-file.ts";
import { Doors, type Refusal } from "./doors.ts";
import { type DoorOptions, Entrance, type OpenDoors } from "./open-doors.ts";

interface BringUpOptions {
  readonly doors: DoorOptions;
  readonly seed?: string | undefined;
  readonly keysDir?: string | undefined;
  /** How long, seconds; until `stop` if left out. */
  readonly seconds?: number | undefined;
  /** Folder for trace, candump and capture; nothing is kept if left out. */
  readonly outDir?: string | undefined;
  /** Aborted: the vehicle is taken down. */
  readonly stop: AbortSignal;
  /** The doors are open. */
  readonly onOpen: (doors: OpenDoors) => void;
  readonly onRefusal: (refusal: Refusal) => void;
  /** The record is as large as it may be; from now on nothing is recorded. */
  readonly onRecordFull: () => void;
}

/** What there is to say about a vehicle that was up. */
interface UpReport {
  readonly vehicle: string;
  readonly seed: string;
  readonly seconds: number;
  readonly clients: number;
  /** How much was dropped, by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly files: readonly string[];
}

/** @throws {BenchError} */
export type BringUp = (path: string, options: BringUpOptions) => Promise<UpReport>;

const DEFAULT_SEED = "1";
const NS_PER_S = 1e9;
/** TCP connections of testers at each zonal gateway at one time. */
const TESTER_SOCKETS = 8;
/** A record that is to be written may be so long; one that is not, much less. Bytes. */
const RECORD_MAX = 256 * 1024 * 1024;
const FORGET_AT = 16 * 1024 * 1024;

export const bringUp: BringUp = async (path, options) => {
  const vehicle = await readVehicle(path);
  if (options.outDir !== undefined) for (const file of Object.values(filesIn(options.outDir))) claimFile(file);
  const seed = options.seed ?? DEFAULT_SEED;
  const keys = options.keysDir === undefined ? makeKeys(seed) : readKeys(options.keysDir);
  const bench = buildVehicle(vehicle, seed, keys);
  provisionEcus(bench, keys, dirname(resolve(path)));
  const { world, ecus } = bench;
  const doors = new Doors(world, options.onRefusal);
  const entrance = new Entrance(bench, doors, options.doors);
  const record = new UpRecord(bench, path, seed, options);
  world.trace.record(world.timeline.now, "bench", "run.started", { scenario: `up ${vehicle.name}`, seed });
  for (const ecu of ecus.values()) ecu.powerOn();
  const open = await entrance.open(Date.now() * 1_000);
  const stirred = (): void => doors.stir();
  options.stop.addEventListener("abort", stirred);
  const limit = options.seconds === undefined ? Number.MAX_SAFE_INTEGER : options.seconds * NS_PER_S;
  try {
    options.onOpen(open);
    const over = (): boolean => {
      record.keepShort();
      return options.stop.aborted;
    };
    await new RealClock().run(world.timeline, doors, over, Math.round(limit) as Instant);
  } finally {
    options.stop.removeEventListener("abort", stirred);
    await entrance.close();
  }
  world.trace.record(world.timeline.now, "bench", "run.ended", { verdict: "stopped" });
  return {
    vehicle: path,
    seed,
    seconds: world.timeline.now / NS_PER_S,
    clients: doors.clients,
    refused: Object.fromEntries(doors.counts),
    files: record.finish(),
  };
};

const filesIn = (folder: string) => ({
  trace: join(folder, "trace.otbtrace"),
  capture: join(folder, "capture.pcapng"),
  candump: join(folder, "candump.log"),
});

/** The bench of a vehicle that nobody updates over the air: the vehicle gateway is there, and asks for nothing. */
function buildVehicle(vehicle: Vehicle, seed: string, keys: KeySet): Bench {
  const { algorithm, publicKey } = keys.package;
  const nobody: HostPort = { request: () => {}, abandon: () => {}, abandonAll: () => {} };
  return buildBench(vehicle, {
    seed,
    tools: { crypto: nodeCrypto, inflate },
    imageKeys: imagePublicKeys(keys),
    policy: { trusted: [{ algorithm, publicKey }], sizeMax: 0 },
    source: new HttpsSource({ baseUrl: "https://localhost", ca: keys.tls.ca }),
    host: nobody,
    ended: () => {},
    testerSockets: TESTER_SOCKETS,
  });
}

/** The record of a run that may last for days. */
class UpRecord {
  readonly #bench: Bench;
  readonly #path: string;
  readonly #seed: string;
  readonly #options: BringUpOptions;
  #files: readonly string[] | undefined;

  constructor(bench: Bench, path: string, seed: string, options: BringUpOptions) {
    this.#bench = bench;
    this.#path = path;
    this.#seed = seed;
    this.#options = options;
  }

  /** Writes a record that has become too long, and forgets it. */
  keepShort(): void {
    const { trace } = this.#bench.world;
    const recording = this.#options.outDir !== undefined && this.#files === undefined;
    if (trace.length < (recording ? RECORD_MAX : FORGET_AT)) return;
    if (recording) {
      this.#files = this.#write();
      this.#options.onRecordFull();
    }
    trace.load({ bytes: new Uint8Array(0), count: 0 });
  }

  finish(): readonly string[] {
    return this.#files ?? this.#write();
  }

  #write(): readonly string[] {
    const { outDir } = this.#options;
    if (outDir === undefined) return [];
    const { vehicle, world } = this.#bench;
    const { trace, capture, candump } = filesIn(outDir);
    const nodes = [vehicle.vehicleGateway, ...vehicle.zones.map(({ gateway }) => gateway)];
    const addresses = Object.fromEntries(nodes.map(({ name, ip }) => [name, { ip }]));
    writePieces(capture, pcapngOfTrace(world.trace.events(), { addresses }));
    writePieces(candump, candumpLines(framesOf(world.trace.events())));
    const meta = { scenario: this.#path, seed: this.#seed, otabench: otabenchVersion() };
    writeTraceFile(trace, meta, world.trace.bytes());
    return [trace, capture, candump];
  }
}
