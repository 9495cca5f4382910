import { dirname, resolve } from "node:path";
import { type Instant, ms, plus, s } from "../../emulator/kernel/time.ts";
import type { Trace } from "../../emulator/kernel/trace.ts";
import type { TraceEventType } from "../../emulator/kernel/trace-events.ts";
import type { CampaignResult } from "../../gateway/campaign/campaign-io.ts";
import type { PackagePolicy } from "../../gateway/package/open-package.ts";
import { type Bench, buildBench } from "../bench/build-bench.ts";
import { HostGate } from "../bench/host-gate.ts";
import { provisionEcus } from "../bench/provision.ts";
import { FileInvalidError } from "../bench/read-yaml.ts";
import { type Vehicle, vehiclePath } from "../bench/vehicle-file.ts";
import type { Clock, RunEnd } from "../clock/clock.ts";
import { RealClock } from "../clock/real-clock.ts";
import { VirtualClock } from "../clock/virtual-clock.ts";
import { inflate } from "../crypto/inflate.ts";
import { imagePublicKeys, type KeySet, makeKeys } from "../crypto/keys.ts";
import { nodeCrypto } from "../crypto/node-crypto.ts";
import type { SigningKey } from "../crypto/signing-key.ts";
import { EcuLedger } from "./ecu-ledger.ts";
import { judge } from "./expectations.ts";
import type { Fault } from "./fault-schema.ts";
import { Moments } from "./moments.ts";
import { publish } from "./publish.ts";
import type { StepReport } from "./run-report.ts";
import type { Scenario, ScenarioRelease, ScenarioStep } from "./scenario-file.ts";
import type { ServerSide } from "./server-side.ts";
import { VehicleFaults } from "./vehicle-faults.ts";

/** Of a package, bytes. */
const PACKAGE_SIZE_MAX = 64 * 1024 * 1024;
/** Between two steps and at the end: sessions time out, new software confirms itself. */
const SETTLE = s(10);

export interface ScenarioRunParts {
  readonly scenario: Scenario;
  readonly vehicle: Vehicle;
  /** Of the scenario file; its relative paths begin there. */
  readonly path: string;
  readonly seed: string;
  readonly keys: KeySet;
  readonly side: ServerSide;
}

/** A scenario while it is being run: one vehicle, one server a step, one clock. */
export class ScenarioRun {
  readonly bench: Bench;
  readonly ledger: EcuLedger;
  readonly #scenario: Scenario;
  readonly #folder: string;
  readonly #seed: string;
  readonly #keys: KeySet;
  readonly #clock: Clock;
  readonly #side: ServerSide;
  readonly #host: HostGate;
  readonly #limit: Instant;
  #strangers: KeySet | undefined;
  readonly #results: CampaignResult[] = [];

  constructor({ scenario, vehicle, path, seed, keys, side }: ScenarioRunParts) {
    this.#scenario = scenario;
    this.#folder = dirname(resolve(path));
    this.#seed = seed;
    this.#keys = keys;
    this.#side = side;
    this.#clock = scenario.clock === "real" ? new RealClock() : new VirtualClock();
    this.#host = new HostGate(side.driver, side.routes, (id, answer) => this.bench.vehicleGateway.answer(id, answer));
    this.bench = buildBench(vehicle, {
      seed,
      tools: { crypto: nodeCrypto, inflate },
      imageKeys: imagePublicKeys(this.#keys),
      policy: { trusted: [publicPart(this.#keys.package)], sizeMax: PACKAGE_SIZE_MAX },
      source: side.source,
      host: this.#host,
      ended: (result) => this.#results.push(result),
    });
    this.ledger = new EcuLedger(vehicle, this.bench.world.trace);
    this.#limit = plus(this.#now, s(scenario.timeoutS));
    provisionEcus(this.bench, this.#keys, dirname(vehiclePath(path, scenario.vehicle)));
  }

  /** Power for everybody, and time to start. */
  async begin(): Promise<void> {
    const { world, ecus } = this.bench;
    world.trace.record(this.#now, "bench", "run.started", { scenario: this.#scenario.name, seed: this.#seed });
    for (const ecu of ecus.values()) ecu.powerOn();
    await this.#runFor(ms(1_000));
  }

  async step(step: ScenarioStep): Promise<StepReport> {
    const release = this.#scenario.releases[step.update];
    if (release === undefined)
      throw new FileInvalidError(`step "${step.name}" updates to "${step.update}", no such release`);
    const withdraw = await this.#serve(release, step.faults);
    const { world, vehicleGateway } = this.bench;
    const moments = new Moments(world.timeline, world.trace);
    const faults = new VehicleFaults(this.bench, moments);
    const { events, stop } = countEvents(world.trace, Object.keys(step.expect.events ?? {}) as TraceEventType[]);
    const results = this.#results.length;
    try {
      for (const fault of step.faults) faults.arm(fault);
      vehicleGateway.startUpdate();
      const over = (): boolean => (this.#results.length > results || faults.interrupted) && faults.settled;
      const end = await this.#clock.run(world.timeline, this.#host, over, this.#limit);
      moments.forget();
      await this.#runFor(SETTLE);
      const result = this.#results[results];
      for (const { ecu, verdict } of result?.ecus ?? []) this.ledger.judge(ecu, verdict);
      const report = judge(step, { result, interrupted: faults.interrupted, missed: faults.missed, events });
      return end === "done" ? report : notEnded(report, end);
    } finally {
      stop();
      await withdraw();
    }
  }

  end(verdict: string): void {
    this.bench.world.trace.record(this.#now, "bench", "run.ended", { verdict });
  }

  /** See {@link ServerSide}. */
  get retransmissions(): number | undefined {
    return this.#side.retransmissions();
  }

  async close(): Promise<void> {
    await this.#host.close();
  }

  get #now(): Instant {
    return this.bench.world.timeline.now;
  }

  async #runFor(span: ReturnType<typeof ms>): Promise<void> {
    const until = plus(this.#now, span);
    const wake = this.bench.world.timeline.alarm(() => {});
    wake.set(until);
    await this.#clock.run(this.bench.world.timeline, this.#host, () => this.#now >= until, until);
  }

  #serve(release: ScenarioRelease, faults: readonly Fault[]): Promise<() => Promise<void>> {
    const publication = publish(release, faults, {
      vehicle: this.bench.vehicle,
      keys: this.#keys,
      strangerKeys: () => this.#strangerKeys(),
      folder: this.#folder,
    });
    return this.#side.serve(publication, faults);
  }

  #strangerKeys(): KeySet {
    this.#strangers ??= makeKeys(`${this.#seed} stranger`);
    return this.#strangers;
  }
}

const publicPart = ({ algorithm, publicKey }: SigningKey): PackagePolicy["trusted"][number] => ({
  algorithm,
  publicKey,
});

function countEvents(
  trace: Trace,
  types: readonly TraceEventType[],
): { events: Map<string, number>; stop: () => void } {
  const events = new Map<string, number>();
  const stops = types.map((type) => trace.on(type, () => events.set(type, (events.get(type) ?? 0) + 1)));
  const stop = (): void => {
    for (const each of stops) each();
  };
  return { events, stop };
}

function notEnded(report: StepReport, end: RunEnd): StepReport {
  const reason = end === "idle" ? "nothing is left to happen, and the campaign has not ended" : "time is up";
  return { ...report, verdict: "failed", code: "RUN_NOT_ENDED", reason, observed: reason };
}
