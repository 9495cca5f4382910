import { UsageError } from "./errors.ts";
import type { Stateful } from "./machine.ts";
import { Scheduler, type SchedulerState } from "./scheduler.ts";
import { Trace, type TraceState } from "./trace.ts";

/** Everything a virtual world is at one instant, as plain data that can be kept and put back any number of times. */
export interface WorldSnapshot {
  readonly scheduler: SchedulerState;
  readonly trace: TraceState;
  readonly parts: ReadonlyMap<string, unknown>;
}

/**
 * One virtual world: its timeline, its trace, and the parts whose state makes it up.
 *
 * To fork a run, build a second world from the same description and {@link restore} the first one's snapshot there:
 * from then on both go the same way, event for event.
 */
export class World {
  readonly timeline = new Scheduler();
  readonly trace = new Trace();
  readonly #parts = new Map<string, Stateful<unknown>>();

  /** @throws {UsageError} when the name is taken */
  add<Part extends Stateful<unknown>>(name: string, part: Part): Part {
    if (this.#parts.has(name)) throw new UsageError(`two parts of the world are called "${name}"`);
    this.#parts.set(name, part);
    return part;
  }

  snapshot(): WorldSnapshot {
    const parts = new Map<string, unknown>();
    for (const [name, part] of this.#parts) parts.set(name, part.save());
    return { scheduler: this.timeline.save(), trace: this.trace.save(), parts };
  }

  /** @throws {UsageError} when the snapshot was taken of a world with other parts; nothing has changed then */
  restore(snapshot: WorldSnapshot): void {
    const names = [...this.#parts.keys()];
    const missing = names.filter((name) => !snapshot.parts.has(name));
    if (missing.length > 0 || snapshot.parts.size !== names.length) {
      throw new UsageError(`the snapshot is of another world (${missing.join(", ") || "it has more parts"})`);
    }
    this.timeline.load(snapshot.scheduler);
    this.trace.load(snapshot.trace);
    for (const [name, part] of this.#parts) part.load(snapshot.parts.get(name));
  }
}
