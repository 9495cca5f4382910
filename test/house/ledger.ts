import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** One row of the ledger: what a model does, and the test that shows it. */
export interface LedgerRow {
  /** "docs/fidelity.md:12" */
  readonly place: string;
  readonly model: string;
  readonly clause: string;
  readonly does: string;
  readonly doesNot: string;
  /** "test/emulator/bus/x.test.ts › describe › it" */
  readonly test: string;
}

const LEDGER = "docs/fidelity.md";
const PARTS = "docs/fidelity";
const ARROW = " › ";
/** Functions whose calls give tests their titles, and which argument is the title. */
const TITLED: ReadonlyMap<string, number> = new Map([
  ["describe", 0],
  ["it", 0],
  ["test", 0],
  ["describeWithJudge", 1],
]);

/** The ledger's pages that there are. @param root of the repository */
export function ledgerPages(root: string): string[] {
  const parts = existsSync(join(root, PARTS)) ? readdirSync(join(root, PARTS)).map((name) => `${PARTS}/${name}`) : [];
  return [LEDGER, ...parts].filter((page) => page.endsWith(".md") && existsSync(join(root, page)));
}

/** All rows of one page: lines of tables with five columns, headings and rules left out. */
export function ledgerRows(page: string, text: string): LedgerRow[] {
  return text.split("\n").flatMap((line, index) => {
    const cells = cellsOf(line);
    if (cells.length !== 5 || cells[0] === "model" || /^:?-+:?$/.test(cells[0] as string)) return [];
    const [model, clause, does, doesNot, test] = cells as [string, string, string, string, string];
    return [{ place: `${page}:${index + 1}`, model, clause, does, doesNot, test: test.replaceAll("`", "") }];
  });
}

/** Every title path of a test file, as the ledger writes it, without the name of the file. */
export function titlePaths(path: string, text: string): Set<string> {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const paths = new Set<string>();
  const visit = (node: ts.Node, above: readonly string[]): void => {
    const title = ts.isCallExpression(node) ? titleOf(node) : undefined;
    const titles = title === undefined ? above : [...above, title];
    if (title !== undefined) paths.add(titles.join(ARROW));
    ts.forEachChild(node, (child) => visit(child, titles));
  };
  visit(source, []);
  return paths;
}

/** Why a row is not backed by a test; undefined when it is. */
export function rowFault(root: string, row: LedgerRow): string | undefined {
  const [file = "", ...titles] = row.test.split(ARROW);
  if (!/^test\/.*\.test\.ts$/.test(file)) return `"${row.test}" names no test file`;
  if (!existsSync(join(root, file))) return `there is no ${file}`;
  if (titles.length === 0) return `"${row.test}" names no test in its file`;
  const paths = titlePaths(file, readFileSync(join(root, file), "utf8"));
  return paths.has(titles.join(ARROW)) ? undefined : `${file} has no test "${titles.join(ARROW)}"`;
}

function cellsOf(line: string): string[] {
  const trimmed = line.trim();
  if (!trimmed.startsWith("|") || !trimmed.endsWith("|")) return [];
  return trimmed
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** describe("…"), it.each(rows)("…"), describeWithJudge("tshark", "…"). */
function titleOf(call: ts.CallExpression): string | undefined {
  let callee: ts.Expression = call.expression;
  while (ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee)) callee = callee.expression;
  const place = ts.isIdentifier(callee) ? TITLED.get(callee.text) : undefined;
  const title = place === undefined ? undefined : call.arguments[place];
  if (title === undefined) return undefined;
  if (ts.isStringLiteralLike(title)) return title.text;
  if (!ts.isTemplateExpression(title)) return undefined;
  return title.head.text + title.templateSpans.map(({ literal }) => `…${literal.text}`).join("");
}
