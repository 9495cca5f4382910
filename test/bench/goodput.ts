import type { GoodputBench, GoodputRow } from "./goodput-rows.ts";
import { printTable } from "./table.ts";

const ROUNDS = 5;
const MIB = 1024 * 1024;

/**
 * Firmware a second over loopback, and as a ratio to the first row. All rows in turn, so many times; the best counts, the
 * median stands beside it.
 */
export async function benchGoodput(rows: readonly GoodputRow[]): Promise<void> {
  const rates = new Map<string, number[]>();
  const benches: (readonly [GoodputRow, GoodputBench])[] = [];
  for (const row of rows) benches.push([row, await row.open()]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [{ name }, bench] of benches) {
      const begin = performance.now();
      const bytes = await bench.pull();
      if (bytes === 0) throw new Error(`${name}: nothing came`);
      rates.set(name, [...(rates.get(name) ?? []), bytes / MIB / ((performance.now() - begin) / 1000)]);
    }
  }
  for (const [, bench] of benches) await bench.close();
  const [first] = rates.values();
  const table = [["", "MiB/s", "median", "ratio, of the best"]];
  for (const [name, all] of rates) {
    const best = Math.max(...all);
    const ratio = best / Math.max(...(first ?? all));
    table.push([name, best.toFixed(1), median(all).toFixed(1), `${ratio.toFixed(3)} x ${rows[0]?.name}`]);
  }
  printTable(table);
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] as number;
