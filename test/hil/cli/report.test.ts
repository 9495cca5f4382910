import { describe, expect, it } from "vitest";
import { junitXml } from "../../../hil/cli/junit.ts";
import { reportText } from "../../../hil/cli/report-table.ts";
import { report } from "./sample-report.ts";

describe("the closing table", () => {
  it("has one row for each ECU, then source, failed steps, files and verdict", () => {
    expect(reportText(report())).toBe(`\
ECU      before  after   bytes  frames  on the wire  wall time  verdict
-------  ------  -----  ------  ------  -----------  ---------  -------
ECU_011  1.0.0   1.1.0  106528   15429       3.57 s     0.37 s  updated
ECU_021  1.0.0   -        9760     255      76.4 ms     0.37 s  failed

source    https https://localhost:4443: 200838 bytes, 1 retry, retransmissions not told, 43.0 ms
failed    ECU_021 <again>: expected "1.2.0" & no reset, observed no answer
          N_TIMEOUT_Bs: it is silent
capture   out/capture.pcapng
candump   out/candump.log
trace     out/trace.otbtrace
replay    npx otabench run fixtures/scenarios/first-update.yaml --seed 7
digest    14775b5f
verdict   passed, 24.52 s of virtual time in 0.78 s
`);
  });

  it("tells retransmissions, or that the transport does not", () => {
    const source = { system: "ssu", peer: "ssu://localhost:4444/f", bytes: 5, retries: 0, ms: 7 };
    const line = (retransmissions: number | null): string =>
      reportText(report({ source: { ...source, retransmissions } })).match(/^source.*$/m)?.[0] ?? "";
    expect(line(null)).toContain(", retransmissions not told,");
    expect(line(0)).toBe("source    ssu ssu://localhost:4444/f: 5 bytes, 0 retries, 0 retransmissions, 7.0 ms");
    expect(line(1)).toContain(", 1 retransmission,");
  });

  it("does without ECUs, source and files", () => {
    const { traceFile, captureFile, candumpFile, source, ...rest } = report({ ecus: [], steps: [] });
    expect([traceFile, captureFile, candumpFile, source]).not.toContain(undefined);
    expect(reportText({ ...rest, verdict: "failed", code: "X", reason: "why" })).toBe(`
replay    npx otabench run fixtures/scenarios/first-update.yaml --seed 7
digest    14775b5f
verdict   failed (X: why), 24.52 s of virtual time in 0.78 s
`);
  });
});

describe("JUnit XML", () => {
  it("has a test case for each step, each ECU and the run, with what failed", () => {
    expect(junitXml(report({ verdict: "failed", code: "N_TIMEOUT_Bs", reason: "no answer" }))).toMatchInlineSnapshot(`
      "<?xml version="1.0" encoding="UTF-8"?>
      <testsuites name="otabench" tests="5" failures="3" errors="0" skipped="0" time="0.781">
        <testsuite name="fixtures/scenarios/first-update.yaml" tests="5" failures="3" errors="0" skipped="0" time="0.781">
          <properties>
            <property name="seed" value="7"/>
            <property name="traceDigest" value="14775b5f"/>
            <property name="traceFile" value="out/trace.otbtrace"/>
            <property name="captureFile" value="out/capture.pcapng"/>
            <property name="candumpFile" value="out/candump.log"/>
            <property name="replayCommand" value="npx otabench run fixtures/scenarios/first-update.yaml --seed 7"/>
          </properties>
          <testcase classname="steps" name="update" time="0.000"/>
          <testcase classname="steps" name="ECU_021 &lt;again&gt;" time="0.000">
            <failure type="N_TIMEOUT_Bs" message="expected &quot;1.2.0&quot; &amp; no reset, observed no answer: it is silent">N_TIMEOUT_Bs: expected &quot;1.2.0&quot; &amp; no reset, observed no answer: it is silent</failure>
          </testcase>
          <testcase classname="ecus" name="ECU_011" time="0.366"/>
          <testcase classname="ecus" name="ECU_021" time="0.370">
            <failure type="ECU_FAILED" message="answered version &quot;1.0.0&quot; before and &quot;&quot; after">ECU_FAILED: answered version &quot;1.0.0&quot; before and &quot;&quot; after</failure>
          </testcase>
          <testcase classname="run" name="fixtures/scenarios/first-update.yaml" time="0.781">
            <failure type="N_TIMEOUT_Bs" message="no answer">N_TIMEOUT_Bs: no answer</failure>
          </testcase>
        </testsuite>
      </testsuites>
      "
    `);
  });

  it("does not count an ECU as failed that the scenario meant to fail", () => {
    const xml = junitXml(report({ steps: [] }));
    expect(xml).toContain('failures="0"');
    expect(xml).toContain('<testcase classname="ecus" name="ECU_021" time="0.370"/>');
  });

  it("keeps what XML can't hold out, and the rest in", () => {
    const xml = junitXml(report({ scenario: 'a"<&>\u0001\n\ud800é𝒳' }));
    expect(xml).toContain('name="a&quot;&lt;&amp;&gt;?&#10;?é𝒳"');
  });
});
