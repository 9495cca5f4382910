import type { CanBusFault } from "../../emulator/bus/can-bus-fault.ts";
import type { VirtualCanBus } from "../../emulator/bus/virtual-can-bus.ts";
import { UsageError } from "../../emulator/kernel/errors.ts";
import type { Bench } from "../bench/build-bench.ts";
import { FileInvalidError } from "../bench/read-yaml.ts";
import type { FaultOf } from "./fault-schema.ts";

/** A fault of a scenario file that happens to a bus, or to one node on it. */
export type BusFault = FaultOf<"babble" | "openWire" | "shortCircuit" | "wrongBitRate" | "corruptBit">;

/** What it is to the bus that it happens to, and how that bus is rid of it. */
export interface PlacedBusFault {
  readonly target: string;
  readonly detail: string;
  readonly begin: () => void;
  readonly end: () => void;
}

/** @throws {FileInvalidError} for a bus or a node that the vehicle has not, or a frame that its bus can't carry */
export function placeBusFault(given: BusFault, bench: Bench): PlacedBusFault {
  const node = "node" in given ? given.node : undefined;
  const bus = node === undefined ? busCalled("bus" in given ? given.bus : "", bench) : busOf(node, bench);
  if (given.fault === "corruptBit" && given.seenBy !== undefined && busOf(given.seenBy, bench) !== bus) {
    throw new FileInvalidError(`a fault names ${given.seenBy}, which is not on ${given.bus}`);
  }
  const fault = asBusFault(given);
  const target = node ?? bus.name;
  tryOut(fault, bus, target);
  return {
    target,
    detail: detailOf(given),
    begin: () => bus.arm(fault),
    end: () => bus.disarm(fault.fault, node),
  };
}

function asBusFault(given: BusFault): CanBusFault {
  switch (given.fault) {
    case "babble":
      return { fault: "babble", node: given.node, frame: given.frame };
    case "openWire":
      return { fault: "openWire", node: given.node };
    case "shortCircuit":
      return { fault: "short", level: given.level };
    case "wrongBitRate":
      return { fault: "wrongBitRate", node: given.node, bitRate: given.bitRate };
    case "corruptBit": {
      const { bit, seenBy, id, extended, occurrence, count } = given;
      return {
        fault: "corruptBit",
        bit,
        occurrence,
        count,
        ...(seenBy === undefined ? {} : { seenBy }),
        ...(id === undefined ? {} : { id }),
        ...(extended === undefined ? {} : { extended }),
      };
    }
  }
}

function detailOf(given: BusFault): string {
  const span = `for ${given.forMs} ms`;
  switch (given.fault) {
    case "babble":
      return `${given.frame.id.toString(16).toUpperCase()} ${span}`;
    case "openWire":
      return span;
    case "shortCircuit":
      return `${given.level} ${span}`;
    case "wrongBitRate":
      return `${given.bitRate} bit/s ${span}`;
    case "corruptBit":
      return `bit ${given.bit}, ${given.count} times`;
  }
}

/** Nothing happens on a bus while a step is being prepared: what it refuses, it refuses now. */
function tryOut(fault: CanBusFault, bus: VirtualCanBus, target: string): void {
  try {
    bus.check(fault);
  } catch (error) {
    if (error instanceof UsageError)
      throw new FileInvalidError(`the fault ${fault.fault} of ${target}: ${error.message}`);
    throw error;
  }
}

function busCalled(name: string, { buses }: Bench): VirtualCanBus {
  const bus = buses.get(name);
  if (bus === undefined) throw new FileInvalidError(`a fault names ${name}, the vehicle has no such bus`);
  return bus;
}

function busOf(node: string, bench: Bench): VirtualCanBus {
  const zone = bench.vehicle.zones.find(
    ({ gateway, ecus }) => gateway.name === node || ecus.some(({ id }) => id === node),
  );
  if (zone === undefined) throw new FileInvalidError(`a fault names ${node}, no such node is on a bus`);
  return busCalled(zone.bus.name, bench);
}
