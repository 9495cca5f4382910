import type { Stateful } from "../kernel/machine.ts";
import type { Instant } from "../kernel/time.ts";
import type { Control, ControlRule } from "../uds/host-data.ts";
import type { Session } from "../wire/uds.ts";
import type { LiveRecordConfig, ValueConfig } from "./data-config.ts";

/** What a tester holds a value at; undefined where the ECU itself does. */
type Held = readonly (number | undefined)[];

export interface LiveValuesState {
  readonly held: readonly (readonly [did: number, held: Held])[];
}

/** The values of the application, as a function of time, and those that a tester has taken control of. */
export class LiveValues implements Stateful<LiveValuesState> {
  readonly #records: ReadonlyMap<number, LiveRecordConfig>;
  #held: ReadonlyMap<number, Held> = new Map();

  constructor(records: readonly LiveRecordConfig[]) {
    this.#records = new Map(records.map((record) => [record.did, record]));
  }

  read(did: number, now: Instant): Uint8Array | undefined {
    const record = this.#records.get(did);
    if (record === undefined) return undefined;
    const values = record.values.map((value, index) => this.#held.get(did)?.[index] ?? valueAt(value, now));
    return Uint8Array.from(record.values.flatMap(({ length }, index) => octets(values[index] as number, length)));
  }

  control(did: number, control: Control, selected: readonly boolean[], now: Instant): void {
    const values = this.#records.get(did)?.values ?? [];
    const before = this.#held.get(did) ?? [];
    const held = values.map((value, index) =>
      selected[index] === true ? heldAt(value, before[index], control, index, now) : before[index],
    );
    this.#held = new Map([...this.#held, [did, held]]);
  }

  /** Security is locked now: what the session does not allow, or needs security, goes back to the ECU. */
  sessionEntered(session: Session): void {
    const lasting = ([did]: readonly [number, Held]): boolean => {
      const access = this.#records.get(did)?.control;
      return access !== undefined && !access.unlocked && access.sessions.includes(session);
    };
    this.#held = new Map([...this.#held].filter(lasting));
  }

  /** A start: the ECU controls all of them. */
  begin(): void {
    this.#held = new Map();
  }

  save(): LiveValuesState {
    return { held: [...this.#held] };
  }

  load(state: LiveValuesState): void {
    this.#held = new Map(state.held);
  }
}

export const controlRules = (records: readonly LiveRecordConfig[]): ReadonlyMap<number, ControlRule> =>
  new Map(
    records.flatMap(({ did, values, control }) =>
      control === undefined ? [] : [[did, { ...control, parameters: values }] as const],
    ),
  );

function heldAt(
  value: ValueConfig,
  before: number | undefined,
  control: Control,
  index: number,
  now: Instant,
): number | undefined {
  switch (control.type) {
    case "returnControlToEcu":
      return undefined;
    case "resetToDefault":
      return value.initial;
    case "freezeCurrentState":
      return before ?? valueAt(value, now);
    case "shortTermAdjustment":
      return control.values[index];
  }
}

function valueAt({ initial, max, drift }: ValueConfig, now: Instant): number {
  if (drift === undefined) return initial;
  return (initial + Math.floor(now / drift.every) * drift.step) % (max + 1);
}

const octets = (value: number, length: number): readonly number[] =>
  Array.from({ length }, (_, index) => Math.floor(value / 0x100 ** (length - 1 - index)) % 0x100);
