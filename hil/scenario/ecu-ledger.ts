import { frameAddress } from "../../emulator/isotp/addressing.ts";
import type { Trace } from "../../emulator/kernel/trace.ts";
import { CanFlag } from "../../emulator/wire/can-frame.ts";
import type { Vehicle } from "../bench/vehicle-file.ts";
import type { EcuReport, EcuVerdict } from "./run-report.ts";

interface Entry {
  versionBefore: string | undefined;
  versionAfter: string;
  /** Sent in whole transfers before, and in the one that is under way. */
  bytes: number;
  inTransfer: number;
  frames: number;
  wireNs: number;
  firstMs: number | undefined;
  lastMs: number;
  /** What came of it in the last campaign that told. */
  last: EcuVerdict;
}

/** Keeps the account of each ECU while a run goes on: a view of the trace. */
export class EcuLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #owners = new Map<string, Entry>();

  constructor(vehicle: Vehicle, trace: Trace) {
    for (const { bus, ecus } of vehicle.zones) {
      for (const { id, can } of ecus) {
        const entry: Entry = {
          versionBefore: undefined,
          versionAfter: "",
          bytes: 0,
          inTransfer: 0,
          frames: 0,
          wireNs: 0,
          firstMs: undefined,
          lastMs: 0,
          last: "unchanged",
        };
        this.#entries.set(id, entry);
        for (const nAi of [can.request, can.response]) {
          const { id: canId, extended, addressByte } = frameAddress(nAi);
          this.#owners.set(ownerKey(bus.name, canId, extended, addressByte), entry);
        }
      }
    }
    this.#listen(trace);
  }

  /** What came of an ECU in one campaign. */
  judge(ecu: string, verdict: EcuVerdict): void {
    const entry = this.#entries.get(ecu);
    if (entry !== undefined) entry.last = verdict;
  }

  reports(): EcuReport[] {
    return [...this.#entries].map(([ecu, entry]) => ({
      ecu,
      versionBefore: entry.versionBefore ?? "",
      versionAfter: entry.versionAfter,
      bytes: entry.bytes + entry.inTransfer,
      frames: entry.frames,
      wireMs: Math.round(entry.wireNs / 1_000) / 1_000,
      wallMs: entry.firstMs === undefined ? 0 : Math.round(entry.lastMs - entry.firstMs),
      verdict: overall(entry),
    }));
  }

  #listen(trace: Trace): void {
    trace.on("can.frame", ({ source, id, flags, data, duration }) => {
      const extended = (flags & CanFlag.Extended) !== 0;
      const whole = this.#owners.get(ownerKey(source, id, extended));
      const owner = whole ?? this.#owners.get(ownerKey(source, id, extended, data[0]));
      if (owner === undefined) return;
      owner.frames++;
      owner.wireNs += duration;
    });
    trace.on("campaign.progress", ({ ecu, phase, done }) => {
      const entry = this.#touch(ecu);
      if (entry === undefined || phase !== "transfer") return;
      if (done < entry.inTransfer) entry.bytes += entry.inTransfer; // it was begun again
      entry.inTransfer = done;
    });
    trace.on("campaign.observed", ({ ecu, version, when }) => {
      const entry = this.#touch(ecu);
      if (entry === undefined) return;
      if (when === "before") entry.versionBefore ??= version;
      entry.versionAfter = version;
    });
  }

  #touch(ecu: string): Entry | undefined {
    const entry = this.#entries.get(ecu);
    if (entry === undefined) return undefined;
    entry.lastMs = performance.now();
    entry.firstMs ??= entry.lastMs;
    return entry;
  }
}

/** Over the whole run: what it runs now against what it ran at first; the last campaign decides where that says nothing. */
function overall({ last, versionBefore, versionAfter }: Entry): EcuVerdict {
  if (last === "failed" || versionAfter === "") return "failed";
  if (versionAfter !== versionBefore) return "updated";
  return last === "rolledBack" ? "rolledBack" : "unchanged";
}

const ownerKey = (bus: string, id: number, extended: boolean, addressByte?: number): string =>
  `${bus} ${extended ? "x" : ""}${id} ${addressByte ?? ""}`;
