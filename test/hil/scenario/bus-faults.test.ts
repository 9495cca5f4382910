import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../../hil/scenario/run-report.ts";
import { runScenario } from "../../../hil/scenario/run-scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-"));
afterAll(() => rmSync(folder, { recursive: true }));

const BLOCK = "when: { event: uds.request, source: ECU_011, occurrence: 15, afterUs: 3000 }";

/** One update of ECU_011 with one fault. */
function run(fault: string, expectation: string): Promise<RunReport> {
  const file = join(folder, "scenario.yaml");
  writeFileSync(
    file,
    `name: a fault of the bus
vehicle: ${resolve("fixtures/vehicles/two-zone.yaml")}
releases:
  next:
    ecus:
      ECU_011: { version: 1.1.0, firmware: ${resolve("fixtures/firmware/avrgirl-leonardo-blink.hex")} }
steps:
  - name: the only one
    update: next
    faults: [${fault}]
    expect: ${expectation}
`,
  );
  return runScenario(file, { seed: "7" });
}

describe("faults of a bus in a scenario", () => {
  it.each([
    ["a wire of the zonal gateway that is open for a while", `{ fault: openWire, node: ZG_1, ${BLOCK}, forMs: 20 }`],
    ["a wire of the ECU that is open for a while", `{ fault: openWire, node: ECU_011, ${BLOCK}, forMs: 20 }`],
    [
      "a bystander at twice the bit rate",
      `{ fault: wrongBitRate, node: ECU_012, bitRate: 1000000, ${BLOCK}, forMs: 5 }`,
    ],
    ["wires that touch the supply", `{ fault: shortCircuit, bus: can1, level: dominant, ${BLOCK}, forMs: 20 }`],
    ["bit 40 of three frames", `{ fault: corruptBit, bus: can1, bit: 40, id: 0x7E0, count: 3, ${BLOCK} }`],
    ["a frame that one node sees wrongly", `{ fault: corruptBit, bus: can1, bit: 30, seenBy: ECU_011, ${BLOCK} }`],
    [
      "a node that babbles late in the arbitration",
      `{ fault: babble, node: ECU_012, frame: { id: 0x7FF, data: "55" }, ${BLOCK}, forMs: 500 }`,
    ],
  ])("%s: the update goes through", async (name, fault) => {
    const errors = name.includes("babbles") || name.includes("of the ECU") ? 0 : 1;
    const expectation = `{ verdict: updated, ecus: { ECU_011: updated }, events: { fault.injected: 1, can.error: ${errors} } }`;
    const report = await run(fault, expectation);
    expect(report.steps, `replay: ${report.replayCommand}`).toMatchObject([{ verdict: "passed" }]);
  });

  it.each([
    ["openWire, node: ECU_099", "ECU_099"],
    ["shortCircuit, bus: can9, level: dominant", "can9"],
    ["corruptBit, bus: can1, bit: 3, seenBy: ECU_021", "ECU_021, which is not on can1"],
    ["babble, node: ECU_011, frame: { id: 1, fd: true }", "CAN FD frame on classic bus"],
  ])("%s: no such thing can be, and the file is refused", async (fault, reason) => {
    const refused = run(`{ fault: ${fault}, ${BLOCK} }`, "{ verdict: updated }");
    await expect(refused).rejects.toMatchObject({ code: "FILE_INVALID", message: expect.stringContaining(reason) });
  });

  it.each([
    ["babble, node: ECU_011, frame: { id: 0x800 }", "identifier"],
    ['babble, node: ECU_011, frame: { id: 1, data: "0" }', "hexadecimal"],
    ["wrongBitRate, node: ECU_011, bitRate: 0", "bitRate"],
    ["corruptBit, bus: can1, bit: 800", "bit"],
    ["shortCircuit, bus: can1, level: high", "level"],
  ])("%s: the schema says what is wrong", async (fault, reason) => {
    const refused = run(`{ fault: ${fault}, ${BLOCK} }`, "{ verdict: updated }");
    await expect(refused).rejects.toMatchObject({ code: "FILE_INVALID", message: expect.stringContaining(reason) });
  });
});
