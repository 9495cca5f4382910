import type { BenchResult, BenchRow } from "./row.ts";
import { printTable } from "./table.ts";

const ROUNDS = 12;

/** Frames a second through the virtual vehicle. Each row is run so many times, all rows in turn; the best counts. */
export function benchFrames(rows: readonly BenchRow[]): void {
  const best = new Map<string, BenchResult>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const row of rows) {
      const result = row.run();
      const before = best.get(row.name);
      if (before === undefined || result.wallNs < before.wallNs) best.set(row.name, result);
    }
  }
  const table = [["", "frames", "frames/s", "ns/frame", "virtual/wall", "time per frame, compared"]];
  for (const { name, comparedWith } of rows) {
    const result = best.get(name) as BenchResult;
    const other = best.get(comparedWith ?? "");
    table.push([
      name,
      count(result.frames),
      count(rate(result)),
      count(result.wallNs / result.frames),
      `${count(result.virtualNs / result.wallNs)} x`,
      other === undefined ? "" : `${(rate(other) / rate(result)).toFixed(2)} x ${comparedWith}`,
    ]);
  }
  printTable(table);
}

const rate = ({ frames, wallNs }: BenchResult): number => (frames * 1e9) / wallNs;
const count = (value: number): string => Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
