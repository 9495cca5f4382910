import type { RunReport } from "../../../hil/scenario/run-report.ts";

/** The report of an update that went well, with the changes given. */
export function report(changes: Partial<RunReport> = {}): RunReport {
  return {
    scenario: "fixtures/scenarios/first-update.yaml",
    seed: "7",
    verdict: "passed",
    wallMs: 781,
    virtualMs: 24_516,
    traceDigest: "14775b5f",
    traceFile: "out/trace.otbtrace",
    captureFile: "out/capture.pcapng",
    candumpFile: "out/candump.log",
    replayCommand: "npx otabench run fixtures/scenarios/first-update.yaml --seed 7",
    ecus: [
      {
        ecu: "ECU_011",
        versionBefore: "1.0.0",
        versionAfter: "1.1.0",
        bytes: 106_528,
        frames: 15_429,
        wireMs: 3567.2,
        wallMs: 366.5,
        verdict: "updated",
      },
      {
        ecu: "ECU_021",
        versionBefore: "1.0.0",
        versionAfter: "",
        bytes: 9760,
        frames: 255,
        wireMs: 76.44,
        wallMs: 370,
        verdict: "failed",
      },
    ],
    steps: [
      { name: "update", verdict: "passed", expected: "confirmed", observed: "confirmed" },
      {
        name: "ECU_021 <again>",
        verdict: "failed",
        expected: '"1.2.0" & no reset',
        observed: "no answer",
        code: "N_TIMEOUT_Bs",
        reason: "it is silent",
      },
    ],
    source: {
      system: "https",
      peer: "https://localhost:4443",
      bytes: 200_838,
      retries: 1,
      ms: 43,
      retransmissions: null,
    },
    ...changes,
  };
}
