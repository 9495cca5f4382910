import type { BenchResult } from "./row.ts";
import { rows } from "./rows.ts";

/**
 * `npm run bench [-- words]`: how fast the virtual vehicle is, in frames a second of wall time on one core. Rows whose
 * name does not have all the words in it are left out. Each row is run {@link ROUNDS} times, all rows in turn, so that a
 * busy machine slows all of them; the best counts.
 */
const ROUNDS = 12;
const words = process.argv.slice(2);

const chosen = rows.filter(({ name }) => words.every((word) => name.includes(word)));
const best = new Map<string, BenchResult>();
for (let round = 0; round < ROUNDS; round++) {
  for (const row of chosen) {
    const result = row.run();
    const before = best.get(row.name);
    if (before === undefined || result.wallNs < before.wallNs) best.set(row.name, result);
  }
}

const rate = ({ frames, wallNs }: BenchResult): number => (frames * 1e9) / wallNs;
const count = (value: number): string => Math.round(value).toLocaleString("en-US").replaceAll(",", " ");

const table = [["", "frames", "frames/s", "ns/frame", "virtual/wall", "time per frame, compared"]];
for (const { name, comparedWith } of chosen) {
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

const widths = (table[0] as string[]).map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
for (const row of table) {
  const cells = row.map((cell, column) => {
    const width = widths[column] as number;
    return column === 0 || column === row.length - 1 ? cell.padEnd(width) : cell.padStart(width);
  });
  console.log(cells.join("  ").trimEnd());
}
