import { describe, expect, it } from "vitest";
import type { Behaviour } from "../../../emulator/ecu/behaviours.ts";
import { ms, us } from "../../../emulator/kernel/time.ts";
import { Sid } from "../../../emulator/wire/uds.ts";
import { image, ZoneBench } from "./support/zone-bench.ts";

const NEW = image("ECU_011", "2.0.0");
const ALWAYS = 1_000_000;

/** ECU_011 asks for flow control every 8 frames and misbehaves. */
function powered(behaviour: Behaviour): ZoneBench {
  const bench = new ZoneBench({ behaviours: [behaviour], isotp: { blockSize: 8 } });
  for (const { ecu } of bench.seats) ecu.powerOn();
  bench.run(ms(400));
  return bench;
}

const failures = (bench: ZoneBench): string[] =>
  [...bench.world.trace.events()].flatMap((event) =>
    event.type === "isotp.failed" ? [`${event.source} ${event.direction} ${event.result}`] : [],
  );

const sid = Sid.TransferData;
const changing = { name: "changingFlowControl", sid, times: ALWAYS } as const;
const PARAMETERS = [
  { blockSize: 1, stMin: us(100) },
  { blockSize: 20, stMin: ms(0) },
  { blockSize: 3, stMin: ms(1) },
];

describe("what the gateway's tester makes of an ECU whose transport layer misbehaves", () => {
  it.each<[string, Behaviour, string[]]>([
    ["lateFlowControl within N_Bs", { name: "lateFlowControl", sid, delay: ms(999), times: 3 }, []],
    [
      "lateFlowControl after N_Bs",
      { name: "lateFlowControl", sid, delay: ms(1500) },
      ["ZG_1 sending N_TIMEOUT_Bs", "ECU_011 receiving N_UNEXP_PDU"],
    ],
    [
      "missingFlowControl",
      { name: "missingFlowControl", sid },
      ["ECU_011 receiving N_TIMEOUT_Cr", "ZG_1 sending N_TIMEOUT_Bs"],
    ],
    [
      "missingFlowControl in the middle",
      { name: "missingFlowControl", sid, block: 4 },
      ["ECU_011 receiving N_TIMEOUT_Cr", "ZG_1 sending N_TIMEOUT_Bs"],
    ],
    ["changingFlowControl", { ...changing, parameters: PARAMETERS }, []],
    [
      "overflowAtBlock 1",
      { name: "overflowAtBlock", sid, block: 1 },
      ["ZG_1 sending N_BUFFER_OVFLW", "ECU_011 receiving N_ERROR"],
    ],
    [
      "overflowAtBlock 5",
      { name: "overflowAtBlock", sid, block: 5 },
      ["ZG_1 sending N_BUFFER_OVFLW", "ECU_011 receiving N_ERROR"],
    ],
    [
      "waitForever",
      { name: "waitForever", sid, interval: ms(50) },
      ["ZG_1 sending N_WFT_OVRN", "ECU_011 receiving N_UNEXP_PDU"],
    ],
  ])("%s, once: the new software gets there all the same", (_, behaviour, results) => {
    const bench = powered(behaviour);
    expect(bench.do("ECU_011", { type: "program", image: NEW })).toEqual({ type: "programmed" });
    expect(failures(bench)).toEqual(results);
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
    expect(bench.lost).toEqual([]);
  });

  it("wrongSequenceNumber, once: the answer is lost with N_WRONG_SN, and asked for again", () => {
    const bench = powered({ name: "wrongSequenceNumber", sid: Sid.ReadDataByIdentifier, frame: 1 });
    expect(bench.do("ECU_011", { type: "identify" })).toMatchObject({ type: "identified", version: "1.0.0" });
    expect(failures(bench)).toEqual(["ZG_1 receiving N_WRONG_SN"]);
  });

  it.each<[string, Behaviour]>([
    ["DOIP_TRANSPORT_PROTOCOL_ERROR", { name: "lateFlowControl", sid, delay: ms(1500), times: ALWAYS }],
    ["DOIP_TRANSPORT_PROTOCOL_ERROR", { name: "missingFlowControl", sid, times: ALWAYS }],
    ["DOIP_MESSAGE_TOO_LARGE", { name: "overflowAtBlock", sid, block: 5, times: ALWAYS }],
    ["DOIP_TRANSPORT_PROTOCOL_ERROR", { name: "waitForever", sid, interval: ms(50), times: ALWAYS }],
  ])("%s is what is told when it never ends: %j; the other ECU takes its update", (code, behaviour) => {
    const bench = powered(behaviour);
    const ended = bench.do("ECU_011", { type: "program", image: NEW });
    expect(ended).toMatchObject({ type: "failed", phase: "transfer", error: { code } });
    const other = { type: "program", image: image("ECU_012", "2.0.0") } as const;
    expect(bench.do("ECU_012", other)).toEqual({ type: "programmed" });
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0" });
  });
});
