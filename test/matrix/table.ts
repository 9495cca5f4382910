import { COLUMNS, type MatrixRow } from "./row.ts";

const BEGIN = "<!-- matrix: npm run matrix -->";
const END = "<!-- end of matrix -->";

/** The table of the README. */
export function tableOf(rows: readonly MatrixRow[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(["system", "other side", ...COLUMNS]),
    `|${"---|".repeat(2 + COLUMNS.length)}`,
    ...rows.map(({ system, peer, cells }) =>
      line([system, peer, ...COLUMNS.map((column) => inWords(cells[column]?.outcome))]),
    ),
  ].join("\n");
}

/** Codes are set as code. */
const inWords = (outcome: string | undefined): string => {
  if (outcome === undefined) return "–";
  return /^[A-Z_]+$/.test(outcome) ? `\`${outcome}\`` : outcome;
};

/** The table that a page has; undefined where it has none. */
export function tableIn(page: string): string | undefined {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  return begin < 0 || end < begin ? undefined : page.slice(begin + BEGIN.length, end).trim();
}

/** The page with that table in the place of its own. */
export function withTable(page: string, table: string): string {
  const begin = page.indexOf(BEGIN) + BEGIN.length;
  return `${page.slice(0, begin)}\n\n${table}\n\n${page.slice(page.indexOf(END))}`;
}
