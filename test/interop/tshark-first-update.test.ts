import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runScenario } from "../../hil/scenario/run-scenario.ts";
import { describeCapture } from "./tshark-suite.ts";

const SCENARIO = fileURLToPath(new URL("../../fixtures/scenarios/first-update.yaml", import.meta.url));
/** All services of the programming sequence that are answered. */
const SERVICES = [0x10, 0x11, 0x22, 0x27, 0x2e, 0x31, 0x34, 0x36, 0x37];

describeCapture(
  "tshark reads the capture of the first update",
  async (folder) => {
    const { captureFile, verdict, reason } = await runScenario(SCENARIO, { outDir: folder });
    if (verdict !== "passed") throw new Error(`the run failed: ${reason}`);
    return captureFile ?? join(folder, "no capture was written");
  },
  { buses: { can1: SERVICES, can2: SERVICES }, doipTypes: [0x0005, 0x0006, 0x8001, 0x8002], connectionsMin: 2 },
);
