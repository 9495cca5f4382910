import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { readScenario } from "../../../hil/scenario/read-scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-yaml-"));
const path = join(folder, "scenario.yaml");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = `name: a scenario
vehicle: ${resolve("fixtures/vehicles/two-zone.yaml")}
releases:
  next:
    ecus:
      ECU_011: { version: 1.1.0, firmware: x.bin }
steps:
  - name: first
    update: next
    faults:
      - fault: powerCut
        target: ECU_011
        when: { event: flash.eraseStarted }
    expect:
      verdict: updated
      ecus: { ECU_011: updated }
`;

/** What is said of a file in which one text stands for another. */
async function said(from: string, to: string): Promise<string> {
  expect(GOOD).toContain(from);
  writeFileSync(path, GOOD.replace(from, to));
  const error: unknown = await readScenario(path).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "FILE_INVALID" });
  return (error as Error).message;
}

describe("a file that a person wrote", () => {
  it("is read when it is in order", async () => {
    writeFileSync(path, GOOD);
    const { scenario, vehicle } = await readScenario(path);
    expect([scenario.name, vehicle.name]).toEqual(["a scenario", "two-zone"]);
  });

  it.each([
    ["a value of the wrong kind", "version: 1.1.0", "version: [1]", 6, "releases.next.ecus.ECU_011.version: "],
    ["a value out of range", "version: 1.1.0", "version: 1.x", 6, "version: is no version x.y.z"],
    [
      "an unknown field",
      "    update: next",
      "    updaet: next\n    update: next",
      9,
      "steps.0.updaet: there is no such",
    ],
    ["a missing field", "    update: next\n", "", 8, "steps.0.update: "],
    ["an unknown fault", "powerCut", "powerCutt", 11, "steps.0.faults.0.fault: "],
    ["a field of a fault", "target: ECU_011", "target: 7", 12, "steps.0.faults.0.target: "],
    ["an event that there is not", "flash.eraseStarted", "flash.erase", 13, "when.event: is no event of the trace"],
    ["an empty list of steps", GOOD.slice(GOOD.indexOf("steps:")), "steps: []\n", 7, "steps: "],
    ["a release that there is not", "update: next", "update: later", 9, "steps.0.update: there is no release later"],
    ["software for nobody", "ECU_011: { version", "ECU_911: { version", 6, "there is no ECU ECU_911"],
    ["a fault of nobody", "target: ECU_011", "target: ZG_1", 12, "faults.0.target: there is no target ZG_1"],
    ["a verdict on nobody", "ECU_011: updated", "ECU_911: updated", 16, "expect.ecus.ECU_911: there is no ECU"],
    [
      "an event to be counted",
      "ecus: { ECU_011: updated }",
      "events: { flash.erase: 1 }",
      16,
      "is no event flash.erase",
    ],
    ["no YAML", "name: first", "name: first: second", 8, ""],
    ["a key twice", "name: a scenario", "name: a\nname: b", 2, ""],
    ["an alias of nothing", "name: a scenario", "name: *nobody", 1, ""],
  ])("is refused with its line: %s", async (_, from, to, line, what) => {
    const message = await said(from, to);
    expect(message).toContain(`${path}:${line}:`);
    expect(message).toContain(what);
    expect(message).not.toContain("\n");
  });

  it("is refused when it is empty, or nothing but a text", async () => {
    for (const text of ["", "hello", "- 1", "---\n---\n"]) {
      writeFileSync(path, text);
      await expect(readScenario(path)).rejects.toMatchObject({ code: "FILE_INVALID" });
    }
  });

  it("that is not there, or is a folder, is the fault of whoever named it", async () => {
    for (const each of [join(folder, "none.yaml"), folder]) {
      const error: unknown = await readScenario(each).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: "FILE_UNREADABLE" });
      expect(error).toBeInstanceOf(UsageError);
    }
  });
});
