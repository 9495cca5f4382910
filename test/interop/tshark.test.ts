import { join } from "node:path";
import { pcapngOfTrace } from "../../hil/record/pcapng-writer.ts";
import { writePieces } from "../../hil/record/pieces.ts";
import { smallRun } from "../hil/record/small-run.ts";
import { describeCapture } from "./tshark-suite.ts";

describeCapture(
  "tshark reads the capture of a small run",
  (folder) => {
    const path = join(folder, "small.pcapng");
    writePieces(path, pcapngOfTrace(smallRun().events()));
    return path;
  },
  {
    buses: { can1: [0x10, 0x22, 0x31, 0x34, 0x36], can2: [0x10, 0x22, 0x31, 0x34, 0x36] },
    doipTypes: [0x0005, 0x0006, 0x8001, 0x8002],
    connectionsMin: 2,
  },
);
