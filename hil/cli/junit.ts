import type { RunReport, Verdict } from "../scenario/run-report.ts";

interface TestCase {
  readonly className: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly seconds: number;
  readonly code: string;
  readonly text: string;
}

/**
 * A run as JUnit XML: one test case for each step of the scenario, one for each ECU, and one for the run as a whole.
 * An ECU that ended as the scenario expects it to fail is no failed test: only the run's steps judge that.
 */
export function junitXml(report: RunReport): string {
  const cases = testCases(report);
  const failures = cases.filter(({ verdict }) => verdict === "failed").length;
  const time = seconds(report.wallMs);
  const counts = `tests="${cases.length}" failures="${failures}" errors="0" skipped="0" time="${time}"`;
  const properties = ["seed", "traceDigest", "traceFile", "captureFile", "candumpFile", "replayCommand"] as const;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="otabench" ${counts}>`,
    `  <testsuite name="${escapeXml(report.scenario)}" ${counts}>`,
    "    <properties>",
    ...properties
      .filter((name) => report[name] !== undefined)
      .map((name) => `      <property name="${name}" value="${escapeXml(report[name] as string)}"/>`),
    "    </properties>",
    ...cases.flatMap(caseLines),
    "  </testsuite>",
    "</testsuites>",
  ];
  return `${lines.join("\n")}\n`;
}

function testCases(report: RunReport): TestCase[] {
  const steps = report.steps.map(({ name, verdict, expected, observed, code, reason }) => ({
    className: "steps",
    name,
    verdict,
    seconds: 0,
    code: code ?? "EXPECTATION",
    text: `expected ${expected}, observed ${observed}${reason === undefined ? "" : `: ${reason}`}`,
  }));
  const ecus = report.ecus.map(({ ecu, verdict, versionBefore, versionAfter, wallMs }) => ({
    className: "ecus",
    name: ecu,
    verdict: verdict === "failed" && report.verdict === "failed" ? ("failed" as const) : ("passed" as const),
    seconds: wallMs / 1000,
    code: "ECU_FAILED",
    text: `answered version "${versionBefore}" before and "${versionAfter}" after`,
  }));
  const whole = {
    className: "run",
    name: report.scenario,
    verdict: report.verdict,
    seconds: report.wallMs / 1000,
    code: report.code ?? "FAILED",
    text: report.reason ?? "the run failed",
  };
  return [...steps, ...ecus, whole];
}

function caseLines({ className, name, verdict, seconds: time, code, text }: TestCase): string[] {
  const head = `    <testcase classname="${className}" name="${escapeXml(name)}" time="${time.toFixed(3)}"`;
  if (verdict === "passed") return [`${head}/>`];
  return [
    `${head}>`,
    `      <failure type="${escapeXml(code)}" message="${escapeXml(text)}">${escapeXml(`${code}: ${text}`)}</failure>`,
    "    </testcase>",
  ];
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Characters that XML 1.0 can't hold become "?"; line ends are kept as references. (XML 1.0, 2.2) */
function escapeXml(text: string): string {
  let escaped = "";
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code === 9 || code === 10 || code === 13) escaped += `&#${code};`;
    else if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff) escaped += "?";
    else escaped += ENTITIES[character] ?? character;
  }
  return escaped;
}
