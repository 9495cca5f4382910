import { type Duration, plus, us } from "../../emulator/kernel/time.ts";
import type { Timeline } from "../../emulator/kernel/timeline.ts";
import type { Trace, TraceEvent } from "../../emulator/kernel/trace.ts";
import { eventType, type Trigger } from "./trigger-schema.ts";

/**
 * Does something at a moment that is named by what the trace says: the nth event of a type, and a while after it.
 * The deed is done from an alarm, never while the event is being recorded.
 */
export class Moments {
  readonly #timeline: Timeline;
  readonly #trace: Trace;
  readonly #ends: (() => void)[] = [];

  constructor(timeline: Timeline, trace: Trace) {
    this.#timeline = timeline;
    this.#trace = trace;
  }

  /** Does it once. */
  when(trigger: Trigger, deed: () => void): void {
    const alarm = this.#timeline.alarm(deed);
    let left = trigger.occurrence;
    const stop = this.#trace.on(eventType(trigger), (event) => {
      if (left === 0 || !matches(event, trigger)) return;
      left--;
      if (left === 0) alarm.set(plus(event.at, us(trigger.afterUs)));
    });
    this.#ends.push(() => {
      stop();
      alarm.clear();
    });
  }

  after(span: Duration, deed: () => void): void {
    this.#timeline.alarm(deed).set(plus(this.#timeline.now, span));
  }

  /** What has not come by now will not come. */
  forget(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

function matches(event: TraceEvent, { source, where }: Trigger): boolean {
  if (source !== undefined && event.source !== source) return false;
  const fields = event as unknown as Readonly<Record<string, unknown>>;
  return Object.entries(where).every(([field, value]) => fields[field] === value);
}
