import { InvariantError } from "../kernel/errors.ts";
import type { Stateful } from "../kernel/machine.ts";
import { type Duration, type Instant, plus } from "../kernel/time.ts";
import { type DidRule, DONE, type Work } from "../uds/host.ts";
import type { Control, ControlRule, DataHost, DataLimits, FileHost, MemoryRule } from "../uds/host-data.ts";
import { encodeScaling } from "../wire/scaling.ts";
import type { Session } from "../wire/uds.ts";
import type { DataConfig, MemoryRangeConfig } from "./data-config.ts";
import { FileStore, type FileStoreState } from "./file-store.ts";
import { controlRules, LiveValues, type LiveValuesState } from "./live-values.ts";

/** What is being stored. It takes effect when it is over; when power goes before, nothing has changed. */
type Storing =
  | { readonly what: "memory"; readonly address: number; readonly data: Uint8Array }
  | { readonly what: "record"; readonly did: number; readonly data: Uint8Array }
  | { readonly what: "piece"; readonly path: string; readonly data: Uint8Array }
  | { readonly what: "file"; readonly path: string }
  | { readonly what: "removal"; readonly path: string };

export interface EcuDataState {
  readonly storing: { readonly job: Storing; readonly until: Instant } | undefined;
  /** In the order of the configuration. */
  readonly memory: readonly Uint8Array[];
  readonly stored: readonly (readonly [did: number, data: Uint8Array])[];
  readonly live: LiveValuesState;
  readonly files: FileStoreState;
}

const KIB = 1024;

/** Memory, records, input and output, and files of one ECU, as testers get at them. (docs/protocols/data.md) */
export class EcuData implements DataHost, Stateful<EcuDataState> {
  readonly limits: DataLimits;
  readonly dids: ReadonlyMap<number, DidRule>;
  readonly scaling: ReadonlyMap<number, Uint8Array>;
  readonly controls: ReadonlyMap<number, ControlRule>;
  readonly ranges: readonly MemoryRule[];
  readonly files: FileHost;
  readonly #config: DataConfig;
  readonly #live: LiveValues;
  readonly #files: FileStore;
  /** Arrays are never changed once they are here. */
  #memory: readonly Uint8Array[];
  #stored: ReadonlyMap<number, Uint8Array>;
  #storing: EcuDataState["storing"];

  /** @param frameLength the longest payload of one frame, bytes */
  constructor(config: DataConfig, frameLength: number) {
    this.#config = config;
    this.limits = { ...config.limits, periodicDataMax: frameLength - 1 };
    this.dids = new Map<number, DidRule>([
      ...config.live.map(({ did, read }): [number, DidRule] => [did, { read }]),
      ...config.stored.map((record): [number, DidRule] => [record.did, record]),
    ]);
    this.scaling = new Map(config.scaling.map(({ did, items }) => [did, encodeScaling(items)]));
    this.controls = controlRules(config.live);
    this.ranges = config.memory;
    this.#live = new LiveValues(config.live);
    this.#files = new FileStore(config.files);
    this.files = this.#fileHost();
    this.#memory = config.memory.map(({ size }) => new Uint8Array(size));
    this.#stored = new Map(config.stored.map(({ did, initial }) => [did, initial]));
  }

  get busy(): boolean {
    return this.#storing !== undefined;
  }

  /** A start, or the end of one: RAM is 00, the ECU controls its outputs, and what was being stored is not. */
  begin(): void {
    this.#storing = undefined;
    this.#live.begin();
    this.#memory = this.#memory.map((bytes, index) =>
      this.#config.memory[index]?.kept === true ? bytes : new Uint8Array(bytes.length),
    );
  }

  readData(did: number, now: Instant): Uint8Array | undefined {
    return this.#stored.get(did) ?? this.#live.read(did, now);
  }

  writeData(did: number, data: Uint8Array, now: Instant): Work {
    return this.#store({ what: "record", did, data }, data.length, now);
  }

  readMemory(address: number, size: number): Uint8Array {
    const { index, offset } = this.#place(address);
    return (this.#memory[index] as Uint8Array).slice(offset, offset + size);
  }

  writeMemory(address: number, data: Uint8Array, now: Instant): Work {
    const job = { what: "memory", address, data } as const;
    if (this.#place(address).range.kept) return this.#store(job, data.length, now);
    this.#complete(job);
    return DONE;
  }

  control(did: number, control: Control, selected: readonly boolean[], now: Instant): void {
    this.#live.control(did, control, selected, now);
  }

  sessionEntered(session: Session): void {
    this.#live.sessionEntered(session);
  }

  /** What became of what was being stored. */
  resume(now: Instant): Work {
    const storing = this.#storing;
    if (storing === undefined) throw new InvariantError("nothing is being stored");
    if (storing.until > now) return { type: "busy", until: storing.until };
    this.#storing = undefined;
    this.#complete(storing.job);
    return DONE;
  }

  save(): EcuDataState {
    return {
      storing: this.#storing,
      memory: this.#memory,
      stored: [...this.#stored],
      live: this.#live.save(),
      files: this.#files.save(),
    };
  }

  load(state: EcuDataState): void {
    this.#storing = state.storing;
    this.#memory = state.memory;
    this.#stored = new Map(state.stored);
    this.#live.load(state.live);
    this.#files.load(state.files);
  }

  #fileHost(): FileHost {
    const files = this.#files;
    return {
      access: this.#config.files.access,
      isPath: (path) => files.isPath(path),
      begin: (path, size) => files.begin(path, size),
      exists: (path) => files.exists(path),
      begun: (path) => files.begun(path),
      read: (path) => files.read(path),
      list: (path) => files.list(path),
      append: (path, data, now) => this.#store({ what: "piece", path, data }, data.length, now),
      finish: (path, now) => this.#store({ what: "file", path }, 1, now),
      remove: (path, now) => this.#store({ what: "removal", path }, 1, now),
    };
  }

  #store(job: Storing, length: number, now: Instant): Work {
    const time = (Math.ceil(length / KIB) * this.#config.storeTimePerKib) as Duration;
    const until = plus(now, time);
    this.#storing = { job, until };
    return { type: "busy", until };
  }

  #complete(job: Storing): void {
    switch (job.what) {
      case "memory":
        this.#write(job.address, job.data);
        break;
      case "record":
        this.#stored = new Map([...this.#stored, [job.did, job.data]]);
        break;
      case "piece":
        this.#files.append(job.path, job.data);
        break;
      case "file":
        this.#files.finish(job.path);
        break;
      case "removal":
        this.#files.remove(job.path);
        break;
    }
  }

  #write(address: number, data: Uint8Array): void {
    const place = this.#place(address);
    this.#memory = this.#memory.map((bytes, index) => {
      if (index !== place.index) return bytes;
      const changed = bytes.slice();
      changed.set(data, place.offset);
      return changed;
    });
  }

  #place(address: number): { readonly range: MemoryRangeConfig; readonly index: number; readonly offset: number } {
    const index = this.#config.memory.findIndex(
      (each) => address >= each.address && address < each.address + each.size,
    );
    const range = this.#config.memory[index];
    if (range === undefined) throw new InvariantError(`no memory at ${address}`);
    return { range, index, offset: address - range.address };
  }
}
