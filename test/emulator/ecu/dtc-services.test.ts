import { describe, expect, it } from "vitest";
import { type DtcConfig, type DtcDefinition, FAMILY_DTCS } from "../../../emulator/ecu/dtc-config.ts";
import { ms, s } from "../../../emulator/kernel/time.ts";
import { EcuBench, smallEcu } from "./support/ecu-bench.ts";

const rule = (code: number, overrides: Partial<DtcDefinition> = {}): DtcDefinition => ({
  code,
  severity: 0x20,
  functionalUnit: 0x10,
  functionalGroups: [],
  indicator: false,
  cyclesToConfirm: 1,
  cyclesToHeal: 1,
  cyclesToAge: 3,
  failStep: 127,
  passStep: 128,
  ...overrides,
});

// DTCs of the examples of ISO 14229-1:2020, 12.3.5: P0A9B-17, P2522-1F, P0805-11
const A = 0x0a9b17;
const B = 0x25221f;
const C = 0x080511;
const DEFINITIONS = [
  rule(A, { severity: 0x80, functionalGroups: [0x33], readinessGroup: 0x05, indicator: true }),
  rule(B, { severity: 0x40, functionalGroups: [0x33, 0xd0], cyclesToConfirm: 2 }),
  rule(C, { failStep: 40, passStep: 40 }),
];

function ecu(dtcs: Partial<DtcConfig> = {}): EcuBench {
  return EcuBench.running(smallEcu({ dtcs: { definitions: DEFINITIONS, snapshotDids: [0xf186, 0xf195], ...dtcs } }));
}

const test = (bench: EcuBench, dtc: number, failed: boolean): void => bench.push({ type: "tested", dtc, failed });
const cycle = (bench: EcuBench): void => {
  bench.after(s(1)); // what is being written is stored
  bench.powerOff();
  bench.powerOn();
};

/** A is confirmed, B is pending, C was never tested. A failed first. */
function faulty(): EcuBench {
  const bench = ecu();
  test(bench, A, true);
  test(bench, B, true);
  return bench;
}

/** A snapshot of the default session and version 1.0.0. */
const FROZEN = "02 f1 86 01 f1 95 31 2e 30 2e 30";

describe("0x19 ReadDTCInformation", () => {
  it.each<readonly [string, string, string]>([
    ["01: how many have one of these bits", "19 01 08", "59 01 ff 00 00 01"],
    ["01: all that have any bit", "19 01 ff", "59 01 ff 00 00 03"],
    ["01: none for an empty mask", "19 01 00", "59 01 ff 00 00 00"],
    ["02: which have one of these bits", "19 02 0c", "59 02 ff 0a 9b 17 af 25 22 1f 27"],
    ["02: those that were not tested", "19 02 50", "59 02 ff 08 05 11 50"],
    ["02: none", "19 02 00", "59 02 ff"],
    ["03: which snapshots there are", "19 03", "59 03 0a 9b 17 01 25 22 1f 01"],
    ["04: a snapshot", "19 04 0a 9b 17 01", `59 04 0a 9b 17 af 01 ${FROZEN}`],
    ["04: all of them", "19 04 25 22 1f ff", `59 04 25 22 1f 27 01 ${FROZEN}`],
    ["04: one that was not taken", "19 04 0a 9b 17 02", "59 04 0a 9b 17 af"],
    ["04: of a DTC that never failed", "19 04 08 05 11 ff", "59 04 08 05 11 50"],
    ["06: occurrences", "19 06 0a 9b 17 01", "59 06 0a 9b 17 af 01 01"],
    ["06: all extended data", "19 06 25 22 1f ff", "59 06 25 22 1f 27 01 01 02 00 03 01"],
    ["06: of a DTC that never failed", "19 06 08 05 11 ff", "59 06 08 05 11 50"],
    ["07: how many of that severity and status", "19 07 c0 01", "59 07 ff 00 00 02"],
    ["07: of another severity", "19 07 20 2f", "59 07 ff 00 00 00"],
    ["08: which", "19 08 80 01", "59 08 ff 80 10 0a 9b 17 af"],
    ["09: of one", "19 09 25 22 1f", "59 09 ff 40 10 25 22 1f 27"],
    ["0A: all that it supports, in order", "19 0a", "59 0a ff 08 05 11 50 0a 9b 17 af 25 22 1f 27"],
    ["0B: the first that failed", "19 0b", "59 0b ff 0a 9b 17 af"],
    ["0C: the first that was confirmed", "19 0c", "59 0c ff 0a 9b 17 af"],
    ["0D: the latest that failed", "19 0d", "59 0d ff 25 22 1f 27"],
    ["0E: the latest that was confirmed", "19 0e", "59 0e ff 0a 9b 17 af"],
    ["14: none is on its way to fail", "19 14", "59 14"],
    ["15: permanent ones", "19 15", "59 15 ff 0a 9b 17 af"],
    ["16: one extended data record of all", "19 16 01", "59 16 01 0a 9b 17 af 01 25 22 1f 27 01"],
    ["17: the user defined memory", "19 17 ff 01", "59 17 01 ff 0a 9b 17 af"],
    ["17: none there with these bits", "19 17 10 01", "59 17 01 ff"],
    ["18: its snapshots", "19 18 0a 9b 17 ff 01", `59 18 01 0a 9b 17 af 01 ${FROZEN}`],
    ["19: its extended data", "19 19 0a 9b 17 01 01", "59 19 01 0a 9b 17 af 01 01"],
    ["1A: which have that extended data", "19 1a 02", "59 1a ff 02 0a 9b 17 af 25 22 1f 27"],
    ["42: of a functional group", "19 42 33 08 ff", "59 42 33 ff ff 04 80 0a 9b 17 af"],
    ["42: of another group", "19 42 d0 ff 40", "59 42 d0 ff ff 04 40 25 22 1f 27"],
    ["55: permanent ones of a group", "19 55 33", "59 55 33 ff 04 0a 9b 17 af"],
    ["55: none of another group", "19 55 d0", "59 55 d0 ff 04"],
    ["56: of a readiness group", "19 56 33 05", "59 56 33 ff 04 05 0a 9b 17 af"],
    ["suppressPosRspMsgIndicationBit", "19 82 ff", "no response"],
  ])("reports %s: %s -> %s", (_title, request, response) => {
    expect(faulty().ask(request)).toBe(response);
  });

  it.each<readonly [string, string]>([
    ["19", "7f 19 13"],
    ["19 00", "7f 19 12"],
    ["19 05 01", "7f 19 12"],
    ["19 0f ff", "7f 19 12"],
    ["19 43", "7f 19 12"],
    ["19 01", "7f 19 13"],
    ["19 01 ff 00", "7f 19 13"],
    ["19 02", "7f 19 13"],
    ["19 03 00", "7f 19 13"],
    ["19 04 0a 9b 17", "7f 19 13"],
    ["19 06 0a 9b 17 01 00", "7f 19 13"],
    ["19 07 ff", "7f 19 13"],
    ["19 09 0a 9b", "7f 19 13"],
    ["19 0a 00", "7f 19 13"],
    ["19 17 ff", "7f 19 13"],
    ["19 42 33 ff", "7f 19 13"],
    ["19 04 12 34 56 01", "7f 19 31"],
    ["19 04 0a 9b 17 00", "7f 19 31"],
    ["19 04 0a 9b 17 03", "7f 19 31"],
    ["19 06 12 34 56 01", "7f 19 31"],
    ["19 06 0a 9b 17 04", "7f 19 31"],
    ["19 06 0a 9b 17 fe", "7f 19 31"],
    ["19 09 12 34 56", "7f 19 31"],
    ["19 16 04", "7f 19 31"],
    ["19 17 ff 02", "7f 19 31"],
    ["19 18 25 22 1f ff 01", "7f 19 31"],
    ["19 1a 04", "7f 19 31"],
    ["19 42 fe ff ff", "7f 19 31"],
    ["19 55 34", "7f 19 31"],
    ["19 56 33 06", "7f 19 31"],
  ])("refuses %s with %s", (request, response) => {
    expect(faulty().ask(request)).toBe(response);
  });

  it("answers functional requests, but not with 12 or 31", () => {
    const bench = faulty();
    expect(bench.send("19 01 08", true)).toEqual(["59 01 ff 00 00 01"]);
    expect(bench.send("19 05 01", true)).toEqual([]);
    expect(bench.send("19 09 12 34 56", true)).toEqual([]);
    expect(bench.send("19 01", true)).toEqual(["7f 19 13"]);
  });

  it("answers 0x14 when the report does not fit into a response", () => {
    const dtcs = { definitions: DEFINITIONS };
    const bench = EcuBench.running(smallEcu({ dtcs, uds: { responseSizeMax: 14 } }));
    expect(bench.ask("19 0a")).toBe("7f 19 14");
    expect(bench.ask("19 02 50")).toBe("7f 19 14");
    expect(bench.ask("19 01 50")).toBe("59 01 ff 00 00 03");
  });

  it("offers the warning indicator bit only where a DTC has an indicator", () => {
    const bench = ecu({ definitions: [rule(B), rule(C)] });
    expect(bench.ask("19 0a")).toBe("59 0a 7f 08 05 11 50 25 22 1f 50");
  });

  it("shows with 14 how far a test is on its way to fail", () => {
    const bench = ecu();
    test(bench, C, true);
    expect(bench.ask("19 14")).toBe("59 14 08 05 11 28");
    test(bench, C, true);
    test(bench, C, true);
    expect(bench.ask("19 14")).toBe("59 14 08 05 11 78");
    expect(bench.ask("19 09 08 05 11")).toBe("59 09 ff 20 10 08 05 11 50");
    test(bench, C, true); // 127: failed
    expect(bench.ask("19 14")).toBe("59 14");
    expect(bench.ask("19 09 08 05 11")).toBe("59 09 ff 20 10 08 05 11 2f");
    test(bench, C, false);
    expect(bench.ask("19 14")).toBe("59 14");
  });
});

describe("0x14 ClearDiagnosticInformation", () => {
  const SUPPORTED = "59 0a ff 08 05 11 50 0a 9b 17 50 25 22 1f 50";

  it("clears all, and what was stored with them", () => {
    const bench = faulty();
    expect(bench.ask("14 ff ff ff")).toBe("54");
    expect(bench.ask("19 0a")).toBe(SUPPORTED);
    expect(bench.ask("19 03")).toBe("59 03");
    expect(bench.ask("19 06 0a 9b 17 ff")).toBe("59 06 0a 9b 17 50");
    expect(["19 0b", "19 0c", "19 0d", "19 0e"].map((request) => bench.ask(request))).toEqual([
      "59 0b ff",
      "59 0c ff",
      "59 0d ff",
      "59 0e ff",
    ]);
  });

  it("clears one, and leaves the others", () => {
    const bench = faulty();
    expect(bench.ask("14 0a 9b 17")).toBe("54");
    expect(bench.ask("19 0a")).toBe("59 0a ff 08 05 11 50 0a 9b 17 50 25 22 1f 27");
    expect(bench.ask("19 0b")).toBe("59 0b ff 25 22 1f 27");
  });

  it("clears a functional group", () => {
    const bench = faulty();
    expect(bench.ask("14 ff ff d0")).toBe("54");
    expect(bench.ask("19 02 2f")).toBe("59 02 ff 0a 9b 17 af");
    expect(bench.ask("14 ff ff 33")).toBe("54");
    expect(bench.ask("19 02 2f")).toBe("59 02 ff");
  });

  it("leaves permanent status and the user defined memory alone, which is cleared by its number", () => {
    const bench = faulty();
    bench.ask("14 ff ff ff");
    expect(bench.ask("19 15")).toBe("59 15 ff 0a 9b 17 50");
    expect(bench.ask("19 17 ff 01")).toBe("59 17 01 ff 0a 9b 17 af");
    expect(bench.ask("14 ff ff ff 01")).toBe("54");
    expect(bench.ask("19 17 ff 01")).toBe("59 17 01 ff");
    test(bench, A, false);
    cycle(bench);
    expect(bench.ask("19 15")).toBe("59 15 ff");
  });

  it.each<readonly [string, string]>([
    ["14", "7f 14 13"],
    ["14 ff ff", "7f 14 13"],
    ["14 ff ff ff 01 00", "7f 14 13"],
    ["14 12 34 56", "7f 14 31"],
    ["14 ff ff fe", "7f 14 31"],
    ["14 ff ff ff 02", "7f 14 31"],
  ])("refuses %s with %s", (request, response) => {
    expect(faulty().ask(request)).toBe(response);
  });

  it("refuses with 0x22 while a download is under way", () => {
    const bench = faulty();
    bench.enterProgramming();
    bench.ask("31 01 ff 00");
    bench.ask("34 00 44 80 0d 20 00 00 00 10 00");
    expect(bench.ask("14 ff ff ff")).toBe("7f 14 22");
    bench.ask("10 03");
    expect(bench.ask("14 ff ff ff")).toBe("54");
  });

  it("keeps the tester waiting with 0x78 until all is stored", () => {
    const flash = { ...FAMILY_DTCS.flash, sectorEraseTime: ms(200) };
    const bench = ecu({ flash });
    const from = bench.now;
    expect(bench.send("14 ff ff ff")).toEqual([]);
    bench.after(ms(45));
    expect(bench.responses.at(-1)).toBe("7f 14 78");
    bench.after(ms(200));
    expect(bench.responses.at(-1)).toBe("54");
    expect(bench.now - from).toBe(ms(245));
  });

  it("answers 0x72 when the memory can't be written", () => {
    const { sectorSize } = FAMILY_DTCS.flash;
    const bench = ecu({ flash: { ...FAMILY_DTCS.flash, size: 1.5 * sectorSize } }); // copy 1 can't be erased
    expect(bench.ask("14 ff ff ff")).toBe("54");
    expect(bench.ask("14 ff ff ff")).toBe("7f 14 72");
  });
});

describe("0x85 ControlDTCSetting", () => {
  const OF_A = "19 09 0a 9b 17";
  const STATUS = (status: string): string => `59 09 ff 80 10 0a 9b 17 ${status}`;

  it("off stops every change, on lets the next result count", () => {
    const bench = ecu();
    bench.ask("10 03");
    expect(bench.ask("85 02")).toBe("c5 02");
    test(bench, A, true);
    test(bench, A, false);
    expect(bench.ask(OF_A)).toBe(STATUS("50"));
    expect(bench.ask("85 01")).toBe("c5 01");
    expect(bench.ask(OF_A)).toBe(STATUS("50"));
    test(bench, A, true);
    expect(bench.ask(OF_A)).toBe(STATUS("af"));
  });

  it("stops those that its option record names", () => {
    const bench = ecu();
    bench.ask("10 03");
    expect(bench.ask("85 02 25 22 1f 08 05 11")).toBe("c5 02");
    test(bench, A, true);
    test(bench, B, true);
    expect(bench.ask("19 02 01")).toBe("59 02 ff 0a 9b 17 af");
    expect(bench.ask("85 01 ff ff d0")).toBe("c5 01");
    test(bench, B, true);
    expect(bench.ask("19 02 01")).toBe("59 02 ff 0a 9b 17 af 25 22 1f 27");
  });

  it("stays off from one non-default session to another, and ends with 10 01", () => {
    const bench = ecu();
    bench.ask("10 03");
    bench.ask("85 02");
    bench.ask("10 02");
    test(bench, A, true);
    expect(bench.ask(OF_A)).toBe(STATUS("50"));
    bench.ask("10 01");
    test(bench, A, true);
    expect(bench.ask(OF_A)).toBe(STATUS("af"));
  });

  it.each<readonly [string, (bench: EcuBench) => void]>([
    ["S3", (bench) => bench.after(s(6))],
    [
      "a reset",
      (bench) => {
        bench.ask("11 03");
        bench.untilRunning();
      },
    ],
    ["a power cut", cycle],
  ])("ends with %s", (_title, ends) => {
    const bench = ecu();
    bench.ask("10 03");
    bench.ask("85 82");
    ends(bench);
    test(bench, A, true);
    expect(bench.ask(OF_A)).toBe(STATUS("af"));
  });

  it("still lets a tester clear", () => {
    const bench = faulty();
    bench.ask("10 03");
    bench.ask("85 02");
    expect(bench.ask("14 ff ff ff")).toBe("54");
    expect(bench.ask(OF_A)).toBe(STATUS("50"));
  });

  it.each<readonly [string, string]>([
    ["85", "7f 85 13"],
    ["85 00", "7f 85 12"],
    ["85 03", "7f 85 12"],
    ["85 02 ff", "7f 85 13"],
    ["85 02 ff ff ff ff", "7f 85 13"],
    ["85 02 12 34 56", "7f 85 31"],
    ["85 02 0a 9b 17 12 34 56", "7f 85 31"],
    ["85 02 ff ff ff", "c5 02"],
  ])("answers %s with %s", (request, response) => {
    const bench = ecu();
    bench.ask("10 03");
    expect(bench.ask(request)).toBe(response);
  });

  it("is not there in the default session", () => {
    expect(ecu().ask("85 02")).toBe("7f 85 7f");
  });
});
