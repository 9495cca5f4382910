// What `npm test` runs: all suites under vitest, what is missing on this machine, and the counts. Further arguments go
// to vitest. The last line is "N passed, N failed, N skipped"; with CI=true a skipped test counts as a failure.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { isNodeNewEnough, localNode, startFailure } from "../hil/cli/local-node.mjs";

/**
 * @typedef {{ status: string, fullName: string, ancestorTitles: string[] }} Assertion
 * @typedef {{ name: string, status: string, message: string, assertionResults: Assertion[] }} FileResult
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

const root = fileURLToPath(new URL("..", import.meta.url));
const isCi = process.env.CI === "true";

if (isNodeNewEnough()) process.exitCode = await main();
else process.exitCode = startAgain();

/** Goes on in the Node that npm installed. */
function startAgain() {
  const node = localNode();
  const said = "missing" in node ? node.missing : run(node.path, process.argv.slice(1));
  if (typeof said === "number") return said;
  console.error(said);
  return 1;
}

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {number | string} the exit code, or why there is none
 */
function run(program, args) {
  const { status, error, signal } = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  return status ?? startFailure(error?.message ?? `ended by ${signal}`);
}

async function main() {
  const { OPTIONAL_PROGRAMS, hasProgram, missingText } = await import("./support/programs.ts");
  const missing = OPTIONAL_PROGRAMS.filter(({ name }) => !hasProgram(name));
  const folder = mkdtempSync(join(tmpdir(), "otabench-test-"));
  try {
    const output = join(folder, "results.json");
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${output}`];
    const code = run(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)]);
    if (!existsSync(output)) {
      console.error(`vitest ended without results (${code})`);
      return 1;
    }
    /** @type {FileResult[]} */
    const files = JSON.parse(readFileSync(output, "utf8")).testResults;
    if (code !== 0) console.log(`vitest ended with ${code}: what failed stands above`);
    for (const { name } of missing) console.log(`not run: ${missingText(name)}`);
    const total = tell(files);
    return code === 0 && total.failed === 0 && !(isCi && total.skipped > 0) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Prints what was skipped and the counts of each suite, the sum last.
 * @param {FileResult[]} files
 */
function tell(files) {
  /** @type {Map<string, Counts>} */
  const suites = new Map();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const skipped = new Set();
  for (const file of files) {
    const [, suite = "."] = relative(root, file.name).split(sep);
    const counts = suites.get(suite) ?? { passed: 0, failed: 0, skipped: 0 };
    suites.set(suite, counts);
    for (const { kind, title } of outcomes(file)) {
      counts[kind]++;
      total[kind]++;
      if (kind === "skipped") skipped.add(title);
    }
  }
  for (const title of skipped) console.log(`skipped: ${title}${isCi ? " (a failure, since CI=true)" : ""}`);
  const width = Math.max(0, ...[...suites.keys()].map((name) => name.length));
  for (const [name, counts] of [...suites].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${name.padEnd(width)}  ${text(counts)}`);
  }
  console.log(text(total));
  return total;
}

/**
 * What came of each test of a file; a file that failed without a failed test could not be loaded, and counts as one.
 * @param {FileResult} file
 * @returns {{ kind: keyof Counts, title: string }[]}
 */
function outcomes({ name, status: fileStatus, assertionResults }) {
  /** @type {{ kind: keyof Counts, title: string }[]} */
  const list = assertionResults.map(({ status, fullName, ancestorTitles }) => ({
    kind: status === "passed" || status === "failed" ? status : "skipped",
    title: ancestorTitles[0] ?? fullName,
  }));
  if (fileStatus === "failed" && list.every(({ kind }) => kind !== "failed"))
    list.push({ kind: "failed", title: name });
  return list;
}

/** @param {Counts} counts */
function text({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
