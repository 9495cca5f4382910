import type { Machine } from "./machine.ts";
import type { Instant } from "./time.ts";
import type { Alarm, Timeline } from "./timeline.ts";

/**
 * Runs one machine on a timeline: after every mutation it drains the outputs and re-arms one alarm.
 * This is the only code that knows both the machine and the clock. `deliver` may push into the same pump.
 */
export class Pump<Input, Output> {
  readonly #machine: Machine<Input, Output>;
  readonly #timeline: Timeline;
  readonly #deliver: (output: Output) => void;
  readonly #alarm: Alarm;
  #draining = false;

  constructor(machine: Machine<Input, Output>, timeline: Timeline, deliver: (output: Output) => void) {
    this.#machine = machine;
    this.#timeline = timeline;
    this.#deliver = deliver;
    this.#alarm = timeline.alarm((now) => {
      this.#machine.handleDeadline(now);
      this.settle();
    });
  }

  push(input: Input): void {
    this.#machine.handle(input, this.#timeline.now);
    this.settle();
  }

  /** Drains and re-arms; to be called after the machine was changed by other means than `push`. */
  settle(): void {
    if (this.#draining) return; // the call that drains further out goes on
    this.#draining = true;
    try {
      for (let output = this.#machine.poll(); output !== undefined; output = this.#machine.poll()) {
        this.#deliver(output);
      }
    } finally {
      this.#draining = false;
    }
    const deadline = this.#machine.nextDeadline();
    if (deadline === undefined) this.#alarm.clear();
    else this.#alarm.set(Math.max(deadline, this.#timeline.now) as Instant);
  }
}
