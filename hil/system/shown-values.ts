import type { Operator } from "../server/srup/c2-server.ts";

const PATIENCE_MS = 10_000;

/** What the devices of a bench show while they join, for the person and the observer on the bench who compare. */
export class ShownValues {
  readonly #values = new Map<string, string>();
  readonly #waiting = new Set<() => void>();

  show(device: string, value: string): void {
    this.#values.set(device, value);
    for (const wake of this.#waiting) wake();
  }

  /** Whether the device shows that value; a device that shows nothing does not. */
  async isShown(device: string, value: string): Promise<boolean> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!this.#values.has(device) && performance.now() < deadline) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, deadline - performance.now());
      this.#waiting.add(resolve);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
    return this.#values.get(device) === value;
  }

  /** @param mood "honest" says what is seen; the others say the same of every device */
  operator(mood: "honest" | "refuse" | "fail"): Operator {
    return {
      compare: async (device, value) => {
        if (mood !== "honest") return mood;
        return (await this.isShown(device, value)) ? "accept" : "fail";
      },
    };
  }
}
