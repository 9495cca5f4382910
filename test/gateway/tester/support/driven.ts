import type { Machine } from "../../../../emulator/kernel/machine.ts";
import { Pump } from "../../../../emulator/kernel/pump.ts";
import { Scheduler } from "../../../../emulator/kernel/scheduler.ts";
import { type Duration, type Instant, plus } from "../../../../emulator/kernel/time.ts";
import { fromHex } from "../../../../emulator/wire/text.ts";

export const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;

/** One machine on a timeline of its own, and what it said. */
export class Driven<Input, Output> {
  readonly timeline = new Scheduler();
  readonly #pump: Pump<Input, Output>;
  #said: Output[] = [];

  constructor(machine: Machine<Input, Output>) {
    this.#pump = new Pump(machine, this.timeline, (output) => this.#said.push(output));
  }

  get now(): Instant {
    return this.timeline.now;
  }

  /** Pushes, and answers what the machine said to it. */
  push(...inputs: readonly Input[]): Output[] {
    for (const input of inputs) this.#pump.push(input);
    return this.take();
  }

  /** Lets time pass, and answers what the machine said meanwhile. */
  run(span: Duration): Output[] {
    this.timeline.runUntil(plus(this.now, span));
    return this.take();
  }

  /** What was said since the last time. */
  take(): Output[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  /** After the machine's state was replaced. */
  settle(): void {
    this.#pump.settle();
  }
}
