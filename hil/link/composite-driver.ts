import { UsageError } from "../../emulator/kernel/errors.ts";
import type { HostAnswer, HostKind, HostRequest } from "../../gateway/source/host-request.ts";
import { type HostDriver, isLastAnswer } from "./host-driver.ts";

/** Carries out requests of several kinds, each with the driver for it, which is made when the first one comes. */
export class CompositeDriver implements HostDriver {
  readonly #makers: Partial<Record<HostKind, () => HostDriver>>;
  readonly #drivers = new Map<HostKind, HostDriver>();
  readonly #underWay = new Map<number, HostDriver>();
  #closed = false;

  constructor(makers: Partial<Record<HostKind, () => HostDriver>>) {
    this.#makers = makers;
  }

  /** @throws {UsageError} for a kind that there is no driver for, too */
  start(id: number, request: HostRequest): void {
    if (this.#closed) throw new UsageError("the driver is closed");
    if (this.#underWay.has(id)) throw new UsageError(`request ${id} is under way already`);
    const driver = this.#driver(request.kind);
    driver.start(id, request);
    this.#underWay.set(id, driver);
  }

  async next(id: number): Promise<HostAnswer> {
    const driver = this.#underWay.get(id);
    if (driver === undefined) throw new UsageError(`request ${id} is not under way`);
    const answer = await driver.next(id);
    if (isLastAnswer(answer) && this.#underWay.get(id) === driver) this.#underWay.delete(id);
    return answer;
  }

  abandon(id: number): void {
    this.#underWay.get(id)?.abandon(id);
    this.#underWay.delete(id);
  }

  /** The sum of those drivers that tell. */
  retransmissions(): number | undefined {
    const counts = [...this.#drivers.values()].flatMap((driver) => driver.retransmissions() ?? []);
    return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#underWay.clear();
    await Promise.all([...this.#drivers.values()].map((driver) => driver.close()));
  }

  #driver(kind: HostKind): HostDriver {
    const driver = this.#drivers.get(kind) ?? this.#makers[kind]?.();
    if (driver === undefined) throw new UsageError(`nothing carries out requests of kind "${kind}"`);
    this.#drivers.set(kind, driver);
    return driver;
  }
}
