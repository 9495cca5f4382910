import { describe, expect, it } from "vitest";
import type { Behaviour } from "../../../emulator/ecu/behaviours.ts";
import { type Instant, ms, s, toMs } from "../../../emulator/kernel/time.ts";
import { toHex } from "../../../emulator/wire/text.ts";
import { Sid } from "../../../emulator/wire/uds.ts";
import { image, ZoneBench } from "./support/zone-bench.ts";

const NEW = image("ECU_011", "2.0.0");
const PROGRAM = { type: "program", image: NEW } as const;
const ALWAYS = 1_000_000;
const sid = Sid.TransferData;

function powered(...behaviours: readonly Behaviour[]): ZoneBench {
  const bench = new ZoneBench({ behaviours });
  for (const { ecu } of bench.seats) ecu.powerOn();
  bench.run(ms(400));
  return bench;
}

/** First bytes of what ECU_011 was asked, or has answered. */
function said(bench: ZoneBench, type: "uds.request" | "uds.response", length = 2): string[] {
  return [...bench.world.trace.events()].flatMap((event) =>
    event.type === type && event.source === "ECU_011" ? [toHex(event.data.subarray(0, length))] : [],
  );
}

const blocks = (bench: ZoneBench): string[] => said(bench, "uds.request").filter((request) => request.startsWith("36"));
const notes = (bench: ZoneBench): string[] =>
  bench.said.flatMap(({ output }) => (output.type === "noted" ? [output.code] : []));

/** The ECU has no power for a while, and then behaves: it takes an update. */
function expectUpdatable(bench: ZoneBench, version = "3.0.0"): void {
  const { ecu } = bench.seat("ECU_011");
  ecu.powerOff();
  bench.run(ms(500));
  ecu.powerOn();
  bench.run(s(5));
  const program = { type: "program", image: image("ECU_011", version) } as const;
  expect(bench.do("ECU_011", program)).toEqual({ type: "programmed" });
  expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version });
}

describe("what the gateway's tester makes of an ECU whose server misbehaves", () => {
  it("responsePendingForever: it waits for two minutes, then says so; power off and on, and the ECU is updated", () => {
    const bench = powered({ name: "responsePendingForever", sid: Sid.RoutineControl });
    const ended = bench.do("ECU_011", PROGRAM);
    expect(ended).toMatchObject({ type: "failed", phase: "erase", error: { code: "UDS_PENDING_TOO_LONG" } });
    const pending = said(bench, "uds.response", 3).filter((response) => response === "7f3178");
    expect(pending.length).toBeGreaterThanOrEqual(26); // one in P2, then one every 4.5 s
    expect(pending.length).toBeLessThanOrEqual(28);
    expectUpdatable(bench);
  });

  it("responsePendingForever at block 3: no other block is sent, and the old software stays", () => {
    const bench = powered({ name: "responsePendingForever", sid, atBlock: 3 });
    const ended = bench.do("ECU_011", PROGRAM);
    expect(ended).toMatchObject({ type: "failed", phase: "transfer", error: { code: "UDS_PENDING_TOO_LONG" } });
    expect(blocks(bench)).toEqual(["3601", "3602", "3603"]);
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0" });
    expectUpdatable(bench);
  });

  it("wrongCounterEcho, once: the answer does not count, and the block is sent again", () => {
    const bench = powered({ name: "wrongCounterEcho", sid, atBlock: 2 });
    expect(bench.do("ECU_011", PROGRAM)).toEqual({ type: "programmed" });
    const answers = said(bench, "uds.response").filter((response) => response.startsWith("76"));
    expect(answers.slice(0, 4)).toEqual(["7601", "7603", "7602", "7603"]);
    expect(notes(bench)).toEqual(["UDS_LATE_RESPONSE"]);
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("wrongCounterEcho, always: it sends the block four times in each of three tries, and never the next one", () => {
    const bench = powered({ name: "wrongCounterEcho", sid, atBlock: 2, times: 12 });
    const ended = bench.do("ECU_011", PROGRAM);
    expect(ended).toMatchObject({
      type: "failed",
      phase: "transfer",
      error: { code: "UDS_TIMEOUT" },
    });
    expect(blocks(bench)).toEqual(Array(3).fill(["3601", "3602", "3602", "3602", "3602"]).flat());
    expectUpdatable(bench);
  });

  it("answerAfterP2 within its patience: it waits", () => {
    const bench = powered({ name: "answerAfterP2", sid, by: ms(1500), times: 2 });
    expect(bench.do("ECU_011", PROGRAM)).toEqual({ type: "programmed" });
    expect(new Set(blocks(bench)).size).toBe(blocks(bench).length);
    expect(notes(bench)).toEqual([]);
  });

  it("answerAfterP2 beyond it: it sends the block again, and takes no late answer for one to the next block", () => {
    const bench = powered({ name: "answerAfterP2", sid, by: s(3), atBlock: 2 });
    expect(bench.do("ECU_011", PROGRAM)).toEqual({ type: "programmed" });
    expect(said(bench, "uds.response", 3)).toContain("7f3621"); // the ECU is still at it
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("answerAfterP2 beyond all patience: it ends with a named error, and the ECU is updated when it behaves", () => {
    const bench = powered({ name: "answerAfterP2", sid, by: s(60) });
    const ended = bench.do("ECU_011", PROGRAM);
    expect(ended).toMatchObject({ type: "failed", error: { code: "NRC_BUSY_REPEAT_REQUEST" } });
    expect(new Set(blocks(bench))).toEqual(new Set(["3601"]));
    expectUpdatable(bench);
  });

  it.each([0, 7])("resetInTheMiddle, %i ms after block 3 has come: it begins again from the session", (after) => {
    const bench = powered({ name: "resetInTheMiddle", sid, atBlock: 3, after: ms(after) });
    expect(bench.do("ECU_011", PROGRAM)).toEqual({ type: "programmed" });
    const events = [...bench.world.trace.events()];
    const resets = events.flatMap((event) => (event.type === "ecu.reset" ? [[event.cause, event.at] as const] : []));
    expect(resets).toMatchObject([["trap", expect.anything()]]);
    const third = events.find((event) => event.type === "uds.request" && toHex(event.data.subarray(0, 2)) === "3603");
    expect(toMs(resets[0]?.[1] as Instant) - toMs(third?.at as Instant)).toBe(after);
    expect(events.filter(({ type }) => type === "flash.torn")).toHaveLength(after === 0 ? 0 : 1);
    expect(blocks(bench).filter((block) => block === "3601")).toHaveLength(2);
    expect(bench.do("ECU_011", { type: "activate" })).toEqual({ type: "activated", version: "2.0.0" });
  });

  it("resetInTheMiddle, always: it gives up after three attempts; the old software runs, and can be updated", () => {
    const bench = powered({ name: "resetInTheMiddle", sid, atBlock: 2, after: ms(0), times: 3 });
    expect(bench.do("ECU_011", PROGRAM)).toMatchObject({ type: "failed", phase: "transfer" });
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0" });
    expectUpdatable(bench);
  });

  it("seedNeverChanges: it notices nothing; every seed is the same", () => {
    const bench = powered({ name: "seedNeverChanges", seed: 0x12345678 });
    expect(bench.do("ECU_011", PROGRAM)).toEqual({ type: "programmed" });
    const seeds = said(bench, "uds.response", 6).filter((response) => response.startsWith("6701"));
    expect(seeds).toEqual(["670112345678", "670112345678"]);
    expectUpdatable(bench);
  });

  it.each([0x22, 0x31, 0x70, 0x72])("negativeResponse %i at block 3: a named error or another attempt", (nrc) => {
    const bench = powered({ name: "negativeResponse", sid, nrc, atBlock: 3, times: ALWAYS });
    expect(bench.do("ECU_011", PROGRAM)).toMatchObject({ type: "failed", phase: "transfer" });
    expect(blocks(bench)).not.toContain("3604");
    expect(bench.seat("ECU_011").ecu.running).toMatchObject({ version: "1.0.0" });
    const other = { type: "program", image: image("ECU_012", "2.0.0") } as const;
    expect(bench.do("ECU_012", other)).toEqual({ type: "programmed" });
  });
});
