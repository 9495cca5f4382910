import type { Instant } from "../../emulator/kernel/time.ts";
import { wallInstant } from "./udp-socket.ts";

const LONGEST_MS = 2 ** 31 - 1;

/** Wakes a machine at its deadline by the wall clock. */
export class MachineTimer {
  readonly #fire: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at: Instant | undefined;

  constructor(fire: () => void) {
    this.#fire = fire;
  }

  set(at: Instant | undefined): void {
    if (at === this.#at) return;
    this.clear();
    if (at === undefined) return;
    this.#at = at;
    const waitMs = Math.min(LONGEST_MS, Math.max(0, Math.ceil((at - wallInstant()) / 1e6)));
    this.#timer = setTimeout(() => {
      this.#at = undefined;
      this.#fire();
    }, waitMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#at = undefined;
  }
}
