import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { candumpLines } from "../../hil/record/candump.ts";
import { framesOf } from "../../hil/record/captured-frame.ts";
import { pcapngOfTrace } from "../../hil/record/pcapng-writer.ts";
import { writePieces } from "../../hil/record/pieces.ts";
import { canFrame } from "../conformance/can-link/can-link-suite.ts";
import { ErrorBench } from "../emulator/bus/error-bench.ts";
import { describeWithJudge, PYTHON3 } from "../support/judges.ts";

const folder = mkdtempSync(join(tmpdir(), "otabench-errors-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A bit error and a form error, each behind it the frame that is sent again. */
function disturbed(): ErrorBench {
  const bench = new ErrorBench(2);
  const frame = canFrame(0x123, 0x55, 0x55, 0x55, 0x55);
  bench.bus.arm({ fault: "corruptBit", bit: 25, seenBy: "A" });
  bench.port("A").transmit(frame);
  bench.toIdle();
  bench.bus.arm({ fault: "corruptBit", bit: 75, seenBy: "B" });
  bench.port("A").transmit(frame);
  bench.toIdle();
  return bench;
}

describeWithJudge("tshark", "tshark reads error frames", () => {
  it("as what they are, with nothing malformed", () => {
    const path = join(folder, "errors.pcapng");
    writePieces(path, pcapngOfTrace(disturbed().world.trace.events()));
    const columns = ["can.err.prot.type.bit", "can.err.prot.type.form", "can.err.reserved"];
    const tshark = (filter: string): string =>
      execFileSync("tshark", ["-r", path, "-Y", filter, "-T", "fields", ...columns.flatMap((name) => ["-e", name])], {
        encoding: "utf8",
      });
    expect(tshark("can.flags.err == 1")).toBe("1\t0\t0x00000000\n0\t1\t0x00000000\n");
    expect(tshark("_ws.malformed")).toBe("");
  });
});

describeWithJudge("python3-can", "python-can reads error frames", () => {
  it("of a candump log as error frames, and the others as they are", () => {
    const path = join(folder, "errors.log");
    writePieces(path, candumpLines(framesOf(disturbed().world.trace.events())));
    const program = "import can,sys\nfor m in can.LogReader(sys.argv[1]): print(m.is_error_frame, m.arbitration_id)";
    const said = execFileSync(PYTHON3, ["-c", program, path], { encoding: "utf8" });
    expect(said).toBe("True 0\nFalse 291\nTrue 0\nFalse 291\n");
  });
});
