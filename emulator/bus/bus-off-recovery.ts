import type { Instant } from "../kernel/time.ts";
import type { CanNode } from "./can-node.ts";

/** What is counted on the way back onto the bus: 128 times 11 recessive bits in a row. (ISO 11898-1:2015, 12.1.4.3) */
const RECOVERY_BITS = 11;
const RECOVERY_SEQUENCES = 128;
/** What rounding may take away from a whole sequence. */
const ROUNDING = 1e-6;

/** The nodes of one wire that are off the bus and on their way back. */
export class BusOffRecovery {
  readonly #sequence: number;
  #nodes: readonly CanNode[] = [];
  /** Since when the wire has been recessive, ns; while a frame is on it, of no meaning. */
  recessiveSince = 0;

  /** @param nominalBit ns */
  constructor(nominalBit: number) {
    this.#sequence = RECOVERY_BITS * nominalBit;
  }

  /** @param nodes all of the wire */
  follow(nodes: readonly CanNode[]): void {
    this.#nodes = nodes.filter(({ recovery }) => recovery !== undefined);
  }

  begin(node: CanNode, now: Instant): void {
    node.recovery = { left: RECOVERY_SEQUENCES, since: now };
    this.#nodes = [...this.#nodes.filter((each) => each !== node), node];
  }

  /** Counts the recessive bits up to `until`, when a dominant one comes. */
  credit(until: number): void {
    for (const { recovery } of this.#nodes) {
      if (recovery === undefined) continue;
      const span = until - Math.max(this.recessiveSince, recovery.since);
      const sequences = Math.floor(span / this.#sequence + ROUNDING);
      if (sequences > 0) recovery.left -= sequences;
    }
  }

  /** When the first of them is back, if the wire stays recessive. */
  get next(): Instant | undefined {
    if (this.#nodes.length === 0) return undefined;
    return Math.min(...this.#nodes.map((node) => this.#backAt(node))) as Instant;
  }

  /** Takes out those that are back at that instant. */
  take(now: Instant): readonly CanNode[] {
    const back = this.#nodes.filter((node) => this.#backAt(node) <= now);
    this.#nodes = this.#nodes.filter((node) => !back.includes(node));
    for (const node of back) node.recovery = undefined;
    return back;
  }

  #backAt({ recovery }: CanNode): number {
    if (recovery === undefined) return Number.POSITIVE_INFINITY;
    return Math.round(Math.max(this.recessiveSince, recovery.since) + recovery.left * this.#sequence);
  }
}
