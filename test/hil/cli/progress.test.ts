import { describe, expect, it } from "vitest";
import type { Instant } from "../../../emulator/kernel/time.ts";
import { Trace } from "../../../emulator/kernel/trace.ts";
import { Progress } from "../../../hil/cli/progress.ts";
import { keptIo } from "./io.ts";

const at = (instant: number): Instant => instant as Instant;
const ESCAPE = "\u001b[";

function watched(terminal?: number) {
  const io = keptIo(terminal);
  const trace = new Trace();
  const progress = new Progress(io);
  progress.attach(trace);
  const advance = (ecu: string, phase: string, done: number, total: number): void =>
    trace.record(at(0), "VMG", "campaign.progress", { ecu, phase, done, total });
  return { io, trace, progress, advance };
}

describe("progress without a terminal", () => {
  it("prints a line for each phase and each quarter of it", () => {
    const { io, advance } = watched();
    for (let done = 0; done <= 1000; done += 10) advance("ECU_011", "transfer", done, 1000);
    advance("ECU_011", "check", 0, 0);
    expect(io.out()).toBe(
      "ECU_011  transfer  0 %\nECU_011  transfer  25 %\nECU_011  transfer  50 %\n" +
        "ECU_011  transfer  75 %\nECU_011  transfer  100 %\nECU_011  check\n",
    );
  });

  it("prints what the campaign does, the download and what goes wrong", () => {
    const { io, trace } = watched();
    trace.record(at(0), "VMG", "campaign.state", { from: "idle", to: "fetching" });
    trace.record(at(0), "VMG", "source.progress", { system: "https", received: 10, total: 10 });
    trace.record(at(0), "VMG", "source.failed", { system: "https", code: "HOST_RESET", reason: "gone" });
    trace.record(at(0), "VMG", "source.resumed", { system: "https", offset: 10 });
    trace.record(at(0), "bench", "fault.injected", { fault: "powerCut", target: "ECU_011", detail: "" });
    const failed = { ecu: "ECU_011", phase: "erase", code: "NEGATIVE_RESPONSE", reason: "0x72" };
    trace.record(at(0), "VMG", "campaign.ecuFailed", failed);
    expect(io.out()).toBe(
      "campaign: fetching\ndownload (https)  fetched  100 %\nhttps: HOST_RESET: gone\nhttps: resumed at byte 10\n" +
        "fault: powerCut ECU_011\nECU_011 failed in erase: NEGATIVE_RESPONSE: 0x72\n",
    );
  });
});

describe("progress on a terminal", () => {
  it("draws one bar for each ECU, and draws them again in place", () => {
    const { io, advance, progress } = watched(80);
    advance("ECU_011", "erase", 0, 100);
    io.clock = 200;
    advance("ECU_02", "transfer", 50, 100);
    progress.close();
    const bar = (filled: number): string => `[${"#".repeat(filled)}${"-".repeat(30 - filled)}]`;
    const both = `ECU_011  ${bar(0)}   0 %  erase\nECU_02   ${bar(15)}  50 %  transfer\n`;
    expect(io.out()).toBe(
      `ECU_011  ${bar(0)}   0 %  erase\n${ESCAPE}1A${ESCAPE}0J${both}${ESCAPE}2A${ESCAPE}0J${both}`,
    );
  });

  it("draws at most ten times in a second of wall time", () => {
    const { io, advance } = watched(80);
    for (let tick = 0; tick < 1000; tick++) {
      io.clock = tick;
      advance("ECU_011", "transfer", tick, 1000);
    }
    expect(io.writes()).toBe(10);
  });

  it("cuts lines to the width of the terminal, so that they can be drawn again", () => {
    const { io, advance } = watched(20);
    advance("ECU_011", "transfer", 1, 2);
    expect(io.out()).toBe("ECU_011  [#########\n");
  });

  it("puts lines that stay above the bars", () => {
    const { io, advance, trace } = watched(80);
    advance("ECU_011", "erase", 0, 0);
    trace.record(at(0), "VMG", "campaign.state", { from: "a", to: "activating" });
    expect(io.out()).toContain(`${ESCAPE}1A${ESCAPE}0Jcampaign: activating\nECU_011  [`);
  });

  it("is silent once it is closed", () => {
    const { io, advance, progress } = watched(80);
    advance("ECU_011", "erase", 0, 100);
    progress.close();
    const before = io.writes();
    io.clock = 1000;
    advance("ECU_011", "erase", 100, 100);
    expect(io.writes()).toBe(before);
  });
});
