import { s } from "../../emulator/kernel/time.ts";
import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import { BODY_PIECE_LENGTH, type HostAnswer, type HostRequest } from "../../gateway/source/host-request.ts";
import { HttpsSource } from "../../gateway/source/https/https-source.ts";
import { type Bench, buildBench } from "../../hil/bench/build-bench.ts";
import { HostGate } from "../../hil/bench/host-gate.ts";
import { provisionEcus } from "../../hil/bench/provision.ts";
import type { Vehicle } from "../../hil/bench/vehicle-file.ts";
import type { RunEnd } from "../../hil/clock/clock.ts";
import { VirtualClock } from "../../hil/clock/virtual-clock.ts";
import { inflate } from "../../hil/crypto/inflate.ts";
import { imagePublicKeys, makeKeys } from "../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../hil/crypto/node-crypto.ts";
import type { HostDriver } from "../../hil/link/host-driver.ts";
import { publish } from "../../hil/scenario/publish.ts";
import type { ScenarioRelease } from "../../hil/scenario/scenario-file.ts";

const keys = makeKeys("offline vehicle");
const ORIGIN = "https://localhost:4443";
const FOLDER = "fixtures/scenarios";

/** A server without sockets: answers HEAD and GET from memory, whole files only. */
class MemoryDriver implements HostDriver {
  readonly files = new Map<string, Uint8Array>();
  readonly #answers = new Map<number, HostAnswer[]>();

  start(id: number, request: HostRequest): void {
    const data = this.files.get(new URL(request.url).pathname);
    if (data === undefined) {
      this.#answers.set(id, [{ type: "head", status: 404, headers: {} }, { type: "end" }]);
      return;
    }
    const answers: HostAnswer[] = [{ type: "head", status: 200, headers: { "content-length": String(data.length) } }];
    for (let at = 0; request.method === "GET" && at < data.length; at += BODY_PIECE_LENGTH) {
      answers.push({ type: "body", data: data.subarray(at, at + BODY_PIECE_LENGTH) });
    }
    this.#answers.set(id, [...answers, { type: "end" }]);
  }

  async next(id: number): Promise<HostAnswer> {
    return this.#answers.get(id)?.shift() ?? { type: "failed", code: "HOST_FAILED", reason: "nothing more" };
  }

  abandon(id: number): void {
    this.#answers.delete(id);
  }

  retransmissions(): undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}

/** A whole virtual vehicle whose update server is a map in memory. The same vehicle and seed give the same bench. */
export class OfflineVehicle {
  readonly bench: Bench;
  readonly results: CampaignResult[] = [];
  readonly #driver = new MemoryDriver();
  readonly #gate: HostGate;
  readonly #clock = new VirtualClock();

  constructor(vehicle: Vehicle, seed = "1") {
    this.#gate = new HostGate(this.#driver, new Map(), (id, answer) => this.bench.vehicleGateway.answer(id, answer));
    const { algorithm, publicKey } = keys.package;
    this.bench = buildBench(vehicle, {
      seed,
      tools: { crypto: nodeCrypto, inflate },
      imageKeys: imagePublicKeys(keys),
      policy: { trusted: [{ algorithm, publicKey }], sizeMax: 1 << 24 },
      source: new HttpsSource({ baseUrl: ORIGIN, ca: keys.tls.ca }),
      host: this.#gate,
      ended: (result) => this.results.push(result),
    });
    provisionEcus(this.bench, keys, "fixtures/vehicles");
    for (const ecu of this.bench.ecus.values()) ecu.powerOn();
    this.bench.world.timeline.runUntil(s(1) as never);
  }

  /** Puts a release onto the server. Firmware paths are as in a scenario file. */
  publish(release: ScenarioRelease): void {
    const parts = { vehicle: this.bench.vehicle, keys, strangerKeys: () => keys, folder: FOLDER };
    const { file, signature } = publish(release, [], parts);
    this.#driver.files.set("/firmware_v2.bin", file);
    this.#driver.files.set("/firmware_v2.bin.sig", signature);
  }

  /** Goes on until `done`, at most for so long. */
  run(done: () => boolean, seconds = 600): Promise<RunEnd> {
    const { timeline } = this.bench.world;
    return this.#clock.run(timeline, this.#gate, done, (timeline.now + s(seconds)) as never);
  }

  /** One campaign from its start to its end. */
  async update(): Promise<CampaignResult> {
    const results = this.results.length;
    this.bench.vehicleGateway.startUpdate();
    await this.run(() => this.results.length > results);
    return this.results[results] as CampaignResult;
  }

  versions(): Record<string, string | undefined> {
    return Object.fromEntries([...this.bench.ecus].map(([id, ecu]) => [id, ecu.running?.version]));
  }
}
