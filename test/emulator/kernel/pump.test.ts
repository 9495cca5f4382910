import { describe, expect, it } from "vitest";
import type { Machine } from "../../../emulator/kernel/machine.ts";
import { Pump } from "../../../emulator/kernel/pump.ts";
import { Scheduler } from "../../../emulator/kernel/scheduler.ts";
import type { Instant } from "../../../emulator/kernel/time.ts";

const at = (instant: number): Instant => instant as Instant;

/** Answers each number by counting down to 0, and has one deadline. */
class CountDown implements Machine<number, string> {
  deadline: Instant | undefined;
  readonly deadlines: Instant[] = [];
  readonly #outputs: string[] = [];

  handle(input: number, now: Instant): void {
    for (let count = input; count >= 0; count--) this.#outputs.push(`${count} at ${now}`);
  }

  handleDeadline(now: Instant): void {
    this.deadlines.push(now);
    this.deadline = undefined;
    this.#outputs.push(`deadline at ${now}`);
  }

  poll(): string | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Instant | undefined {
    return this.deadline;
  }
}

describe("the pump", () => {
  it("drains a machine after each push, and tells it the time", () => {
    const scheduler = new Scheduler();
    const said: string[] = [];
    const pump = new Pump(new CountDown(), scheduler, (output) => said.push(output));
    pump.push(1);
    scheduler.runUntil(at(4));
    pump.push(0);
    expect(said).toEqual(["1 at 0", "0 at 0", "0 at 4"]);
  });

  it("lets what it delivers push again: inputs nest, outputs stay in order", () => {
    const scheduler = new Scheduler();
    const said: string[] = [];
    const pump = new Pump(new CountDown(), scheduler, (output) => {
      said.push(output);
      if (output === "2 at 0") pump.push(0);
    });
    pump.push(2);
    expect(said).toEqual(["2 at 0", "1 at 0", "0 at 0", "0 at 0"]);
  });

  it("arms one alarm for the machine's deadline, moves it and clears it", () => {
    const scheduler = new Scheduler();
    const machine = new CountDown();
    const pump = new Pump(machine, scheduler, () => undefined);
    machine.deadline = at(50);
    pump.settle();
    expect(scheduler.next).toBe(50);
    machine.deadline = at(20);
    pump.push(0);
    expect(scheduler.next).toBe(20);
    machine.deadline = undefined;
    pump.settle();
    expect(scheduler.next).toBeUndefined();
    machine.deadline = at(30);
    pump.settle();
    scheduler.runUntil(at(100));
    expect(machine.deadlines).toEqual([30]);
  });

  it("delivers what a deadline brings", () => {
    const scheduler = new Scheduler();
    const machine = new CountDown();
    const said: string[] = [];
    const pump = new Pump(machine, scheduler, (output) => said.push(output));
    machine.deadline = at(5);
    pump.settle();
    scheduler.runToIdle(at(5));
    expect(said).toEqual(["deadline at 5"]);
  });

  it("takes a deadline that has passed as now", () => {
    const scheduler = new Scheduler();
    const machine = new CountDown();
    const pump = new Pump(machine, scheduler, () => undefined);
    scheduler.runUntil(at(10));
    machine.deadline = at(3);
    pump.settle();
    scheduler.runUntil(at(10));
    expect(machine.deadlines).toEqual([10]);
  });

  it("goes on working after a delivery that threw", () => {
    const scheduler = new Scheduler();
    const said: string[] = [];
    const pump = new Pump(new CountDown(), scheduler, (output) => {
      if (output === "1 at 0") throw new Error("nobody listens");
      said.push(output);
    });
    expect(() => pump.push(1)).toThrow("nobody listens");
    pump.push(0);
    expect(said).toEqual(["0 at 0", "0 at 0"]);
  });
});
