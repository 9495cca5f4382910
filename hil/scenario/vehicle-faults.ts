import { FAMILY_SUPPLY } from "../../emulator/ecu/supply.ts";
import { ms } from "../../emulator/kernel/time.ts";
import type { Bench } from "../bench/build-bench.ts";
import { FileInvalidError } from "../bench/read-yaml.ts";
import { type BusFault, placeBusFault } from "./bus-faults.ts";
import type { Fault, FaultOf } from "./fault-schema.ts";
import type { Moments } from "./moments.ts";
import type { Trigger } from "./trigger-schema.ts";

/** Of a ramp, each way. */
const RAMP_STEPS = 10;

/** The faults of one step that happen to the vehicle: armed before its campaign begins. */
export class VehicleFaults {
  readonly #bench: Bench;
  readonly #moments: Moments;
  #dark = 0;
  #interrupted = false;
  readonly #awaited = new Set<string>();

  constructor(bench: Bench, moments: Moments) {
    this.#bench = bench;
    this.#moments = moments;
  }

  /** The vehicle gateway lost its power, and its campaign with it. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Everything has its power again. */
  get settled(): boolean {
    return this.#dark === 0;
  }

  /** What has not struck, because its moment did not come. */
  get missed(): readonly string[] {
    return [...this.#awaited];
  }

  /** Faults of the release or of the server are none of ours. @throws {FileInvalidError} for a node that is not there */
  arm(fault: Fault): void {
    if (fault.fault === "powerCut") this.#armPowerCut(fault);
    else if (fault.fault === "supply") this.#armSupply(fault);
    else if (fault.fault === "dropFrame") this.#armDrop(fault);
    else if (fault.fault === "behaviour") {
      this.#ecu(fault.ecu).misbehave(fault.behaviour);
      this.#tell("behaviour", fault.ecu, fault.behaviour.name);
    } else if (isBusFault(fault)) this.#armBusFault(fault);
  }

  #armPowerCut(fault: FaultOf<"powerCut">): void {
    const { vehicleGateway, vehicle } = this.#bench;
    const isGateway = fault.target === vehicle.vehicleGateway.name;
    const device = isGateway ? vehicleGateway : this.#ecu(fault.target);
    this.#when(fault, fault.target, () => {
      this.#dark++;
      if (isGateway) this.#interrupted = true;
      this.#tell("powerCut", fault.target, `${fault.forMs} ms`);
      device.powerOff();
      this.#moments.after(ms(fault.forMs), () => {
        this.#dark--;
        device.powerOn();
      });
    });
  }

  #armSupply(fault: FaultOf<"supply">): void {
    const { target, mV, forMs, rampMs } = fault;
    const ecu = this.#ecu(target);
    const { nominal } = FAMILY_SUPPLY;
    const steps = rampMs === 0 ? 1 : RAMP_STEPS;
    this.#when(fault, target, () => {
      this.#dark++;
      this.#tell("supply", target, `${mV} mV for ${forMs} ms`);
      for (let step = 1; step <= steps; step++) {
        const change = Math.round(((mV - nominal) * step) / steps);
        const down = (rampMs * step) / steps;
        this.#moments.after(ms(down), () => ecu.setSupply(nominal + change));
        this.#moments.after(ms(rampMs + forMs + down), () => ecu.setSupply(mV - change));
      }
      this.#moments.after(ms(2 * rampMs + forMs), () => this.#dark--);
    });
  }

  #when({ fault, when }: Fault & { readonly when: Trigger }, target: string, deed: () => void): void {
    const { event, source, occurrence } = when;
    const from = source === undefined ? "" : ` of ${source}`;
    const name = `${fault} of ${target} at ${event}${from}, occurrence ${occurrence}`;
    this.#awaited.add(name);
    this.#moments.when(when, () => {
      this.#awaited.delete(name);
      deed();
    });
  }

  #armBusFault(fault: BusFault): void {
    const { target, detail, begin, end } = placeBusFault(fault, this.#bench);
    this.#when(fault, target, () => {
      this.#dark++;
      this.#tell(fault.fault, target, detail);
      begin();
      this.#moments.after(ms(fault.forMs), () => {
        this.#dark--;
        end();
      });
    });
  }

  #armDrop({ node, direction, nPdu, occurrence, count }: FaultOf<"dropFrame">): void {
    const link = this.#bench.links.get(node);
    if (link === undefined) throw new FileInvalidError(`a fault names ${node}, no such node is on a bus`);
    link.arm({ fault: "drop", direction, occurrence, count, ...(nPdu === undefined ? {} : { nPdu }) });
    this.#tell("dropFrame", node, `${direction} ${nPdu ?? "any"} ${occurrence}`);
  }

  #ecu(id: string): ReturnType<Bench["ecus"]["get"]> & object {
    const ecu = this.#bench.ecus.get(id);
    if (ecu === undefined) throw new FileInvalidError(`a fault names ${id}, the vehicle has no such ECU`);
    return ecu;
  }

  #tell(fault: string, target: string, detail: string): void {
    const { timeline, trace } = this.#bench.world;
    trace.record(timeline.now, "bench", "fault.injected", { fault, target, detail });
  }
}

const isBusFault = (fault: Fault): fault is BusFault =>
  ["babble", "openWire", "shortCircuit", "wrongBitRate", "corruptBit"].includes(fault.fault);
