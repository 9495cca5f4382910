import ts from "typescript";

/** One place where the house is not in order. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly rule:
    | "fileTooLong"
    | "functionTooLong"
    | "suppression"
    | "promise"
    | "restrictedGlobal"
    | "ambient"
    | "dynamicImport";
  readonly what: string;
}

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

const PROMISE_NAMES: ReadonlySet<string> = new Set([
  "Promise",
  "PromiseLike",
  "AsyncGenerator",
  "AsyncIterable",
  "AsyncIterableIterator",
  "AsyncIterator",
  "Awaited",
]);

/** What a pure room must not know; a name that the file declares itself is another thing. */
const RESTRICTED_NAMES: ReadonlySet<string> = new Set(
  (
    "Date performance setTimeout setInterval setImmediate queueMicrotask structuredClone process Buffer console " +
    "globalThis global require crypto fetch eval Function Intl Worker WebSocket SharedArrayBuffer Atomics WeakRef " +
    "FinalizationRegistry Temporal AbortSignal AbortController MessageChannel BroadcastChannel EventTarget EventSource " +
    "navigator localStorage sessionStorage WebAssembly NodeJS clearTimeout clearInterval clearImmediate"
  ).split(" "),
);

/** Comments that switch off a guard: what the guard is wrong about is changed in its settings, for all to see. */
const SUPPRESSION = /\b(biome-ignore|(ox|es)lint-disable)|@ts-(ignore|nocheck|expect-error)\b/;

/** @param path relative to the root of the repository, with "/" */
export function violationsOf(path: string, text: string): Violation[] {
  const violations: Violation[] = [];
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (lines > FILE_LINES_MAX) {
    violations.push({ path, line: FILE_LINES_MAX + 1, rule: "fileTooLong", what: `${lines} lines` });
  }
  if (!/\.[cm]?[jt]sx?$/.test(path)) return violations;
  for (const [index, line] of text.split("\n").entries()) {
    const [found] = SUPPRESSION.exec(line) ?? [];
    if (found !== undefined && isComment(line, found))
      violations.push({ path, line: index + 1, rule: "suppression", what: found });
  }
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const report = (node: ts.Node, rule: Violation["rule"], what: string): void => {
    violations.push({ path, line: lineOf(source, node.getStart(source)), rule, what });
  };
  if (!path.startsWith("test/")) walk(source, (node) => judgeLength(node, source, report));
  if (/^(emulator|gateway)\//.test(path)) {
    const declared = declaredNames(source);
    walk(source, (node) => judgePurity(node, declared, report));
  }
  return violations;
}

const isComment = (line: string, found: string): boolean => /\/[/*]/.test(line.slice(0, line.indexOf(found)));

type Report = (node: ts.Node, rule: Violation["rule"], what: string) => void;

function judgeLength(node: ts.Node, source: ts.SourceFile, report: Report): void {
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
  const lines = lineOf(source, node.getEnd()) - lineOf(source, node.getStart(source)) + 1;
  if (lines > FUNCTION_LINES_MAX) report(node, "functionTooLong", `${lines} lines`);
}

function judgePromise(node: ts.Node, report: Report): void {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) report(node, "promise", "async");
  if (ts.isAwaitExpression(node)) report(node, "promise", "await");
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) report(node, "promise", "for await");
  if (ts.isPropertyAccessExpression(node) && node.name.text === "fromAsync") report(node, "promise", "fromAsync");
  if (ts.isIdentifier(node) && !isName(node) && PROMISE_NAMES.has(node.text)) report(node, "promise", node.text);
}

function judgePurity(node: ts.Node, declared: ReadonlySet<string>, report: Report): void {
  judgePromise(node, report);
  if (node.kind === ts.SyntaxKind.DeclareKeyword && !isBrand(node.parent)) report(node, "ambient", "declare");
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    report(node, "dynamicImport", "import()");
  }
  if (!ts.isIdentifier(node) || isName(node)) return;
  if (node.text === "Math") judgeMath(node, report);
  if (RESTRICTED_NAMES.has(node.text) && !declared.has(node.text)) report(node, "restrictedGlobal", node.text);
}

/** `declare const brand: unique symbol`, which stands for nothing at run time; any other could stand for a clock. */
function isBrand(node: ts.Node): boolean {
  if (!ts.isVariableStatement(node)) return false;
  return node.declarationList.declarations.every(
    ({ type }) => type !== undefined && ts.isTypeOperatorNode(type) && type.operator === ts.SyntaxKind.UniqueKeyword,
  );
}

/** Only a function of it that is named there and then, and is not chance. */
function judgeMath(node: ts.Identifier, report: Report): void {
  const { parent } = node;
  const called = ts.isPropertyAccessExpression(parent) && parent.expression === node ? parent.name.text : undefined;
  if (called === "random") report(parent, "restrictedGlobal", "Math.random");
  else if (called === undefined) report(node, "restrictedGlobal", "Math");
}

/** The identifier names a property and does not stand for a variable. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) || ts.isPropertySignature(parent)) return parent.name === node;
  if (ts.isPropertyAssignment(parent) || ts.isMethodSignature(parent)) return parent.name === node;
  if (ts.isPropertyDeclaration(parent) || ts.isMethodDeclaration(parent)) return parent.name === node;
  if (ts.isGetAccessor(parent) || ts.isSetAccessor(parent)) return parent.name === node;
  return ts.isQualifiedName(parent) && parent.right === node;
}

/** Names of the file's own imports, variables, parameters and types. */
function declaredNames(source: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  walk(source, (node) => {
    const isDeclaration =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isBindingElement(node) ||
      ts.isImportSpecifier(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node);
    if (isDeclaration && node.name !== undefined && ts.isIdentifier(node.name)) names.add(node.name.text);
  });
  return names;
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

const lineOf = (source: ts.SourceFile, position: number): number =>
  source.getLineAndCharacterOfPosition(position).line + 1;
