import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { CanFlag, type CanFrame } from "../../emulator/wire/can-frame.ts";
import { candumpLines, readCandump } from "../../hil/record/candump.ts";
import { type CapturedFrame, framesOf } from "../../hil/record/captured-frame.ts";
import { readPieces, writePieces } from "../../hil/record/pieces.ts";
import { smallRun } from "../hil/record/small-run.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";

/** Prints one JSON object for each frame of a log; with a second argument it writes the log anew. */
const SCRIPT = `
import sys, json, can
messages = list(can.CanutilsLogReader(sys.argv[1]))
if len(sys.argv) > 2:
    writer = can.CanutilsLogWriter(sys.argv[2])
    for m in messages: writer.on_message_received(m)
    writer.stop()
for m in messages:
    print(json.dumps(dict(t=f"{m.timestamp:.6f}", bus=m.channel, id=m.arbitration_id, ext=m.is_extended_id,
        rtr=m.is_remote_frame, fd=m.is_fd, brs=m.bitrate_switch, esi=m.error_state_indicator, data=bytes(m.data).hex())))
`;

describeWithJudge("python3-can", "python-can reads our candump logs", () => {
  const folder = mkdtempSync(join(tmpdir(), "otabench-python-can-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const read = (path: string, rewritten?: string): unknown[] =>
    execFileSync(PYTHON3, ["-c", SCRIPT, path, ...(rewritten === undefined ? [] : [rewritten])], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);

  const seen = ({ time, bus, frame: { id, flags, data } }: CapturedFrame): unknown => ({
    t: `${time / 1_000_000_000n}.${String((time / 1000n) % 1_000_000n).padStart(6, "0")}`,
    bus,
    id,
    ext: (flags & CanFlag.Extended) !== 0,
    rtr: (flags & CanFlag.Remote) !== 0,
    fd: (flags & CanFlag.Fd) !== 0,
    brs: (flags & CanFlag.BitRateSwitch) !== 0,
    esi: (flags & CanFlag.ErrorStateIndicator) !== 0,
    data: (flags & CanFlag.Remote) !== 0 ? "" : Buffer.from(data).toString("hex"),
  });

  it("sees every frame of a run as the trace has it", () => {
    const path = join(folder, "run.log");
    const frames = [...framesOf(smallRun().events())];
    writePieces(path, candumpLines(frames));
    expect(read(path)).toEqual(frames.map(seen));
  });

  it("sees every kind of frame, and what it writes again we read", () => {
    const frame = (id: number, flags: number, length: number): CanFrame => ({
      id,
      flags,
      data: Uint8Array.from({ length }, (_, index) => index),
    });
    const { Extended, Fd, BitRateSwitch, ErrorStateIndicator, Remote } = CanFlag;
    const frames = [
      frame(0x000, 0, 0),
      frame(0x7ff, 0, 8),
      frame(0x0, Extended, 3),
      frame(0x1fffffff, Extended, 8),
      frame(0x123, Remote, 0),
      frame(0x123, Fd, 0),
      frame(0x123, Fd | BitRateSwitch, 12),
      frame(0x18da15f1, Extended | Fd | BitRateSwitch, 64),
      frame(0x18da15f1, Extended | Fd | ErrorStateIndicator, 48),
      frame(0x7ff, Fd | BitRateSwitch | ErrorStateIndicator, 20),
    ].map(
      (one, index): CapturedFrame => ({
        time: 1_767_225_600_000_001_000n + BigInt(index) * 1_000_000n,
        bus: "can1",
        frame: one,
      }),
    );
    const path = join(folder, "kinds.log");
    const again = join(folder, "again.log");
    writePieces(path, candumpLines(frames));
    expect(read(path, again)).toEqual(frames.map(seen));
    expect([...readCandump(readPieces(again))].map(seen)).toEqual(frames.map(seen));
  });
});
