import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SYSTEM_NAMES } from "../../hil/bench/source-schema.ts";
import { describeWithJudge } from "../support/judges.ts";
import { COLUMNS, type MatrixRow } from "./row.ts";
import { rows } from "./rows.ts";
import { tableIn, tableOf, withTable } from "./table.ts";

// Each cell of the README's table is one of these tests.
for (const row of rows) {
  const [judge, ...others] = row.judges ?? [];
  const title = `${row.system}, ${row.peer}`;
  const suite = (): void => cellsOf(row);
  const judged = others.reduce((inner, each) => () => describeWithJudge(each, each, inner), suite);
  if (judge === undefined) describe(title, judged);
  else describeWithJudge(judge, title, judged);
}

function cellsOf({ cells }: MatrixRow): void {
  for (const column of COLUMNS) {
    const cell = cells[column];
    if (cell === undefined) continue;
    it(`${column}: ${cell.outcome}`, async () => {
      expect(await cell.run()).toBe(cell.outcome);
    });
  }
}

describe("the matrix of the README", () => {
  const page = readFileSync("README.md", "utf8");

  it("is the one of these tests", () => {
    expect(tableIn(page)).toBe(tableOf(rows));
  });

  it("has every update system that a vehicle can be set to, with our own server and another side", () => {
    for (const name of SYSTEM_NAMES) {
      const peers = rows.filter(({ system }) => system === name).map(({ peer }) => peer);
      expect(peers).toContain("our server");
      expect(peers.length).toBeGreaterThan(1);
    }
  });

  it("says what our own server and device do in every column", () => {
    for (const { peer, cells } of rows) {
      if (peer === "our server") expect(COLUMNS.filter((column) => cells[column] === undefined)).toEqual([]);
    }
  });

  it("is written anew by its tool without a change", () => {
    expect(withTable(page, tableOf(rows))).toBe(page);
  });
});
