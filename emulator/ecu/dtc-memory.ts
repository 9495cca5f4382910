import { UsageError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import type { Prng } from "../kernel/prng.ts";
import type { Instant } from "../kernel/time.ts";
import type { Tracer } from "../kernel/trace.ts";
import { DONE, refused, type Work } from "../uds/host.ts";
import type { DtcHost, DtcRecord, DtcView } from "../uds/host-dtc.ts";
import { DtcStatus } from "../wire/dtc.ts";
import { Nrc } from "../wire/uds.ts";
import type { DtcConfig, DtcDefinition } from "./dtc-config.ts";
import {
  CLEARED,
  cleared,
  cycleBegun,
  type DtcEntry,
  failed,
  isStoredAlike,
  passed,
  SNAPSHOT_FIRST,
  SNAPSHOT_LATEST,
} from "./dtc-entry.ts";
import {
  contentsLengthMax,
  type DtcContents,
  decodeContents,
  encodeContents,
  NO_CONTENTS,
  SNAPSHOT_MAX,
} from "./dtc-record.ts";
import { Flash, type FlashState } from "./flash.ts";
import { RecordStore, type RecordStoreState } from "./record-store.ts";

export interface DtcMemoryState {
  readonly contents: DtcContents;
  readonly counters: ReadonlyMap<number, number>;
  readonly off: readonly number[];
  readonly clearing: boolean;
  readonly store: RecordStoreState;
  readonly flash: FlashState;
}

export interface DtcMemoryParts {
  readonly tracer: Tracer;
  /** The data of an identifier at that instant, for a snapshot. */
  readonly freeze: (did: number, now: Instant) => Uint8Array | undefined;
}

/** Extended data records. (docs/protocols/dtc.md) */
const ExtendedData = { Occurrences: 0x01, Aging: 0x02, FailedCycles: 0x03 } as const;
const FAILED = 127;
const PASSED = -128;

/**
 * The faults that the ECU knows of, and their storage. What changes is stored at once, so that it outlives a power cut by
 * no more than the time of one write. (ISO 14229-1:2020, Annex D)
 */
export class DtcMemory implements DtcHost, Stateful<DtcMemoryState> {
  readonly statusAvailabilityMask: number;
  readonly snapshotNumbers = [SNAPSHOT_FIRST, SNAPSHOT_LATEST];
  readonly extendedDataNumbers = Object.values(ExtendedData);
  readonly #name: string;
  readonly #config: DtcConfig;
  readonly #parts: DtcMemoryParts;
  readonly #definitions: ReadonlyMap<number, DtcDefinition>;
  readonly #flash: Flash;
  readonly #store: RecordStore;
  #contents: DtcContents = NO_CONTENTS;
  /** Fault detection counters; lost with the power. */
  #counters: ReadonlyMap<number, number> = new Map();
  /** The DTCs whose setting is off. */
  #off: readonly number[] = [];
  #clearing = false;

  /** @throws {UsageError} for more DTCs than a sector of the flash can hold */
  constructor(name: string, config: DtcConfig, parts: DtcMemoryParts) {
    const sorted = config.definitions.toSorted((one, other) => one.code - other.code);
    this.#name = name;
    this.#config = config;
    this.#parts = parts;
    this.#definitions = new Map(sorted.map((definition) => [definition.code, definition]));
    this.#flash = new Flash(name, config.flash, parts.tracer);
    this.#store = new RecordStore(this.#flash);
    if (contentsLengthMax(this.#definitions.size) > this.#store.capacity) {
      throw new UsageError(`${name}: ${this.#definitions.size} DTCs do not fit into ${this.#store.capacity} bytes`);
    }
    const lights = sorted.some(({ indicator }) => indicator);
    this.statusAvailabilityMask = lights ? 0xff : 0xff & ~DtcStatus.WarningIndicatorRequested;
  }

  /** When storing goes on or ends; undefined while all is stored. */
  get deadline(): Instant | undefined {
    return this.#store.deadline;
  }

  /** A tester waits for a clear. */
  get clearing(): boolean {
    return this.#clearing;
  }

  /** After power-up or a reset. @param newCycle an operation cycle begins */
  open(newCycle: boolean, now: Instant): void {
    const stored = this.#store.open();
    this.#contents = (stored === undefined ? undefined : decodeContents(stored)) ?? NO_CONTENTS;
    if (!newCycle) return;
    const primary = new Map(this.#contents.primary);
    for (const [code, definition] of this.#definitions) {
      const entry = this.#contents.primary.get(code);
      if (entry !== undefined) primary.set(code, cycleBegun(entry, definition));
    }
    this.#change({ ...this.#contents, primary }, now, false);
  }

  /** The power goes, or the ECU is reset: what is not stored is lost. */
  close(now: Instant, prng: Prng): void {
    this.#flash.cut(now, prng);
    this.#store.close();
    this.#counters = new Map();
    this.#off = [];
    this.#clearing = false;
  }

  /** A test has ended. Nothing happens for a DTC that the ECU does not have, or whose setting is off. */
  report(code: number, isFailed: boolean, now: Instant): void {
    const definition = this.#definitions.get(code);
    if (definition === undefined || this.#off.includes(code)) return;
    const before = this.#counters.get(code) ?? 0;
    const counter = isFailed
      ? Math.min(FAILED, Math.max(before, 0) + definition.failStep)
      : Math.max(PASSED, Math.min(before, 0) - definition.passStep);
    this.#counters = new Map(this.#counters).set(code, counter);
    const entry = this.#entry(code);
    if (counter === FAILED) {
      const ordinal = this.#contents.ordinal + 1;
      this.#put(
        code,
        failed(entry, definition, ordinal, () => this.#snapshot(now)),
        now,
      );
    } else if (counter === PASSED) {
      this.#put(code, passed(entry), now);
    }
  }

  list(): readonly DtcView[] {
    return [...this.#definitions.values()].map((definition) => this.#view(definition, this.#entry(definition.code)));
  }

  userMemory(selection: number): readonly DtcView[] | undefined {
    if (selection !== this.#config.userMemory) return undefined;
    return [...this.#definitions.values()].flatMap((definition) => {
      const entry = this.#contents.user.get(definition.code);
      return entry === undefined ? [] : [this.#view(definition, entry)];
    });
  }

  clear(codes: readonly number[], selection: number | undefined, now: Instant): Work {
    if (selection === undefined) {
      const primary = new Map(this.#contents.primary);
      for (const code of codes) primary.set(code, cleared(this.#entry(code)));
      this.#counters = new Map([...this.#counters].filter(([code]) => !codes.includes(code)));
      this.#change({ ...this.#contents, primary }, now, true);
    } else {
      const user = new Map([...this.#contents.user].filter(([code]) => !codes.includes(code)));
      this.#change({ ...this.#contents, user }, now, true);
    }
    return this.resume();
  }

  /** What became of the clear. */
  resume(): Work {
    const until = this.#store.deadline;
    this.#clearing = until !== undefined;
    if (until !== undefined) return { type: "busy", until };
    return this.#store.faulty ? refused(Nrc.GeneralProgrammingFailure) : DONE;
  }

  setting(on: boolean, codes: readonly number[]): void {
    const others = this.#off.filter((code) => !codes.includes(code));
    this.#off = on ? others : [...others, ...codes];
  }

  sessionEnded(): void {
    this.#off = [];
  }

  handleDeadline(now: Instant): void {
    this.#store.handleDeadline(now);
  }

  save(): DtcMemoryState {
    const [contents, counters, off, clearing] = [this.#contents, this.#counters, this.#off, this.#clearing];
    return { contents, counters, off, clearing, store: this.#store.save(), flash: this.#flash.save() };
  }

  load(state: DtcMemoryState): void {
    this.#contents = state.contents;
    this.#counters = state.counters;
    this.#off = state.off;
    this.#clearing = state.clearing;
    this.#store.load(state.store);
    this.#flash.load(state.flash);
  }

  #entry(code: number): DtcEntry {
    return this.#contents.primary.get(code) ?? CLEARED;
  }

  #put(code: number, entry: DtcEntry, now: Instant): void {
    const before = this.#entry(code);
    if (entry === before) return;
    const { user, ordinal } = this.#contents;
    const failedNow = entry.failedCycles !== before.failedCycles || entry.occurrences !== before.occurrences;
    const confirmed = failedNow && (entry.status & DtcStatus.ConfirmedDtc) !== 0;
    const contents: DtcContents = {
      ordinal: failedNow ? ordinal + 1 : ordinal,
      primary: new Map(this.#contents.primary).set(code, entry),
      user: confirmed ? new Map(user).set(code, entry) : user,
    };
    this.#change(contents, now, !isStoredAlike(before, entry));
  }

  #change(contents: DtcContents, now: Instant, store: boolean): void {
    const before = this.#contents;
    this.#contents = contents;
    for (const dtc of this.#definitions.keys()) {
      const from = before.primary.get(dtc)?.status ?? CLEARED.status;
      const to = this.#entry(dtc).status;
      if (from !== to) this.#parts.tracer.record(now, this.#name, "dtc.status", { dtc, from, to });
    }
    if (store) this.#store.write(encodeContents(contents), now);
  }

  /** What does not fit is left out. */
  #snapshot(now: Instant): Uint8Array {
    const out: number[] = [0];
    for (const did of this.#config.snapshotDids) {
      const data = this.#parts.freeze(did, now);
      if (data === undefined || out.length + 2 + data.length > SNAPSHOT_MAX) continue;
      out.push(did >>> 8, did & 0xff, ...data);
      out[0] = (out[0] as number) + 1;
    }
    return Uint8Array.from(out);
  }

  #view(definition: DtcDefinition, entry: DtcEntry): DtcView {
    const { code, severity, functionalUnit, functionalGroups, readinessGroup } = definition;
    const { status, permanent, snapshots } = entry;
    const faultDetectionCounter = this.#counters.get(code) ?? 0;
    const fixed = { code, severity, functionalUnit, functionalGroups, readinessGroup };
    const when = {
      firstFailed: entry.firstFailed || undefined,
      lastFailed: entry.lastFailed || undefined,
      confirmed: (status & DtcStatus.ConfirmedDtc) === 0 ? undefined : entry.confirmed,
    };
    const extendedData = entry.firstFailed === 0 ? [] : extendedDataOf(entry);
    return { ...fixed, ...when, status, permanent, faultDetectionCounter, snapshots, extendedData };
  }
}

const extendedDataOf = ({ occurrences, aging, failedCycles }: DtcEntry): readonly DtcRecord[] => [
  { number: ExtendedData.Occurrences, data: Uint8Array.of(occurrences) },
  { number: ExtendedData.Aging, data: Uint8Array.of(aging) },
  { number: ExtendedData.FailedCycles, data: Uint8Array.of(failedCycles) },
];
