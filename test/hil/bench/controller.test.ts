import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../../hil/scenario/run-report.ts";
import { runScenario } from "../../../hil/scenario/run-scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-controller-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** An update during which the classic bus is shorted; with what the vehicle file says of the controllers on it. */
async function updateOverShort(controller: string, gateway = "{}"): Promise<RunReport["steps"][number]> {
  const vehicle = readFileSync("fixtures/vehicles/two-zone.yaml", "utf8")
    .replaceAll("../firmware", resolve("fixtures/firmware"))
    .replace("bus: { name: can1, ", `bus: { name: can1, controller: ${controller}, `)
    .replace("gateway: { name: ZG_1, ", `gateway: { name: ZG_1, controller: ${gateway}, `);
  writeFileSync(join(folder, "vehicle.yaml"), vehicle);
  writeFileSync(
    join(folder, "scenario.yaml"),
    `name: a short
vehicle: vehicle.yaml
releases:
  next: { ecus: { ECU_011: { version: 1.1.0, firmware: ${resolve("fixtures/firmware/avrgirl-leonardo-blink.hex")} } } }
steps:
  - name: the only one
    update: next
    faults:
      - fault: shortCircuit
        bus: can1
        level: recessive
        when: { event: uds.request, source: ECU_011, occurrence: 15, afterUs: 3000 }
        forMs: 50
    expect: { verdict: updated }
`,
  );
  const { steps } = await runScenario(join(folder, "scenario.yaml"), { seed: "7" });
  return steps[0] as RunReport["steps"][number];
}

describe("the CAN controllers of a vehicle file", () => {
  it("come back from bus-off by themselves unless told otherwise", async () => {
    expect(await updateOverShort("{}")).toMatchObject({ verdict: "passed" });
  });

  it("stay off the bus where a whole bus is told so", async () => {
    expect(await updateOverShort("{ busOffRecovery: onRequest }")).toMatchObject({ verdict: "failed" });
  });

  it("may be told otherwise one by one", async () => {
    const step = await updateOverShort("{ busOffRecovery: onRequest }", "{ busOffRecovery: automatic }");
    expect(step).toMatchObject({ verdict: "passed" });
  });
});
