import { Pump } from "../../emulator/kernel/pump.ts";
import { Scheduler } from "../../emulator/kernel/scheduler.ts";
import { plus, RUN_START, s } from "../../emulator/kernel/time.ts";
import type { HostAnswer } from "../../gateway/source/host-request.ts";
import type { Inventory, Offer, SourceInput, SourceOutput, UpdateSource } from "../../gateway/source/update-source.ts";
import { HostGate } from "../../hil/bench/host-gate.ts";
import { VirtualClock } from "../../hil/clock/virtual-clock.ts";
import type { HostDriver } from "../../hil/link/host-driver.ts";
import { joinPieces, NO_INVENTORY } from "./source-bench.ts";

const ENDS = ["offer", "noOffer", "fetched", "cancelled", "reported", "failed"];
const LIMIT = plus(RUN_START, s(24 * 3600));
/** Request numbers of one vehicle at the gate; each source counts its own from 0. */
const NUMBERS_EACH = 1_000_000;

/** Some vehicles with an update source each, in virtual time, before real servers. */
export class Vehicles {
  readonly timeline = new Scheduler();
  readonly all: readonly VehicleSource[];
  readonly #gate: HostGate;

  /** A driver of their own for all of them together. */
  constructor(driver: HostDriver, sources: readonly UpdateSource[]) {
    this.#gate = new HostGate(driver, new Map(), (id, answer) => {
      this.all[Math.floor(id / NUMBERS_EACH)]?.answer(id % NUMBERS_EACH, answer);
    });
    this.all = sources.map((source, index) => new VehicleSource(source, this, this.#gate, index * NUMBERS_EACH));
  }

  /** Until each of them has said how it ended. */
  async settled(): Promise<void> {
    const end = await new VirtualClock().run(this.timeline, this.#gate, () => this.all.every(({ end }) => end), LIMIT);
    if (end !== "done") throw new Error(`the vehicles ended as "${end}"`);
  }

  close(): Promise<void> {
    return this.#gate.close();
  }
}

export class VehicleSource {
  /** Everything since the last look or fetch began. */
  outputs: SourceOutput[] = [];
  /** What is called after each output. */
  onOutput: (output: SourceOutput) => void = () => {};
  readonly #pump: Pump<SourceInput, SourceOutput>;
  readonly #vehicles: Vehicles;

  constructor(source: UpdateSource, vehicles: Vehicles, gate: HostGate, firstNumber: number) {
    this.#vehicles = vehicles;
    this.#pump = new Pump(source, vehicles.timeline, (output) => {
      this.outputs.push(output);
      this.onOutput(output);
      if (output.type === "request") gate.request(firstNumber + output.request, output.what);
      if (output.type === "abandon") gate.abandon(firstNumber + output.request);
    });
  }

  /** How what was asked for last ended. */
  get end(): SourceOutput | undefined {
    return this.outputs.find(({ type }) => ENDS.includes(type));
  }

  get received(): Uint8Array {
    return joinPieces(this.outputs);
  }

  get pieces(): { offset: number; length: number }[] {
    return this.outputs.flatMap((output) =>
      output.type === "piece" ? [{ offset: output.offset, length: output.data.length }] : [],
    );
  }

  begin(input: SourceInput): void {
    this.outputs = [];
    this.#pump.push(input);
  }

  push(input: SourceInput): void {
    this.#pump.push(input);
  }

  answer(request: number, answer: HostAnswer): void {
    this.#pump.push({ type: "answer", request, answer });
  }

  async look(inventory: Inventory = NO_INVENTORY): Promise<SourceOutput | undefined> {
    this.begin({ type: "look", inventory });
    await this.#vehicles.settled();
    return this.end;
  }

  async fetch(offer: Offer, from = 0): Promise<SourceOutput | undefined> {
    this.begin({ type: "fetch", offer, from });
    await this.#vehicles.settled();
    return this.end;
  }

  /** @throws {Error} when there is none */
  async offer(): Promise<Offer> {
    const end = await this.look();
    if (end?.type !== "offer") throw new Error(`no offer but ${JSON.stringify(end)}`);
    return end.offer;
  }
}
